"""Who waits for whom, without Spark: runs of real definitions on a real state database."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest
import sqlalchemy as sa

from dataflow.errors import DataflowError
from dataflow.runner.cancellation import CancelScope
from dataflow.runner.retry import Cancelled
from dataflow.runner.turn import LiveRun, Turn, work_of
from dataflow.state.database import StateDatabase
from dataflow.state.lease_tables import leases, waiting
from dataflow.workflow.load import Request, load_workflow
from tests.support.packages import DAY, EVERY_DAY, definition, each_day, spark, wap

PROJECT = """
version: 1
project: p
environments:
  sandbox:
    limits: {heavy: 2, rare: 1}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_USER", "alice")
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    (tmp_path / "dataflow.yaml").write_text(PROJECT)
    (tmp_path / "write.sql").write_text("SELECT 1;\n")
    return tmp_path


@pytest.fixture
def database(folder):
    with StateDatabase(f"sqlite:///{folder / 'state.db'}") as found:
        yield found


@pytest.fixture
def load(folder):
    """Write a definition and load it, as a run of its own."""

    def loaded(name, *jobs, tags="", more="", params=None, date=None):
        text = definition(*jobs, name=f"alice.{name}", params={**EVERY_DAY, **(params or {})})
        text = text.replace("\nparams:", f"\n{more}params:", 1)
        if tags:
            text = text.replace(f"id: alice.{name}\n", f"id: alice.{name}\n  tags: [{tags}]\n")
        (folder / f"{name}.sch.yaml").write_text(text)
        return load_workflow(folder / f"{name}.sch.yaml", Request(date=date, params={}))

    return loaded


def turn(workflow, said=None, cancel=None):
    say = (lambda _: None) if said is None else said.append
    return Turn(workflow, cancel or CancelScope(None, workflow.run_id), say)


@contextlib.contextmanager
def working(database, workflow):
    with LiveRun(database, workflow) as live:
        live.begin(turn(workflow))
        yield live


def begin_later(database, workflow, said):
    """Begin a run in a thread; return an event that says that it has its turn."""
    began, over = threading.Event(), threading.Event()

    def work():
        with LiveRun(database, workflow) as live:
            live.begin(turn(workflow, said))
            began.set()
            over.wait(20)

    threading.Thread(target=work, daemon=True).start()
    return began, over


def test_a_limit_by_tag_holds_across_workflows_and_a_run_counts_once_with_all_that_it_contains(database, load):
    inner = load("inner", spark("write.sql"), tags="heavy")
    outer = load("outer", each_day("from: 2026-01-01\nto: 2026-01-03", file="./inner.sch.yaml"), tags="heavy")
    other = load("other", spark("write.sql"), tags="heavy, sample")
    free = load("free", spark("write.sql"), tags="sample")
    said = []
    with working(database, outer) as live, working(database, other):
        for item in outer.steps[0].items:  # what it contains needs no place of its own
            with live.holding(turn(item.step.workflow)):
                pass
        with working(database, free):
            pass
        began, over = begin_later(database, inner, said)
        time.sleep(1.5)
        assert not began.is_set()
        (text,) = said
        assert text.startswith("waits for a place among runs with tag heavy: run ")
        assert text.endswith(" and 1 more")
    assert began.wait(20)
    over.set()


def test_runs_that_need_several_places_and_each_other_s_work_never_wait_in_a_circle(database, load):
    """Many at once, in random orders of what they contain; all of them end."""
    days = "from: 2026-01-01\nto: 2026-01-02"
    load("inner", spark("write.sql"), tags="rare")
    outer = [
        load(
            f"outer{number}", each_day(days, file="./inner.sch.yaml"), tags=("heavy", "rare", "heavy, rare")[number % 3]
        )
        for number in range(6)
    ]
    alone = [load_workflow(it.folder / "inner.sch.yaml", Request(date=None)) for it in outer[:3]]
    ended = []

    def work(workflow):
        with LiveRun(database, workflow) as live:
            live.begin(turn(workflow))
            for step in workflow.steps:
                for item in getattr(step, "items", ()):
                    with live.holding(turn(item.step.workflow)):
                        time.sleep(0.01)
        ended.append(workflow.run_id)

    threads = [threading.Thread(target=work, args=(it,), daemon=True) for it in (*outer, *alone)]
    for it in threads:
        it.start()
    for it in threads:
        it.join(120)
    assert len(ended) == len(threads)
    assert database.rows(sa.select(leases)) == []


def test_parts_of_one_run_do_not_wait_for_each_other(database, load):
    day = load("day", spark("write.sql"))
    with working(database, day) as live:
        with live.holding(turn(day)), live.holding(turn(day)):
            pass
        assert len(database.rows(sa.select(leases))) == 1
    assert database.rows(sa.select(leases)) == []


def test_waiting_ends_when_it_is_cancelled_or_refused_and_leaves_nothing(database, load):
    first = load("day", spark("write.sql"))
    with working(database, first):
        second = load_workflow(first.file, Request())
        cancel = CancelScope(None, second.run_id)
        threading.Timer(1, cancel.cancel, ("cancelled by bob",)).start()
        with LiveRun(database, second) as live, pytest.raises(Cancelled, match="cancelled by bob"):
            live.begin(turn(second, cancel=cancel))
        refusing = load("day", spark("write.sql"), more="concurrency: refuse\n")
        with LiveRun(database, refusing) as live, pytest.raises(DataflowError, match=r"alice\.day for .* is at work"):
            live.begin(turn(refusing))
        assert [row["root_id"] for row in database.rows(sa.select(leases))] == [first.run_id]


def test_the_same_work_is_a_workflow_its_day_and_the_rest_of_its_partition(load):
    def work(name, **params):
        params = {"COUNTRY": "DE", "TARGET_TABLE": "${TARGET_DB}.t", **params}
        job = wap(spark("write.sql"), by={"date": DAY, "country": "${COUNTRY}"})
        return work_of(load(name, job, params=params))

    place, name = work("plays")
    day = name.split()[1]
    assert (place, name) == ("sandbox/alice_sandbox", f"alice.plays {day} country=DE")
    assert work("plays", COUNTRY="FR") != (place, name)
    assert work("plays", OTHER="1") == (place, name)
    assert work("others") != (place, name)
    place, name = work("plays", COUNTRY="x" * 2000)
    assert len(name) <= 500
    assert name != work("plays", COUNTRY="x" * 2001)[1]


@pytest.mark.parametrize("tags", ["rare", "free"])
def test_runs_that_wait_for_a_place_of_a_tag_or_for_one_day_begin_in_the_order_in_which_they_came(database, load, tags):
    """Who waits asks twice a second, so who asks next is chance; the one in front gives up."""
    order, threads, scopes = [], [], []

    def work(workflow, number, cancel):
        with contextlib.suppress(Cancelled), LiveRun(database, workflow) as live:
            live.begin(turn(workflow, cancel=cancel))
            order.append(number)
            time.sleep(0.05)

    with working(database, load("day", spark("write.sql"), tags=tags)):
        for number in range(5):
            own = load(f"w{number}" if tags == "rare" else "day", spark("write.sql"), tags=tags)
            scopes.append(CancelScope(None, own.run_id))
            threads.append(threading.Thread(target=work, args=(own, number, scopes[-1]), daemon=True))
            threads[-1].start()
            while len(database.rows(sa.select(waiting.c.run_id))) < number + 1:
                time.sleep(0.01)
        scopes[0].cancel("cancelled by bob")
        threads[0].join(120)
    for it in threads:
        it.join(120)
    assert order == [1, 2, 3, 4]
    assert database.rows(sa.select(waiting)) == []
