"""What must hold for any data and any history, tried on random ones."""

from __future__ import annotations

import datetime as dt
import math
import socket
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dataflow.deploy.asked_run import prepare_retry
from dataflow.runner.changed.look import look_at
from dataflow.runner.options import RunOptions
from dataflow.state import run_records as store
from dataflow.state.leases import Leases
from dataflow.tables import branch_publish
from dataflow.tables.iceberg import load
from dataflow.tables.metadata_through_spark import find_table
from dataflow.workflow.each_day import load_each_day
from dataflow.workflow.load import Request, load_workflow, new_run_id
from tests.support.packages import definition, each_day
from tests.support.places import ROOT

pytestmark = pytest.mark.spark

RECIPES = ROOT / "recipes"
(DDL,) = (ROOT / "examples" / "sparksql-workflow" / "ddl").iterdir()
SCRIPTS = {
    "spark-sql": RECIPES / "spark-sql" / "src" / "sparksql_write.sql",
    "pyspark": RECIPES / "pyspark" / "src" / "pyspark_write.py",
}
few = settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], print_blob=True
)

# Hours whose sums tie, cancel out, and depend on the order of summation.
hours = st.sampled_from([None, -1.0, 0.0, 0.1, 0.2, 0.3, 0.7, 1e-7, 1.0, 1e8, 3.3333333])
viewings = st.lists(
    st.tuples(st.one_of(st.none(), st.integers(1, 150)), st.sampled_from(["US", "LI", "ÅX"]), hours, st.integers(1, 2)),
    min_size=1,
    max_size=400,
)


def reference(rows, day):
    """Compute the top titles of a day the plain way, with exact sums."""
    watched = defaultdict(list)
    for title, country, hour, on in rows:
        if on == day and title is not None and hour is not None and hour > 0:
            watched[country, title].append(hour)
    summed = {key: round(math.fsum(values), 6) for key, values in watched.items()}
    found = set()
    for (country, title), total in summed.items():
        rank = 1 + sum(other > total for (place, _), other in summed.items() if place == country)
        if rank <= 100:
            found.add((title, country, rank, total))
    return found


@pytest.mark.parametrize("recipe", SCRIPTS)
@few
@given(rows=viewings)
def test_what_is_published_equals_a_plain_reference(package, recipe, rows):
    script = SCRIPTS[recipe]
    package.write("ddl.sql", DDL.read_text())
    package.write(f"write{script.suffix}", script.read_text())
    main = package.folder / "main.sch.yaml"
    main.write_text(main.read_text().replace("write.sql", f"write{script.suffix}"))
    if "empty: publish" not in main.read_text():
        package.edit("main.sch.yaml", "      write:\n", "      empty: publish\n      write:\n")
        package.edit("main.sch.yaml", "columns: [date, id]", "columns: [date, country_code, title_id]")
        package.edit("main.sch.yaml", "columns: [hours]", "columns: [view_hours]")
    values = ", ".join(
        f"({'NULL' if title is None else title}, '{country}', {'NULL' if hour is None else f'{hour!r}D'}, "
        f"DATE '2026-01-0{day}')"
        for title, country, hour, day in rows
    )
    package.spark.sql(f"DROP TABLE IF EXISTS {package.source}")
    package.spark.sql(
        f"CREATE TABLE {package.source} USING iceberg AS "
        "SELECT CAST(title_id AS INT) title_id, country_code, CAST(view_hours AS DOUBLE) view_hours, date "
        f"FROM VALUES {values} AS t(title_id, country_code, view_hours, date)"
    )
    result = package.run(day=1)
    assert result.status == "succeeded", [step.error for _, step in result.failed_steps]
    found = package.spark.sql(
        f"SELECT title_id, country_code, title_rank, view_hours FROM {package.target} WHERE date = DATE '2026-01-01'"
    ).collect()
    assert len(found) == len({tuple(row) for row in found})
    wanted = {(title, country): (rank, total) for title, country, rank, total in reference(rows, 1)}
    assert {(row.title_id, row.country_code) for row in found} == wanted.keys()
    for row in found:
        rank, total = wanted[row.title_id, row.country_code]
        assert row.title_rank == rank
        assert row.view_hours == pytest.approx(total, rel=1e-9)


day_runs = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3), st.booleans()), min_size=1, max_size=6)


@few
@given(history=day_runs)
def test_each_day_holds_the_rows_of_its_last_successful_run(package, history):
    package.spark.sql(f"DROP TABLE IF EXISTS {package.target}")
    expected: dict[int, list[int]] = {}
    for day, count, good in history:
        package.spark.sql(f"DELETE FROM {package.source}")
        ids = list(range(count)) if good else [0, 0]  # a key twice fails the audit
        package.add_source(*((id_, float(count), day) for id_ in ids))
        result = package.run(day=day)
        assert (result.status == "succeeded") == good
        if good:
            expected[day] = ids
        if expected:
            assert package.rows() == sorted((id_, on) for on, ids_ in expected.items() for id_ in ids_)


class Night:
    """What befalls three days, and what readers must see of them then: the model beside the real thing."""

    def __init__(self, package):
        self.package = package
        self.source = {day: [1] for day in DAYS}  # ids; one that is there twice fails the audit
        self.seen = {}
        self.stale = set(DAYS)  # days whose source changed since their last good run
        self.failed = None  # the last run that did not end well, and the days that it has not done
        package.spark.sql(f"DROP TABLE IF EXISTS {package.target}")
        package.spark.sql(f"DELETE FROM {package.source}")
        package.write("daily.sch.yaml", DAILY)
        for day in DAYS:
            self.change(day, [1])

    def change(self, day, ids):
        self.package.spark.sql(f"DELETE FROM {self.package.source} WHERE day(date) = {day}")
        self.package.add_source(*((id_, 1.0, day) for id_ in ids))
        self.note_change(day, ids)

    def note_change(self, day, ids):
        self.source[day] = ids
        self.stale.add(day)

    def late(self, day, id_):
        """Let a row come late, beside those that are there."""
        self.package.add_source((id_, 1.0, day))
        self.note_change(day, [*self.source[day], id_])

    def corrected(self, day, id_):
        """Correct the last row of a day."""
        last = self.source[day][-1]
        if id_ != last:
            self.package.spark.sql(
                f"UPDATE {self.package.source} SET id = {id_} WHERE day(date) = {day} AND id = {last}"
            )
            self.note_change(day, [id_ if it == last else it for it in self.source[day]])

    def deleted(self, day):
        """Delete the first row of a day, and those that are like it, if others are left."""
        first = self.source[day][0]
        if left := [it for it in self.source[day] if it != first]:
            self.package.spark.sql(f"DELETE FROM {self.package.source} WHERE day(date) = {day} AND id = {first}")
            self.note_change(day, left)

    def compacted(self):
        """Have all rows in other files: no day is another one."""
        self.package.spark.sql(
            f"CALL system.rewrite_data_files(table => '{self.package.source}', options => map('rewrite-all', 'true'))"
        ).collect()

    def changed(self):
        """Run the days that changed, which are those that are stale, and no others."""

        def look(question):
            return look_at(question, lambda table: find_table(self.package.spark, table))

        mark = find_table(self.package.spark, self.package.target)
        known = mark is not None and "dataflow.hwm" in mark.properties
        workflow = load_workflow(self.package.folder / "daily.sch.yaml", Request(date=dt.date(2026, 1, 3), look=look))
        (step,) = workflow.steps
        days = [int(date[-2:]) for date in step.dates]
        assert set(days) <= (self.stale if known else set(DAYS))
        assert self.stale & self.seen.keys() <= set(days)
        result = self.package.runner().run(workflow, RunOptions())
        left = [day for day in days if not self.good(day)]
        assert result.status == ("failed" if left else "succeeded")
        self.failed = (result.workflow.run_id, left) if left else None
        self.expect(days)

    def good(self, day):
        return len(set(self.source[day])) == len(self.source[day])

    def expect(self, days):
        """Say that days were run: those that are good are seen as they are now."""
        self.seen |= {day: self.source[day] for day in days if self.good(day)}
        self.stale -= {day for day in days if self.good(day)}

    def note(self, result, days):
        left = [day for day in days if not self.good(day)]
        assert result.status == ("failed" if left else "succeeded")
        self.failed = (result.workflow.run_id, left) if left else None
        self.expect(days)

    def rerun(self, day):
        self.note(self.package.run(day=day), [day])

    def backfill(self, days, newest_first):
        ordered = sorted(days, reverse=newest_first)
        workflow = load_each_day(
            self.package.folder / "main.sch.yaml",
            Request(),
            [dt.date(2026, 1, day) for day in ordered],
            parallel=2,
            fail_fast=False,
        )
        options = RunOptions(days=tuple(f"2026-01-0{day}" for day in ordered), parallel=2)
        self.note(self.package.runner().run(workflow, options), ordered)

    def retry(self):
        if self.failed is None:
            return
        run_id, left = self.failed
        runner = self.package.runner()
        found = prepare_retry(self.package.records, run_id, None, pytest.fail, str)
        self.note(runner.run(found.workflow, found.options), left)

    def cancelled(self, day):
        """Be stopped before anything of the day is published."""
        runner = self.package.runner()
        self.package.write("wait.py", WAIT)
        self.package.edit("main.sch.yaml", "script: write.sql", "script: wait.py")
        try:
            workflow = self.package.load(day=day)
            Leases(self.package.records.database).ask_to_stop(workflow.run_id, "cancelled by bob")
            assert runner.run(workflow).status == "cancelled"
        finally:
            self.package.edit("main.sch.yaml", "script: wait.py", "script: write.sql")
        self.failed = (workflow.run_id, [day])

    def killed(self, day):
        """Die behind the write: the branch is left, and a record that nobody has ended."""
        run_id = new_run_id()
        self.package.runner()
        if self.seen:
            branch_publish.begin(
                self.package.spark, self.package.target, {"date": f"2026-01-0{day}"}, f"dataflow_{run_id}_wap"
            )
        row = {"run_id": run_id, "workflow_id": "x", "host": socket.gethostname(), "process": 2**22 + 1}
        row |= {"params": {}, "versions": {}, "status": "running", "started": dt.datetime.now(dt.UTC)}
        self.package.records.insert(store.runs, row)

    def rolled_back(self, day):
        """Take the table back by a snapshot, as `project rollback --with-data` does, and run the day that is gone."""
        if not self.seen or not self.good(day):
            return
        self.rerun(day)
        table = load(self.package.spark, self.package.target)
        before = table.currentSnapshot().parentId()
        if before is not None:
            table.manageSnapshots().rollbackTo(before).commit()
            self.rerun(day)

    def check(self):
        if self.seen:
            assert self.package.rows() == sorted((id_, day) for day, ids in self.seen.items() for id_ in ids)


DAILY = definition(
    each_day("changed:\n  - ${SOURCE_TABLE}\nlast: 3", file="main.sch.yaml", more="        on_failure: finish\n"),
    name="${dataflow.package_id}.daily",
)
WAIT = """
def main(args, spark):
    spark.range(10**12).selectExpr("sum(id % 7)").collect()  # would take minutes
"""
DAYS = (1, 2, 3)
a_day = st.sampled_from(DAYS)
events = st.lists(
    st.one_of(
        st.tuples(st.just("change"), a_day, st.sampled_from([[1], [1, 2], [2], [1, 1], [3, 4, 5]])),
        st.tuples(st.just("rerun"), a_day),
        st.tuples(st.just("backfill"), st.lists(a_day, min_size=1, unique=True), st.booleans()),
        st.tuples(st.just("retry")),
        st.tuples(st.just("cancelled"), a_day),
        st.tuples(st.just("killed"), a_day),
        st.tuples(st.just("rolled_back"), a_day),
        st.tuples(st.just("late"), a_day, st.sampled_from([1, 6])),
        st.tuples(st.just("corrected"), a_day, st.sampled_from([2, 8])),
        st.tuples(st.just("deleted"), a_day),
        st.tuples(st.just("compacted")),
        st.tuples(st.just("changed")),
    ),
    min_size=3,
    max_size=8,
)
EVERY = [
    ("backfill", [1, 2, 3], False),
    ("change", 2, [1, 1]),
    ("backfill", [1, 2, 3], True),
    ("change", 1, [7]),
    ("change", 2, [1, 2]),
    ("retry",),
    ("killed", 3),
    ("change", 3, [9]),
    ("cancelled", 3),
    ("retry",),
    ("rolled_back", 1),
    ("late", 1, 6),
    ("corrected", 3, 8),
    ("compacted",),
    ("changed",),
    ("deleted", 1),
    ("late", 2, 1),
    ("changed",),
    ("corrected", 2, 4),
    ("changed",),
    ("retry",),
]


@settings(parent=few, max_examples=3)
@example(history=EVERY)
@given(history=events)
def test_whatever_befalls_the_days_readers_see_the_last_good_run_of_each(package, history):
    night = Night(package)
    for name, *arguments in history:
        getattr(night, name)(*arguments)
        night.check()
    for day in DAYS:
        night.change(day, [day])
    night.backfill(list(DAYS), newest_first=False)
    night.check()
    assert package.refs() - {"main"} == {ref for ref in package.refs() if ref.startswith("dataflow_failed_")}
