from __future__ import annotations

import os
import stat

import pytest

from dataflow.home import private, private_file, subfolder
from dataflow.state.database import StateDatabase


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    before = os.umask(0)
    yield tmp_path / "home"
    os.umask(before)


def test_a_new_home_is_its_owner_s_alone_whatever_the_umask(home):
    assert mode(subfolder("logs", "old")) == 0o700
    assert mode(home) == mode(home / "logs") == 0o700


def test_a_home_that_others_could_look_into_is_closed_with_all_that_is_in_it(home):
    (home / "logs").mkdir(parents=True)
    (home / "logs" / "run.log").write_text("x")
    (home / "tool").write_text("x")
    (home / "tool").chmod(0o755)
    (home / "away").symlink_to("/etc/hostname")
    subfolder()
    assert [mode(it) for it in (home, home / "logs", home / "logs" / "run.log")] == [0o700, 0o700, 0o600]
    assert mode(home / "tool") == 0o700


@pytest.mark.slow
def test_the_run_records_of_one_person_are_private(home):
    StateDatabase().close()
    assert mode(home / "state.db") == 0o600


def test_private_files_are_made_so_and_left_so(home):
    assert mode(private_file(subfolder() / "a")) == 0o600
    with open(home / "b", "a", opener=private) as stream:
        stream.write("x")
    assert mode(home / "b") == 0o600
