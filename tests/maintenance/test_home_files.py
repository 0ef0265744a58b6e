"""The Dataflow home does not grow without an end: what was not used for long goes, and it is said."""

from __future__ import annotations

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dataflow.maintenance.home_files import prune_home

NOW = time.time()
DAY = 86_400


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))

    def make(name, days, content="12345"):
        file = tmp_path / "home" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        os.utime(file, (NOW - days * DAY,) * 2)
        return file

    make.folder = tmp_path / "home"
    return make


def test_bundles_facts_and_logs_go_that_were_not_used_for_long_and_nothing_else(home):
    kept = [
        home("deployed/new/work/titles/main.sch.yaml", 400),
        home("cache/packages/new.json", 29),
        home("logs/new.log", 89),
        home("logs/notes.txt", 400),
        home("state.db", 400),
        home("warehouse/db/t/data/x.parquet", 400),
    ]
    gone = [
        home("deployed/old/work/titles/main.sch.yaml", 1),
        home("deployed/.gone-5f/left", 1),
        home("cache/packages/old.json", 31),
        home("logs/old.log", 91),
    ]
    os.utime(home.folder / "deployed/old", (NOW - 31 * DAY,) * 2)
    os.utime(home.folder / "deployed/new", (NOW - 29 * DAY,) * 2)
    assert list(prune_home(NOW)) == [
        "removed 2 checked out bundles of 10 bytes, unused for 30 days",
        "removed 1 cached fact of 5 bytes, unused for 30 days",
        "removed 1 log of 5 bytes, unused for 90 days",
    ]
    assert all(it.exists() for it in kept)
    assert not any(it.exists() for it in gone)
    assert not (home.folder / "deployed/old").exists()
    assert list(prune_home(NOW)) == []


def test_of_several_commands_that_prune_at_once_each_says_what_it_removed_itself(home):
    for number in range(200):
        home(f"logs/{number}.log", 100)
    with ThreadPoolExecutor(4) as pool:
        said = [line for lines in pool.map(lambda _: list(prune_home(NOW)), range(4)) for line in lines]
    assert sum(int(re.match(r"removed (\d+) logs? of", it)[1]) for it in said) == 200


def test_a_link_goes_and_what_it_leads_to_stays(home, tmp_path):
    beyond = tmp_path / "beyond"
    beyond.mkdir()
    (beyond / "file").write_text("x")
    (home.folder / "deployed").mkdir(parents=True)
    (home.folder / "deployed/link").symlink_to(beyond)
    os.utime(home.folder / "deployed/link", (NOW - 31 * DAY,) * 2, follow_symlinks=False)
    assert len(list(prune_home(NOW))) == 1
    assert (beyond / "file").exists()


def test_a_home_that_is_not_there_is_not_made(home):
    assert list(prune_home(NOW)) == []
    assert not home.folder.exists()
