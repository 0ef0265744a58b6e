from __future__ import annotations

import os
import struct

import pytest

from dataflow.spark import class_data_archive
from dataflow.spark.class_data_archive import ClassData, archive_file, class_data, is_being_made
from dataflow.spark.java import Java

COMPLETE = struct.pack("=I", 0xF00BABA8) + b"classes"


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DATAFLOW_CLASS_DATA", raising=False)


@pytest.fixture
def java(tmp_path):
    own = tmp_path / "jdk" / "lib" / "server" / "classes.jsa"
    own.parent.mkdir(parents=True)
    own.touch()
    return Java(tmp_path / "jdk", "17.0.15", "Acme")


@pytest.fixture
def class_path(tmp_path):
    files = [tmp_path / "a.jar", tmp_path / "b.jar"]
    for file in files:
        file.write_bytes(b"jar")
    return files


def train(java, class_path, written):
    """What a training run leaves behind when its JVM has written so much."""
    data = class_data(java, class_path, train=True)
    unfinished = archive_file(java, class_path).with_suffix(".tmp")
    assert f"-XX:ArchiveClassesAtExit={unfinished}" in data.options
    unfinished.write_bytes(written)
    os.close(data.lock)  # the JVM ended
    return unfinished


def test_the_first_run_makes_the_archive_and_the_next_uses_it(java, class_path):
    unfinished = train(java, class_path, COMPLETE)
    data = class_data(java, class_path, train=True)
    file = archive_file(java, class_path)
    assert data.options[-1] == f"-XX:SharedArchiveFile={file}"
    assert data.lock is None
    assert file.read_bytes() == COMPLETE
    assert not unfinished.exists()


def test_a_torn_archive_is_deleted_and_made_again(java, class_path):
    unfinished = train(java, class_path, bytes(4) + b"the header is written last")
    assert class_data(java, class_path, train=False).options == ()
    assert not unfinished.exists()
    train(java, class_path, COMPLETE)


def test_one_jvm_trains_at_a_time(java, class_path):
    first = class_data(java, class_path, train=True)
    file = archive_file(java, class_path)
    file.with_suffix(".tmp").write_bytes(COMPLETE)  # its header is there, but it may not have closed it yet
    assert is_being_made(file)
    assert class_data(java, class_path, train=True).options == ()
    os.close(first.lock)
    assert not is_being_made(file)
    assert class_data(java, class_path, train=True).options[-1] == f"-XX:SharedArchiveFile={file}"


def test_a_run_that_is_not_typical_makes_none(java, class_path):
    assert class_data(java, class_path, train=False).options == ()


def test_another_java_another_jar_or_another_order_has_an_archive_of_its_own(java, class_path):
    first = archive_file(java, class_path)
    assert archive_file(Java(java.home, "17.0.16", java.vendor), class_path) != first
    assert archive_file(java, class_path[::-1]) != first
    class_path[0].write_bytes(b"another")
    assert archive_file(java, class_path) != first


def test_it_can_be_switched_off(monkeypatch, java, class_path):
    monkeypatch.setenv("DATAFLOW_CLASS_DATA", "off")
    assert class_data(java, class_path, train=True).options == ()


def test_a_java_without_an_archive_of_its_own_classes_has_none_to_build_on(java, class_path):
    (java.home / "lib" / "server" / "classes.jsa").unlink()
    assert class_data(java, class_path, train=True) == ClassData()


def test_a_folder_on_the_class_path_rules_it_out(java, class_path, tmp_path):
    assert class_data(java, [*class_path, tmp_path], train=True).options == ()


def test_a_home_that_can_not_be_written_costs_the_speed_alone(monkeypatch, java, class_path, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "file"))
    assert class_data(java, class_path, train=True).options == ()


def test_the_archives_used_longest_ago_are_swept_away(java, class_path):
    class_data_archive.folder().mkdir(parents=True)
    for age in range(5):
        old = class_data_archive.folder() / f"{age}.jsa"
        old.write_bytes(COMPLETE)
        os.utime(old, (1000 - age, 1000 - age))
    train(java, class_path, COMPLETE)
    class_data(java, class_path, train=True)
    kept = {file.name for file in class_data_archive.folder().glob("*.jsa")}
    assert kept == {archive_file(java, class_path).name, "0.jsa", "1.jsa", "2.jsa"}
