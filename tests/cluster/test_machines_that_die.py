"""Runs on a cluster some of whose machines die: what is asked for gets done, and readers see whole days alone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.cluster.conftest import DAYS

pytestmark = [pytest.mark.spark, pytest.mark.long]

BACKFILL = ("workflow", "backfill", "package", "--env", "production", "--from", DAYS[0], "--to", DAYS[-1])


class Watching:
    """A reader that looks all the time, and keeps what it saw of each day."""

    def __init__(self, team):
        self._team = team
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.seen = {day: set() for day in DAYS}
        self.looks = 0
        self._failure = None

    def _look(self):
        try:
            while not self._over.is_set():
                rows = self._team.rows_by_day()
                for day in DAYS:
                    self.seen[day].add(tuple(rows.get(day, ())))
                self.looks += 1
                time.sleep(0.2)
        except Exception as error:
            self._failure = error

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure


@contextlib.contextmanager
def started(team, *more):
    """Lend a backfill that has begun; what is left of it ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dataflow", *BACKFILL, *more],
        cwd=team.command.folder,
        env=team.command.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def until(found, process, within=240):
    """Wait until something is there, and return it; the process that it comes of has to go on meanwhile."""
    deadline = time.monotonic() + within
    while not (there := found()):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return there


def working(team, before):
    """Return the workers with executors of a new application."""
    places = team.cluster.folder.glob("work-*/app-*/*/stdout")
    found = sorted((it.parents[1].name, it.parents[2].name) for it in places)
    return [int(worker.removeprefix("work-")) for application, worker in found if application not in before]


def applications(team):
    return {it.name for it in team.cluster.folder.glob("work-*/app-*")}


def test_a_backfill_goes_on_when_a_worker_dies_and_readers_see_whole_days(team):
    before = applications(team)
    with team.held() as go_on, Watching(team) as reader, started(team, "--parallel", "2") as process:
        (first, *_) = until(lambda: working(team, before), process)
        team.cluster.workers[first].kill()
        go_on()
        said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said
    assert "4 of 4 days succeeded" in said
    rows = team.rows_by_day()
    assert sorted(rows) == [*DAYS]
    assert reader.looks > 5
    assert {day: seen - {()} for day, seen in reader.seen.items()} == {day: {tuple(rows[day])} for day in DAYS}
    assert set(team.table().refs()) == {"main"}
    assert not any(team.postgres.PASSWORD in text for text in team.cluster.executors())


def test_what_a_killed_driver_left_is_finished_by_the_same_command(team):
    rows = team.rows_by_day()
    old = {day: tuple(rows.get(day, ())) for day in DAYS}
    script = team.command.folder / "package" / "src" / "sparksql_write.sql"
    text = script.read_text()
    column = "title_rank,\n  view_hours\nFROM final;"
    assert column in text
    script.write_text(text.replace(column, "title_rank,\n  2D AS view_hours\nFROM final;"))
    with team.held() as go_on, Watching(team) as reader:
        with started(team, "--parallel", "2", "--only", "all") as process:
            until(lambda: len(team.written()) == 2, process)
        assert len(team.written()) == 2  # nobody tidies up behind a driver that is killed
        go_on()
        team(*[it for it in BACKFILL if it not in ("--env", "production")])
    new = {day: tuple(rows) for day, rows in team.rows_by_day().items()}
    assert sorted(new) == [*DAYS]
    assert all({row[3] for row in rows} == {2.0} for rows in new.values())
    assert all(reader.seen[day] <= {old[day], new[day]} for day in DAYS)
    assert set(team.table().refs()) == {"main"}
