from __future__ import annotations

import socket
import threading

import pytest

from dataflow.assets.registry import Registry


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


@pytest.fixture(params=["file", "s3"])
def registry(request, tmp_path):
    """Return an empty registry: once on the local disk, once on S3."""
    if request.param == "file":
        return Registry((tmp_path / "registry").as_uri())
    return Registry(request.getfixturevalue("s3_address"))


def _free_port() -> int:
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return int(it.getsockname()[1])
