"""Airflow itself for tests: in an environment of its own, made once from our freeze, and run on this machine alone.

`python -m tests.support.airflow` makes the environment; `airflow-requirements.txt` beside this is what
`uv pip compile` makes of `apache-airflow` and `apache-airflow-providers-git` for Python 3.11.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("airflow-requirements.txt")
HEALTHY = ("scheduler", "triggerer", "dag_processor")
POLL = 1.0


def environment() -> Path:
    """Return where the environment is, or would be: another one for each freeze."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return cache / "dataflow-tests" / f"airflow-{digest}"


def is_installed() -> bool:
    """Say whether the environment was made."""
    return (environment() / "bin" / "airflow").exists()


def install() -> None:
    """Make the environment, where there is none; one that was left unfinished is made anew."""
    target = environment()
    if is_installed():
        return
    draft = target.with_name(f"{target.name}-draft")
    shutil.rmtree(draft, ignore_errors=True)
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, draft], check=True)
    options = ["--quiet", "--python", str(draft / "bin" / "python"), "--requirement", str(REQUIREMENTS)]
    subprocess.run([uv, "pip", "install", *options], check=True)
    draft.rename(target)


class Airflow:
    """An Airflow with SQLite, a bundle of DAGs, and a home that is the test's.

    Attributes:
        home: Its home.
        dags: The folder of its DAGs; or a git repository of them, of which it follows a branch.
    """

    def __init__(self, home: Path, dags: Path, environ: dict[str, str], branch: str | None = None) -> None:
        self.home, self.dags = home, dags
        self.port, log_port, trigger_port = (_free_port() for _ in range(3))
        self.address = f"http://127.0.0.1:{self.port}"
        kind, where = "airflow.dag_processing.bundles.local.LocalDagBundle", {"path": str(dags)}
        if branch is not None:
            kind, where = "airflow.providers.git.bundles.git.GitDagBundle", {"repo_url": str(dags)}
            where |= {"tracking_ref": branch}
        bundle = {"name": "dataflow", "classpath": kind, "kwargs": {**where, "refresh_interval": 2}}
        settings = {
            "API__BASE_URL": self.address,
            "API__HOST": "127.0.0.1",
            "API__PORT": str(self.port),
            "API__WORKERS": "1",
            "CORE__EXECUTION_API_SERVER_URL": f"{self.address}/execution/",
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__PARALLELISM": "4",
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}?timeout=60",
            "DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
            "DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
            "DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
            "DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_port),
            "LOGGING__WORKER_LOG_SERVER_PORT": str(log_port),
            "USAGE_DATA_COLLECTION__ENABLED": "False",
            "WORKERS__EXECUTION_API_TIMEOUT": "120",  # its five seconds pass where something else is at work
        }
        bin_ = environment() / "bin"
        self.environ = {
            **{name: value for name, value in environ.items() if not name.startswith("AIRFLOW")},
            "AIRFLOW_HOME": str(home),
            "NO_PROXY": "127.0.0.1",
            "PATH": f"{bin_}{os.pathsep}{environ['PATH']}",
            **{f"AIRFLOW__{name}": value for name, value in settings.items()},
        }

    def __call__(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run Airflow's command line."""
        command = [str(environment() / "bin" / "airflow"), *arguments]
        return subprocess.run(
            command, env=self.environ, cwd=self.home, capture_output=True, text=True, timeout=timeout, check=False
        )

    def _make_database(self) -> None:
        """Make the file of its database one whose readers keep nobody from writing."""
        with contextlib.closing(sqlite3.connect(self.home / "airflow.db")) as database:
            database.execute("PRAGMA journal_mode=WAL")

    @contextlib.contextmanager
    def standalone(self) -> Iterator[Airflow]:
        """Run all of it, in a group of processes that is gone at the end."""
        self._make_database()
        log = self.home / "standalone.log"
        command = [str(environment() / "bin" / "airflow"), "standalone"]
        with log.open("w") as stream:
            process = subprocess.Popen(
                command, env=self.environ, cwd=self.home, stdout=stream, stderr=stream, start_new_session=True
            )
        try:
            self.until("it is healthy", self._is_healthy, 300, process)
            yield self
        finally:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            for number in (signal.SIGTERM, signal.SIGKILL):  # what is left of its group, which nobody else is in
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                    time.sleep(1)
            process.wait(10)

    def until(self, what: str, look: Callable[[], object], seconds: float, process: subprocess.Popen | None = None):
        """Look again and again until something is there, and return it."""
        deadline = time.monotonic() + seconds
        while True:
            found = look()
            if found:
                return found
            if process is not None and process.poll() is not None:
                raise AssertionError(f"Airflow ended: {(self.home / 'standalone.log').read_text()[-3000:]}")
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            time.sleep(POLL)

    def token(self) -> str:
        """Return a token for its API, as whoever may log in gets one."""
        with urllib.request.urlopen(f"{self.address}/auth/token", timeout=30) as answer:
            return json.loads(answer.read())["access_token"]

    def ask(self, path: str, method: str = "GET", data: object = None) -> dict:
        """Ask its API."""
        body = None if data is None else json.dumps(data).encode()
        headers = {"Authorization": f"Bearer {self.token()}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.address}/api/v2/{path}", body, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def knows(self, *dag_ids: str) -> bool:
        """Say whether it has read DAG files."""
        return {*dag_ids} <= {it["dag_id"] for it in self.ask("dags?limit=100")["dags"]}

    def version_of(self, dag_id: str) -> int:
        """Return the number of a DAG's last version."""
        return max((it["version_number"] for it in self.ask(f"dags/{dag_id}/dagVersions")["dag_versions"]), default=0)

    def _is_healthy(self) -> bool:
        with contextlib.suppress(OSError, ValueError, KeyError):
            with urllib.request.urlopen(f"{self.address}/api/v2/monitor/health", timeout=5) as answer:
                health = json.loads(answer.read())
            return all(health[name]["status"] == "healthy" for name in HEALTHY)
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


if __name__ == "__main__":
    install()
