from __future__ import annotations

import fcntl
import hashlib
import json
import multiprocessing
import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow.files import (
    canonical_json,
    create_file,
    draft_of,
    exclusive_lock,
    lock_if_free,
    mode_of,
    sha256_of,
    write_file,
)

ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
WRITERS = 4
SIZE = 200_000
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(it.name for it in folder.iterdir())


@pytest.fixture
def umask():
    before = os.umask(0o027)
    yield
    os.umask(before)


# ------------------------------------------------------------------------------------------------ atomic writes


@ONE_FOLDER
@given(st.text() | st.binary())
def test_a_file_holds_what_was_written_last_and_nothing_is_left_beside_it(tmp_path, data):
    write_file(tmp_path / "file", "before")
    write_file(tmp_path / "file", data)
    assert (tmp_path / "file").read_bytes() == (data.encode() if isinstance(data, str) else data)
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("write", [write_file, create_file])
def test_a_new_file_is_as_the_umask_says_unless_its_mode_is_given(tmp_path, umask, write):  # noqa: ARG001
    write(tmp_path / "usual", "x")
    write(tmp_path / "open", "x", mode=0o664)
    write(tmp_path / "private", "x", mode=0o600)
    assert [mode(tmp_path / it) for it in ("usual", "open", "private")] == [0o640, 0o664, 0o600]


def test_a_file_can_keep_its_permissions_when_it_is_replaced(tmp_path):
    file = tmp_path / "run.sh"
    assert mode_of(file) is None
    file.write_text("one")
    file.chmod(0o751)
    write_file(file, "two", mode=mode_of(file))
    assert (file.read_text(), mode(file)) == ("two", 0o751)


def test_what_can_not_be_written_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path):
    file = tmp_path / "file"
    file.write_text("before")
    with pytest.raises(UnicodeEncodeError):
        write_file(file, "\ud800")
    with pytest.raises(FileNotFoundError):
        create_file(tmp_path / "new", tmp_path / "missing")
    assert (file.read_text(), names(tmp_path)) == ("before", ["file"])


def test_an_error_that_comes_after_the_writing_leaves_the_file_as_it_was(tmp_path):
    file = tmp_path / "file"
    file.write_text("before")

    def write_and_fail() -> None:
        with draft_of(file) as draft:
            draft.write_text("after")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert (file.read_text(), names(tmp_path)) == ("before", ["file"])


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path):
    (tmp_path / "other").write_text("other")
    (tmp_path / "link").symlink_to("other")
    write_file(tmp_path / "link", "own")
    assert ((tmp_path / "link").read_text(), (tmp_path / "other").read_text()) == ("own", "other")
    assert not (tmp_path / "link").is_symlink()


def _write_often(file: Path, letter: str) -> None:
    for _ in range(50):
        write_file(file, letter * SIZE)


def test_a_reader_never_sees_a_part_of_a_file_while_others_write_it(tmp_path):
    file = tmp_path / "file"
    write_file(file, "a" * SIZE)
    writers = [multiprocessing.Process(target=_write_often, args=(file, letter)) for letter in "abcd"]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        text = file.read_text()
        seen.add((len(text), len(set(text))))
    assert seen == {(SIZE, 1)}
    assert [writer.exitcode for writer in writers] == [0] * WRITERS


# ------------------------------------------------------------------------------------------------ new files


def _create(file: Path, letter: str) -> None:
    try:
        create_file(file, letter * SIZE, durable=True)
    except FileExistsError:
        os._exit(1)
    os._exit(0)


def test_of_several_writers_of_a_new_file_one_succeeds_and_the_file_is_what_it_wrote(tmp_path):
    file = tmp_path / "file"
    writers = {letter: multiprocessing.Process(target=_create, args=(file, letter)) for letter in "abcd"}
    for writer in writers.values():
        writer.start()
    for writer in writers.values():
        writer.join()
    (winner,) = [letter for letter, writer in writers.items() if writer.exitcode == 0]
    assert (file.read_text() == winner * SIZE, names(tmp_path)) == (True, ["file"])


def test_a_file_that_is_there_stays_as_it_is(tmp_path):
    (tmp_path / "file").write_text("before")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("file", "dangling"):
        with pytest.raises(FileExistsError):
            create_file(tmp_path / name, "after")
    assert ((tmp_path / "file").read_text(), names(tmp_path)) == ("before", ["dangling", "file"])


def test_a_new_file_can_be_a_copy_that_is_written_in_another_folder_first(tmp_path):
    (tmp_path / "drafts").mkdir()
    (tmp_path / "source").write_bytes(b"\0" * SIZE)
    create_file(tmp_path / "copy", tmp_path / "source", drafts=tmp_path / "drafts", durable=True)
    assert sha256_of(tmp_path / "copy") == hashlib.sha256(b"\0" * SIZE).hexdigest()
    assert names(tmp_path / "drafts") == []


# ------------------------------------------------------------------------------------------------ canonical JSON


@given(JSON)
def test_canonical_json_holds_the_data(data):
    assert json.loads(canonical_json(data)) == data


@pytest.mark.slow
@given(st.dictionaries(st.text(), JSON, min_size=2), st.randoms())
def test_canonical_json_is_the_same_bytes_whatever_the_order_of_keys(data, random):
    keys = list(data)
    random.shuffle(keys)
    assert canonical_json({key: data[key] for key in keys}) == canonical_json(data)


def test_canonical_json_refuses_what_is_not_unicode_unless_it_may_stand_for_bytes():
    with pytest.raises(UnicodeEncodeError):
        canonical_json("a\udcff")
    assert canonical_json("a\udcff", errors="surrogateescape") == b'"a\xff"'


# ------------------------------------------------------------------------------------------------ locks


def test_a_lock_is_one_holder_s_until_it_ends(tmp_path):
    lines: list[str] = []
    with lock_if_free(tmp_path / "lock") as held:
        assert held is not None
        with lock_if_free(tmp_path / "lock") as other:
            assert other is None
    with exclusive_lock(tmp_path / "lock", "testing", lines.append), lock_if_free(tmp_path / "lock") as other:
        assert other is None
    assert lines == []


def _hold(path: Path, ready: multiprocessing.Event) -> None:
    with exclusive_lock(path, "holding"):
        ready.set()
        os.kill(os.getpid(), 9)


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    ready = multiprocessing.Event()
    holder = multiprocessing.Process(target=_hold, args=(tmp_path / "lock", ready))
    holder.start()
    assert ready.wait(30)
    holder.join()
    with lock_if_free(tmp_path / "lock") as held:
        assert held is not None


def test_who_waits_for_a_lock_says_for_what(tmp_path):
    lines: list[str] = []
    holder = (tmp_path / "lock").open("w")
    fcntl.flock(holder, fcntl.LOCK_EX)

    def report(line: str) -> None:
        lines.append(line)
        holder.close()

    with exclusive_lock(tmp_path / "lock", "fetching jars", report):
        assert lines == ["Waiting for another dataflow command that is fetching jars …"]
