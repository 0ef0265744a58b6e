from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import threading
import zipfile

import pytest

from dataflow.build.python.lock import lock_of
from dataflow.workflow.pyproject import project_of


def wheel(folder, name, version, needs=(), text=""):
    """Write a wheel of one module, which knows its version."""
    record, info = [], f"{name}-{version}.dist-info"
    folder.mkdir(exist_ok=True)
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n{text}",
        f"{info}/METADATA": metadata + "".join(f"Requires-Dist: {it}\n" for it in needs),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, content in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()
            record.append(f"{path},sha256={digest},{len(content)}\n")
            archive.writestr(zipfile.ZipInfo(path), content)  # always the same bytes: uv keeps them by their address
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), "".join([*record, f"{info}/RECORD,,\n"]))


class Index:
    """A private index on this machine, at an address."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        handler = functools.partial(_Silent, directory=str(folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def add(self, name, version, **more):
        """Publish a package."""
        wheel(self.folder, name, version, **more)

    def close(self, user, password):
        """Let nobody in but who knows the password."""
        self.server.wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def table(self):
        """Return what a `pyproject.toml` says of it."""
        return f'[[tool.uv.index]]\nname = "ours"\nurl = "{self.url}"\nformat = "flat"\n'


class _Silent(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):  # as the server calls it
        wanted = getattr(self.server, "wanted", None)
        if wanted and self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def index(tmp_path):
    made = Index(tmp_path / "index")
    for version in ("1.0", "2.0"):
        made.add("dfcolours", version)
    yield made
    made.server.shutdown()


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def work(tmp_path, monkeypatch):
    folder = tmp_path / "work"
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def project(home, work, index):  # noqa: ARG001  # what is made goes there
    """Return what writes a `pyproject.toml` with dependencies, and gives its lock."""

    def make(*needs, more="", python=">=3.11", name="titles", own=True):
        listed = ", ".join(f'"{it}"' for it in needs)
        head = f'[project]\nname = "{name}"\nversion = "1"\nrequires-python = "{python}"\ndependencies = [{listed}]\n'
        (work / name).mkdir(exist_ok=True)
        (work / name / "pyproject.toml").write_text(f"{head}{more}\n{index.table() if own else ''}")
        return project_of(work / name)

    return make


@pytest.fixture
def locked(project):
    """Return what writes a `pyproject.toml` and gives its lock, with what was said meanwhile."""

    def make(*needs, **more):
        said = []
        return lock_of(project(*needs, **more), said.append), said

    return make
