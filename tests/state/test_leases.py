"""Leases, held by real processes on SQLite and on PostgreSQL."""

from __future__ import annotations

import contextlib
import datetime as dt
import multiprocessing
import os
import signal
import socket
import time

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dataflow.process import birth
from dataflow.state import leases as state
from dataflow.state.database import StateDatabase
from dataflow.state.lease_tables import leases as leases_table
from dataflow.state.lease_tables import live, waiting
from dataflow.state.leases import LeaseLost, Leases, Watch
from dataflow.state.run_records import RunRecords, runs
from dataflow.state.utc import now
from tests.support.processes import at_once

KEY = ("production", "alice.films.main 2026-01-31")
FORK = multiprocessing.get_context("fork")


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request, tmp_path):
    """Yield the address of a state database of each kind, empty."""
    found = f"sqlite:///{tmp_path / 'state.db'}"
    if request.param == "postgresql":
        found = request.getfixturevalue("postgresql")
    yield found
    with StateDatabase(found) as database, database.begin() as connection:
        for table in reversed(sa.inspect(database.engine).get_table_names()):
            connection.execute(sa.text(f'DELETE FROM "{table}"'))


@pytest.fixture
def database(address):
    with StateDatabase(address) as found:
        yield found


@pytest.fixture
def leases(database):
    return Leases(database)


@contextlib.contextmanager
def holder(address, *, beating=True):
    """Let another process hold the key until it is killed."""
    ready = FORK.Event()

    def hold():
        with StateDatabase(address) as database:
            leases = Leases(database)
            leases.enter("theirs", "alice")
            assert leases.take(KEY, "theirs", "theirs_2") is None
            ready.set()
            while True:
                time.sleep(0.05)
                if beating:
                    leases.beat("theirs")

    process = FORK.Process(target=hold)
    process.start()
    assert ready.wait(30)
    try:
        yield process
    finally:
        process.kill()
        process.join()


def elsewhere(database, silent=0.0):
    """Have the other run be one of another machine, whose heart has not beaten for so many seconds."""
    with database.begin() as connection:
        beat = now() - dt.timedelta(seconds=silent)
        connection.execute(live.update().values(machine="another", host="db2", beat=beat))


def record(database, run_id, status="running"):
    row = {"run_id": run_id, "workflow_id": "w", "status": status, "started": now(), "host": "db2", "process": 1}
    database.insert(runs, row)


def test_what_a_live_process_holds_nobody_else_gets_and_who_it_is_can_be_told(address, leases):
    leases.enter("mine", "bob")
    with holder(address):
        found = leases.take(KEY, "mine", "mine")
    assert found.told == f"run theirs_2 of alice since {found.since.astimezone():%H:%M}"
    assert (found.root_id, found.host) == ("theirs", socket.gethostname())


def test_a_dead_process_of_this_machine_holds_nothing_at_once_and_its_runs_are_called_killed(address, database, leases):
    leases.enter("mine", "bob")
    record(database, "theirs")
    record(database, "theirs_2")
    with holder(address) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert leases.take(KEY, "mine", "mine") is None
    assert [it["status"] for it in RunRecords(database).recent(None, 9, children=True)] == ["killed", "killed"]
    assert leases.beat("mine").held == {KEY}


def test_a_stopped_process_keeps_what_it_holds_as_long_as_it_is_not_silent_for_too_long(address, leases):
    leases.enter("mine", "bob")
    with holder(address, beating=False) as process:
        os.kill(process.pid, signal.SIGSTOP)
        watch = Watch(patience=0.0)
        for _ in range(3):
            assert not watch.is_over(leases.take(KEY, "mine", "mine"))


def test_a_process_of_another_machine_that_is_silent_loses_what_it_holds_once_it_was_watched(address, database, leases):
    leases.enter("mine", "bob")
    with holder(address, beating=False):
        elsewhere(database, silent=state.LONGEST_SILENCE + 1)
        watch = Watch(patience=0.3)
        found = leases.take(KEY, "mine", "mine")
        assert not watch.is_over(found)  # its machine may just have slept
        time.sleep(0.4)
        found = leases.take(KEY, "mine", "mine")
        assert watch.is_over(found)
        assert leases.bury(found)
        assert leases.take(KEY, "mine", "mine") is None
        assert not leases.beat("theirs").is_alive


def test_a_machine_that_slept_and_wakes_keeps_what_it_holds(address, database, leases):
    leases.enter("mine", "bob")
    with holder(address, beating=False):
        elsewhere(database, silent=state.LONGEST_SILENCE + 1)
        watch = Watch(patience=0.1)
        found = leases.take(KEY, "mine", "mine")
        assert not watch.is_over(found)
        leases.beat("theirs")
        time.sleep(0.2)
        assert not watch.is_over(leases.take(KEY, "mine", "mine"))
        assert not leases.bury(found)  # what was seen of it is not so any more


def test_who_lost_a_lease_publishes_nothing(leases):
    leases.enter("mine", "bob")
    leases.enter("theirs", "alice")
    assert leases.take(KEY, "theirs", "theirs_2") is None
    found = leases.take(KEY, "mine", "mine")
    with leases.fenced("theirs", [KEY]):
        pass
    assert leases.take_over(KEY, found, "mine", "mine")
    assert not leases.take_over(KEY, found, "other", "other")
    with pytest.raises(LeaseLost, match="another run has taken the place of this one"), leases.fenced("theirs", [KEY]):
        raise AssertionError("it must not publish")
    with leases.fenced("mine", [KEY]):
        pass
    leases.release(KEY, "theirs")  # what is not its any more is not given back by it
    assert leases.beat("mine").held == {KEY}


@pytest.mark.slow
def test_nobody_takes_a_lease_away_while_its_holder_publishes(address, leases):
    """Not even who took it for dead before: the statement waits, and then does not find what was seen."""
    leases.enter("mine", "bob")
    leases.enter("theirs", "alice")
    assert leases.take(KEY, "theirs", "theirs") is None
    found = leases.take(KEY, "mine", "mine")
    ours, its = FORK.Pipe()

    def take_away():
        with StateDatabase(address) as database:
            its.send("ready")
            its.recv()
            its.send(Leases(database).bury(found))

    other = FORK.Process(target=take_away)  # before the transaction: no fork is to inherit its locks
    other.start()
    assert ours.recv() == "ready"
    with leases.fenced("theirs", [KEY]):
        ours.send("go")
        assert not ours.poll(1)
    assert ours.poll(30)
    assert ours.recv() is False
    other.join()
    assert leases.beat("theirs").is_alive


TAKE = """
from dataflow.state.database import StateDatabase
from dataflow.state.leases import Leases

def work(ready, tell, address, run_id):
    with StateDatabase(address) as database:
        leases = Leases(database)
        leases.enter(run_id, "alice")
        ready()
        for day in range(20):
            tell(leases.take(("e", f"day {day}"), run_id, run_id) is None)
        ready()  # who has ended holds nothing
"""


@pytest.mark.slow
def test_of_many_processes_that_want_the_same_at_once_one_gets_it(address):
    StateDatabase(address).close()
    told = at_once(TAKE, [[address, f"run{number}"] for number in range(4)])
    assert [len(it) for it in told] == [20] * 4
    assert [sum(each) for each in zip(*told, strict=True)] == [1] * 20


def test_a_run_hears_what_it_and_its_parts_were_asked_and_no_other_one_s(leases):
    leases.enter("mine", "bob")
    leases.ask_to_stop("mine_2", "cancelled by alice")
    leases.ask_to_stop("mine_2", "cancelled by bob")
    leases.ask_to_stop("mineral", "not this one")
    assert leases.beat("mine").cancelled == {"mine_2": "cancelled by alice"}
    leases.leave("mine")
    assert leases.beat("mine").cancelled == {}


def test_a_process_is_known_by_its_birth_not_by_its_number_alone():
    process = FORK.Process(target=time.sleep, args=(60,))
    process.start()
    assert birth(process.pid) == birth(process.pid) != birth(os.getpid())
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert birth(process.pid) is None  # nobody has waited for it yet: a zombie works on nothing
    process.join()
    assert birth(process.pid) is None


class Waiters:
    """Runs that want one thing, each asking again and again; and what the order of their arrival says."""

    def __init__(self, database):
        self.database, self.leases, self.line, self.holder = database, Leases(database), [], None

    def arrive(self, run_id):
        self.leases.enter(run_id, "alice")
        self.line.append(run_id)
        self.ask(run_id)

    def ask(self, run_id):
        may = self.holder is None and self.line[0] == run_id
        found = self.leases.take(KEY, run_id, run_id, waits=True)
        assert (found is None) == may, (run_id, self.holder, self.line)
        if may:
            self.holder = self.line.pop(0)
        else:
            assert found.run_id == (self.holder or self.line[0])

    def release(self):
        self.leases.release(KEY, self.holder)
        self.holder = None

    def crash(self):
        self.die(self.holder)

    def give_up(self, run_id):
        self.line.remove(run_id)
        self.leases.stop_waiting(*KEY, run_id)

    def die(self, run_id):
        with self.database.begin() as connection:
            connection.execute(live.update().where(live.c.run_id == run_id).values(birth="another"))
        if run_id == self.holder:
            self.holder = None
        else:
            self.line.remove(run_id)


@pytest.mark.slow
@settings(
    max_examples=10, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_whoever_waits_is_served_in_the_order_of_arrival_past_those_who_gave_up_or_died(database, data):
    world, number = Waiters(database), 0
    with database.begin() as connection:
        for table in (leases_table, live, waiting):
            connection.execute(table.delete())
    for _ in range(40):
        choices = ["arrive"] + ["ask", "give_up", "die"] * bool(world.line) + ["release", "crash"] * bool(world.holder)
        what = data.draw(st.sampled_from(choices))
        if what == "arrive":
            number += 1
            world.arrive(f"run{number}")
        elif what in {"release", "crash"}:
            getattr(world, what)()
        else:
            getattr(world, what)(data.draw(st.sampled_from(world.line)))
    while world.line:
        if world.holder:
            world.release()
        for run_id in reversed(world.line):
            if run_id in world.line:
                world.ask(run_id)


WAIT = """
import os
import time

from dataflow.state.database import StateDatabase
from dataflow.state.leases import Leases

def work(ready, tell, address, number):
    with StateDatabase(address) as database:
        leases = Leases(database)
        leases.enter(f"run{number}", "alice")
        ready()
        time.sleep(0.4 * number)
        while leases.take(("e", "day"), f"run{number}", f"run{number}", waits=True) is not None:
            if number == 2:
                time.sleep(1.5)
                os._exit(0)  # it dies while it waits
            time.sleep(0.01 * (7 - number))  # who came later asks more often
        tell(time.time())
        time.sleep(2.5 if number == 0 else 0.05)
        leases.release(("e", "day"), f"run{number}")
        leases.leave(f"run{number}")
"""


@pytest.mark.slow
def test_processes_that_wait_get_their_turn_as_they_came_and_a_dead_one_blocks_nobody(address):
    StateDatabase(address).close()
    told = at_once(WAIT, [[address, number] for number in range(6)])
    assert [len(it) for it in told] == [1, 1, 0, 1, 1, 1]
    times = [it[0] for it in told if it]
    assert times == sorted(times)


def test_who_waits_elsewhere_and_is_silent_is_watched_and_blocks_nobody_for_ever(database, leases):
    leases.enter("first", "bob")
    assert leases.take(KEY, "first", "first") is None
    for run_id in ("theirs", "mine"):
        leases.enter(run_id, "alice")
        assert leases.take(KEY, run_id, run_id, waits=True).run_id == "first"
    with database.begin() as connection:
        silent = now() - dt.timedelta(seconds=state.LONGEST_SILENCE + 1)
        connection.execute(
            live.update().where(live.c.run_id == "theirs").values(machine="another", host="db2", beat=silent)
        )
    leases.leave("first")
    watch = Watch(patience=0.2)
    found = leases.take(KEY, "mine", "mine", waits=True)
    assert (found.run_id, found.host, watch.is_over(found)) == ("theirs", "db2", False)
    time.sleep(0.3)
    found = leases.take(KEY, "mine", "mine", waits=True)
    assert watch.is_over(found)
    assert leases.bury(found)
    assert leases.take(KEY, "mine", "mine", waits=True) is None
    assert database.rows(sa.select(waiting.c.run_id)) == [{"run_id": "theirs"}]
    leases.enter("another", "bob")  # which clears away what the dead left
    assert database.rows(sa.select(waiting)) == []
