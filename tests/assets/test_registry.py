from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time

import pytest

from dataflow.assets.registry import Registry, open_registry
from dataflow.assets.storage import Storage
from dataflow.errors import DataflowError, UsageError
from dataflow.workflow.project import find_project
from tests.support.processes import at_once

APPEND = """\
import os, sys
from dataflow.assets.registry import Registry

def work(ready, tell, address, count):
    registry = Registry(address)
    registry.latest("builds/jar/a")
    ready()
    for i in range(count):
        sha256 = registry.put(f"built by {os.getpid()}, {i}".encode())
        number, _ = registry.append("builds/jar/a", lambda n: {"build": n, "by": os.getpid(), "object": sha256})
        tell([number, os.getpid()])
"""


def place(registry, name):
    """Return where a registry keeps something, as fsspec has it."""
    return registry._storage.fs, registry._storage.path(name)


def overwrite(registry, name, data):
    fs, path = place(registry, name)
    fs.pipe_file(path, data)


def test_what_is_put_comes_back_by_its_checksum(registry, tmp_path):
    (tmp_path / "a.jar").write_bytes(b"jar" * 1000)
    sha256 = registry.put(tmp_path / "a.jar")
    assert sha256 == hashlib.sha256(b"jar" * 1000).hexdigest()
    assert registry.put(b"jar" * 1000) == sha256
    assert registry.has(sha256)
    assert registry.get(sha256) == b"jar" * 1000
    assert registry.fetch(sha256, tmp_path / "deep/b.jar").read_bytes() == b"jar" * 1000


def test_a_corrupted_object_is_named_and_refused(registry, tmp_path):
    sha256 = registry.put(b"SELECT 1")
    overwrite(registry, f"objects/{sha256}", b"SELECT 2")
    for read in (lambda: registry.get(sha256), lambda: registry.fetch(sha256, tmp_path / "a.sql")):
        with pytest.raises(DataflowError, match=f"object {sha256} in the registry is corrupted"):
            read()
    assert not list(tmp_path.glob("*a.sql*"))
    assert not list(tmp_path.glob(".part-*"))
    overwrite(registry, f"objects/{sha256}", b"SELECT")
    with pytest.raises(DataflowError, match=r"corrupted: 6 bytes long instead of 8"):
        registry.put(b"SELECT 1")


def test_a_corrupted_entry_is_named_and_refused(registry):
    registry.append("environments/production", lambda number: {"bundle": "a", "number": number})
    fs, path = place(registry, "environments/production/1.json")
    overwrite(registry, "environments/production/1.json", fs.cat_file(path).replace(b'"a"', b'"b"'))
    with pytest.raises(DataflowError, match=r"environments/production/1\.json in the registry is corrupted"):
        registry.latest("environments/production")
    overwrite(registry, "environments/production/1.json", b'{"entry":')
    with pytest.raises(DataflowError, match=r"environments/production/1\.json in the registry is corrupted"):
        registry.latest("environments/production")


def test_an_object_that_is_missing_is_named(registry, tmp_path):
    sha256 = hashlib.sha256(b"nothing").hexdigest()
    assert not registry.has(sha256)
    with pytest.raises(DataflowError, match=f"object {sha256} is missing"):
        registry.fetch(sha256, tmp_path / "a")


def test_a_series_is_numbered_from_one_and_the_highest_is_current(registry):
    assert registry.latest("environments/production") is None
    for i in range(11):
        registry.append("environments/production", lambda number, i=i: {"number": number, "i": i})
    assert registry.latest("environments/production") == (11, {"number": 11, "i": 10})
    assert [number for number, _ in registry.entries("environments/production")] == [*range(1, 12)]
    assert registry.entry("environments/production", 2) == {"number": 2, "i": 1}


def test_series_are_found_below_a_prefix(registry):
    for name in ("builds/jar/a/main", "builds/jar/b/main", "builds/sql/c/main", "environments/production"):
        registry.append(name, lambda number: {"number": number})
    registry.write_once("builds/jar/note", {})
    assert registry.series("builds/jar") == ["builds/jar/a/main", "builds/jar/b/main"]
    assert registry.series("builds/wheel") == []
    assert registry.folders("builds") == ["jar", "sql"]
    assert registry.folders("nothing") == []


def test_a_note_is_written_once(registry):
    assert registry.note("inputs/ab") is None
    assert registry.write_once("inputs/ab", {"object": "1"})
    assert not registry.write_once("inputs/ab", {"object": "2"})
    assert registry.note("inputs/ab") == {"object": "1"}


def test_what_a_maker_raises_leaves_nothing(registry):
    def refuse(number):
        raise DataflowError(f"the world moved before {number}")

    with pytest.raises(DataflowError, match="before 1"):
        registry.append("environments/production", refuse)
    assert registry.latest("environments/production") is None


@pytest.mark.slow
def test_eight_writers_at_once_get_consecutive_numbers_and_lose_none(registry):
    writers, each = 8, 3 if registry.address.startswith("file:") else 1
    given = at_once(APPEND, [[registry.address, each]] * writers)
    assert sorted(number for numbers in given for number, _ in numbers) == [*range(1, writers * each + 1)]
    entries = registry.entries("builds/jar/a")
    assert [entry["build"] for _, entry in entries] == [*range(1, writers * each + 1)]
    told = {number: process for numbers in given for number, process in numbers}
    assert {number: entry["by"] for number, entry in entries} == told
    assert len(set(told.values())) == writers
    assert all(registry.get(entry["object"]).startswith(b"built by") for _, entry in entries)


@pytest.mark.slow
def test_writers_killed_at_any_moment_leave_no_hole_and_nothing_torn(tmp_path):
    registry = Registry(str(tmp_path / "registry"))
    for i in range(12):
        endless = f"{APPEND}\nwork(lambda: None, lambda it: print(it, flush=True), {registry.address!r}, 10**9)"
        writer = subprocess.Popen([sys.executable, "-c", endless], stdout=subprocess.PIPE, text=True)
        writer.stdout.readline()
        time.sleep(0.003 * i)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
    entries = registry.entries("builds/jar/a")
    assert [number for number, _ in entries] == [*range(1, len(entries) + 1)]
    assert len(entries) >= 12
    for _, entry in entries:
        assert registry.get(entry["object"])


def test_a_store_s_client_that_asks_twice_does_not_lose_its_number(registry, monkeypatch):
    original = Storage.create

    def heard_too_late(self, name, data):
        original(self, name, data)
        return original(self, name, data)  # the first answer was lost: the client sent it again, and was refused

    monkeypatch.setattr(Storage, "create", heard_too_late)
    assert registry.append("environments/production", lambda number: {"number": number})[0] == 1
    assert registry.append("environments/production", lambda number: {"number": number})[0] == 2
    assert len(registry.entries("environments/production")) == 2


@pytest.mark.parametrize(("code", "written"), [("ConditionalRequestConflict", True), ("PreconditionFailed", False)])
def test_every_answer_of_an_s3_to_a_conditional_put_is_understood(s3_address, monkeypatch, code, written):
    from botocore.exceptions import ClientError
    from s3fs.errors import translate_boto_error

    storage = Storage(s3_address)
    put, answers = storage.fs.pipe_file, [translate_boto_error(ClientError({"Error": {"Code": code}}, "PutObject"))]

    def answer(*arguments, **options):
        if answers:
            raise answers.pop()
        return put(*arguments, **options)

    monkeypatch.setattr(storage.fs, "pipe_file", answer)
    assert storage.create("environments/production/1.json", b"{}") is written


@pytest.mark.parametrize("address", ["http://example.org/a", "memory://a", "ftp://a"])
def test_an_address_where_two_writers_could_overwrite_each_other_is_refused(address):
    with pytest.raises(UsageError, match="a registry can't be at"):
        Registry(address)


@pytest.mark.usefixtures("s3_address")
def test_a_bucket_that_is_not_there_is_one_message():
    with pytest.raises(DataflowError, match=r"the registry at s3://nobody-s-bucket can't be written to: .*bucket"):
        Registry("s3://nobody-s-bucket").append("environments/production", lambda _: {})


def test_the_project_says_where_its_registry_is(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DATAFLOW_REGISTRY", raising=False)
    assert open_registry().address == f"file://{tmp_path}/home/registry"
    (tmp_path / "dataflow.yaml").write_text("version: 1\nproject: titles\nregistry: s3://team/registry/\n")
    assert open_registry(find_project(tmp_path)).address == "s3://team/registry"
    (tmp_path / "dataflow.yaml").write_text("version: 1\nproject: titles\nregistry: shared\n")
    assert open_registry(find_project(tmp_path)).address == f"file://{tmp_path}/shared"
    monkeypatch.setenv("DATAFLOW_REGISTRY", "gs://other")
    assert open_registry(find_project(tmp_path)).address == "gs://other"


def test_a_folder_that_can_t_be_written_is_named(tmp_path):
    (tmp_path / "registry").write_text("a file")
    with pytest.raises(DataflowError, match=r"the registry at file://.*/registry can't be"):
        Registry(str(tmp_path / "registry")).put(b"data")


def test_what_killed_writers_left_is_removed_after_a_day(tmp_path):
    registry = Registry(str(tmp_path))
    registry.put(b"a")
    for name, age in (("old", 100_000), ("new", 10)):
        (tmp_path / ".drafts" / name).write_text("torn")
        os.utime(tmp_path / ".drafts" / name, (time.time() - age,) * 2)
    registry.put(b"b")
    assert [it.name for it in (tmp_path / ".drafts").iterdir()] == ["new"]


def test_an_object_can_be_read_by_others_than_who_wrote_it(tmp_path):
    registry = Registry(str(tmp_path))
    sha256 = registry.put(b"data")
    assert (tmp_path / "objects" / sha256).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(("umask", "mode"), [(0o002, 0o664), (0o022, 0o644), (0o077, 0o600)])
def test_a_file_of_a_registry_is_as_the_umask_of_its_team_wants(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        Storage(str(tmp_path / "registry")).create("a/b", b"x")
    finally:
        os.umask(before)
    file = tmp_path / "registry" / "a" / "b"
    assert file.stat().st_mode & 0o777 == mode
    assert file.parent.stat().st_mode & 0o777 == mode | (mode & 0o444) >> 2


@pytest.mark.parametrize(
    "address", ["s3://KEY:S3cr3t@bucket/team", "S3://KEY:S3cr3t@bucket", "s3://bucket?token=S3cr3t"]
)
def test_an_address_of_a_registry_holds_no_credentials(address):
    with pytest.raises(UsageError) as caught:
        Storage(address)
    assert "S3cr3t" not in f"{caught.value.message}{caught.value.hint}"


def test_a_name_that_no_file_system_takes_is_kept_whole(registry):
    branch, other = "branch-" + "b" * 400 + "-alice", "branch-" + "b" * 400 + "-bob"
    for name in (branch, other, "production"):
        registry.append(f"environments/{name}", lambda number: {"number": number})
    registry.append(f"environments/{branch}", lambda number: {"number": number})
    assert registry.folders("environments") == sorted([branch, other, "production"])
    assert registry.series("environments") == sorted(f"environments/{it}" for it in (branch, other, "production"))
    assert registry.newest("environments")[branch] == 2
    assert registry.latest(f"environments/{branch}") == (2, {"number": 2})
