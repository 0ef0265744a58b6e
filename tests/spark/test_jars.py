from __future__ import annotations

import functools
import hashlib
import http.server
import re
import threading

import pytest

from dataflow.errors import DataflowError
from dataflow.spark import jars
from dataflow.spark.jars import PinnedJar
from dataflow.spark.java import Java, find_java

CONTENT = b"PK not much of a jar"
TINY = PinnedJar("org.example", "tiny", "1.0", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), "the tiny jar")


@pytest.fixture(autouse=True)
def tiny_jar_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(jars, "JARS", (TINY,))
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    for name in ("DATAFLOW_JARS", "DEFAULT_ARTIFACT_REPOSITORY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def no_java(tmp_path):
    return Java(tmp_path / "no-java", "17", "")


@pytest.fixture
def repository(tmp_path):
    """A Maven repository on this machine; yields its folder and address."""
    root = tmp_path / "repository"
    place = root / "org" / "example" / "tiny" / "1.0"
    place.mkdir(parents=True)
    (place / "tiny-1.0.jar").write_bytes(CONTENT)
    (place / "tiny-1.0.pom").write_text(
        "<project><modelVersion>4.0.0</modelVersion><groupId>org.example</groupId>"
        "<artifactId>tiny</artifactId><version>1.0</version></project>"
    )
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=root)
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield place, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_jars_that_are_there_are_not_fetched_again(no_java):
    jars.folder().mkdir(parents=True)
    (jars.folder() / "tiny-1.0.jar").write_bytes(CONTENT)
    assert jars.ensure(no_java, {}) == [jars.folder() / "tiny-1.0.jar"]


def test_a_folder_of_ones_own_serves_a_machine_without_network(monkeypatch, tmp_path, no_java):
    (tmp_path / "tiny-1.0.jar").write_bytes(CONTENT)
    monkeypatch.setenv("DATAFLOW_JARS", str(tmp_path))
    assert jars.ensure(no_java, {}) == [tmp_path / "tiny-1.0.jar"]


def test_a_folder_of_ones_own_without_the_jar_is_refused(monkeypatch, tmp_path, no_java):
    monkeypatch.setenv("DATAFLOW_JARS", str(tmp_path))
    with pytest.raises(DataflowError, match=r"has no tiny-1\.0\.jar"):
        jars.ensure(no_java, {})


def test_another_jar_of_the_same_name_and_size_is_refused(monkeypatch, tmp_path, no_java):
    (tmp_path / "tiny-1.0.jar").write_bytes(CONTENT.upper())
    monkeypatch.setenv("DATAFLOW_JARS", str(tmp_path))
    with pytest.raises(DataflowError, match="is not the pinned jar"):
        jars.ensure(no_java, {})


def test_a_proxy_of_the_environment_becomes_java_properties():
    environ = {"HTTPS_PROXY": "http://bob:s%40fe@proxy.example:3128", "NO_PROXY": "localhost,.example.org"}
    assert jars.proxy_options(environ) == [
        "-Dhttps.proxyHost=proxy.example",
        "-Dhttps.proxyPort=3128",
        "-Dhttps.proxyUser=bob",
        "-Dhttps.proxyPassword=s@fe",
        "-Dhttp.nonProxyHosts=localhost|*.example.org",
    ]
    assert jars.proxy_options({}) == []


def test_the_mirror_of_the_spark_settings_comes_before_that_of_the_environment(monkeypatch):
    monkeypatch.setenv("DEFAULT_ARTIFACT_REPOSITORY", "https://mirror.example/maven")
    assert jars.mirror({}) == "https://mirror.example/maven"
    assert jars.mirror({"spark.jars.ivySettings": "/etc/ivy.xml"}) == "/etc/ivy.xml"


@pytest.mark.spark
def test_a_jar_is_fetched_from_a_mirror_and_kept(monkeypatch, repository, no_java):
    monkeypatch.setenv("DEFAULT_ARTIFACT_REPOSITORY", repository[1])
    said = []
    (file,) = jars.ensure(find_java(), {}, said.append)
    assert file.read_bytes() == CONTENT
    assert said == ["Fetching the tiny jar, this once (0 MB) …"]
    assert sorted(path.name for path in jars.folder().iterdir()) == [".lock", "tiny-1.0.jar"]
    assert jars.ensure(no_java, {}) == [file]


@pytest.mark.spark
def test_a_mirror_that_serves_something_else_leaves_nothing_behind(monkeypatch, repository):
    place, address = repository
    (place / "tiny-1.0.jar").write_bytes(b"a login page of some proxy")
    monkeypatch.setenv("DEFAULT_ARTIFACT_REPOSITORY", address)
    with pytest.raises(DataflowError, match="is not the pinned jar"):
        jars.ensure(find_java(), {})
    assert [path.name for path in jars.folder().iterdir()] == [".lock"]


@pytest.mark.spark
def test_a_mirror_that_does_not_answer_is_one_message_with_the_ways_out(monkeypatch):
    monkeypatch.setenv("DEFAULT_ARTIFACT_REPOSITORY", "http://127.0.0.1:9/maven")
    with pytest.raises(DataflowError, match=r"tiny-1\.0\.jar could not be fetched: .*Connection refused") as caught:
        jars.ensure(find_java(), {})
    assert {"HTTPS_PROXY", "DEFAULT_ARTIFACT_REPOSITORY", "DATAFLOW_JARS"} <= set(re.findall(r"\w+", caught.value.hint))
