"""Docker's own engine on this machine, for as long as a test needs it, and an image of this machine's programs.

Nothing is pulled: the image has empty folders, and mounts of this machine's system and Python make them a system. The
engine needs root; it has folders and a socket of its own, no network, and is ended by its own number.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
from pathlib import Path

IMAGE = "dataflow-test:1"
_SYSTEM = ("usr", "etc/alternatives", "etc/ssl", "etc/java-17-openjdk", "etc/java-21-openjdk", "etc/R")


class DockerEngine:
    """A running engine with the image.

    Attributes:
        environ: Variables by which its clients find it.
        options: What a container has to be given, so that `dataflow` runs in it.
    """

    def __init__(self) -> None:
        self._folder = folder = Path(tempfile.mkdtemp(prefix="dataflow-docker-"))
        folder.chmod(0o755)
        self._log = (folder / "dockerd.log").open("w")
        self._pid = folder / "docker.pid"
        socket = f"unix://{folder}/docker.sock"
        self.environ = {"DOCKER_HOST": socket, "DOCKER_CONFIG": str(folder / "config")}
        command = [
            "dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs",
            f"--host={socket}", f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={self._pid}",
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log, start_new_session=True)
        self._log_file = folder / "dockerd.log"
        self.options = _options(folder)

    def start(self, within: float = 180) -> DockerEngine:
        """Wait until it answers, and make the image."""
        deadline = time.monotonic() + within
        while self.docker("version", check=False).returncode:
            assert self._process.poll() is None, self._log_file.read_text()[-2000:]
            assert time.monotonic() < deadline, self._log_file.read_text()[-2000:]
            time.sleep(0.2)
        self.docker("import", "-", IMAGE, input=_root())
        return self

    def docker(self, *words, check=True, **options):
        """Run a command of Docker's client."""
        environ = {**os.environ, **self.environ}
        done = subprocess.run(["docker", *words], env=environ, capture_output=True, check=False, **options)
        assert not check or done.returncode == 0, done.stderr.decode()
        return done

    def containers(self) -> list[str]:
        """Return the containers that run."""
        return self.docker("ps", "--quiet").stdout.decode().split()

    def stop(self) -> None:
        """End it, and what it began."""
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(30)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._log.close()
        mounts = (line.split()[1] for line in Path("/proc/mounts").read_text().splitlines())
        for place in sorted((it for it in mounts if it.startswith(f"{self._folder}/")), reverse=True):
            subprocess.run(["umount", "--lazy", place], check=False)  # its network, which it leaves behind
        shutil.rmtree(self._folder)


def hindrance() -> str | None:
    """Say why no engine can be started here; None where one can."""
    if os.geteuid():
        return "Docker's engine needs root to be started"
    missing = [it for it in ("docker", "dockerd", "containerd", "runc") if shutil.which(it) is None]
    return f"{missing[0]} is not installed: sudo apt-get install docker.io" if missing else None


def is_readable_by_others() -> bool:
    """Say whether another user could run this Python: a container's user may be one."""
    return all(
        Path(it).stat().st_mode & 0o5 == 0o5 for it in (sys.prefix, sysconfig.get_path("purelib"), sys.base_prefix)
    )


def _options(folder: Path) -> str:
    """Return the mounts of this machine's system and Python, and of a copy of Dataflow that everybody may read."""
    own = shutil.copytree(
        Path(__file__).parents[2] / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__")
    )
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(own)], check=True)
    subprocess.run(["chmod", "--recursive", "a+rX", str(own)], check=True)
    folders = [Path("/", it) for it in _SYSTEM]
    folders += [Path(sys.prefix), Path(sys.base_prefix), Path(sysconfig.get_path("purelib"))]
    folders = [it for it in folders if it.exists()]
    outer = {it for it in folders if not any(it != other and it.is_relative_to(other) for other in folders)}
    mounts = [f"--volume={it}:{it}:ro" for it in sorted(outer)]
    path = f"--env=PATH={sys.prefix}/bin:/usr/bin:/bin"
    return " ".join([*mounts, f"--volume={own}:/dataflow:ro", "--env=PYTHONPATH=/dataflow", path, "--network=host"])


def _root() -> bytes:
    """Return a root file system as tar: folders and links, which stand as in Debian's."""
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w") as archive:
        for name in ("usr", "sbin", "etc", "tmp", "root", "proc", "sys", "dev", "run", "var", "var/tmp", "home"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name in {"tmp", "var/tmp"} else 0o755
            archive.addfile(entry)
        for name in ("bin", "lib", "lib64"):  # /sbin is where the engine puts its own init
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{name}"
            archive.addfile(entry)
        for name in ("ld.so.cache", "nsswitch.conf", "localtime"):
            if (file := Path("/etc", name)).is_file():
                content = file.read_bytes()
                entry = tarfile.TarInfo(f"etc/{name}")
                entry.size, entry.mode = len(content), 0o644
                archive.addfile(entry, io.BytesIO(content))
    return found.getvalue()
