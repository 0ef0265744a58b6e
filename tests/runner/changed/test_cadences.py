"""Hours, weeks and months: one chain of tables in which each finer one feeds coarser ones, and what runs when."""

from __future__ import annotations

import itertools

import pytest

from dataflow.runner.backfill import choose_days, periods_between
from dataflow.runner.changed.look import look_at
from dataflow.runner.options import DEFAULTS, RunOptions
from dataflow.tables import high_water_mark, metadata_through_spark
from dataflow.workflow.each_period import load_each, load_one
from dataflow.workflow.load import Request, load_workflow
from dataflow.workflow.periods import Cadence
from tests.support.packages import DAY, HWM, definition, each_day, spark, wap
from tests.support.run_package import Package

pytestmark = pytest.mark.spark

ENDS = {
    Cadence.HOURLY: "TIMESTAMP '${EXECUTION_DATE}:00Z' + INTERVAL 1 HOUR",
    Cadence.DAILY: "date_add(DATE '${EXECUTION_DATE}', 1)",
    Cadence.WEEKLY: "date_add(DATE '${EXECUTION_DATE}', 7)",
    Cadence.MONTHLY: "add_months(DATE '${EXECUTION_DATE}', 1)",
}
_numbers = itertools.count(1)


class Cadences(Package):
    """A table of moments by the hour, and tables that count its rows by hour, day, week and month."""

    def __init__(self, spark_session, folder, user):
        super().__init__(spark_session, folder, user)
        self.plays = f"source_{user}.plays"
        self.sql(f"CREATE TABLE {self.plays} (id INT, at TIMESTAMP) USING iceberg PARTITIONED BY (hours(at))")
        self.add("hourly", self.plays, "at", "hours({})")
        self.add("daily", self.table("hourly"), "begins", "{}")
        self.add("weekly", self.plays, "at", "{}")
        self.add("monthly", self.table("daily"), "begins", "months({})")

    def table(self, cadence):
        return f"{self.user}_sandbox.{cadence}"

    def add(self, name, source, column, by):
        cadence = Cadence(name)
        hourly = cadence is Cadence.HOURLY
        kind, begin = (
            ("TIMESTAMP", "TIMESTAMP '${EXECUTION_DATE}:00Z'") if hourly else ("DATE", "DATE '${EXECUTION_DATE}'")
        )
        plays = "count(*)" if column == "at" else "sum(plays)"
        self.write(
            f"{name}_ddl.sql",
            f"CREATE TABLE IF NOT EXISTS ${{TARGET_TABLE}} (plays BIGINT, begins {kind}) USING iceberg "
            f"PARTITIONED BY ({by.format('begins')});",
        )
        self.write(
            f"{name}.sql",
            f"INSERT INTO ${{TARGET_TABLE}} SELECT {plays} AS plays, {begin} AS begins FROM ${{SOURCE_TABLE}} "
            f"WHERE {column} >= {begin} AND {column} < {ENDS[cadence]};",
        )
        head = f"cadence: {name}\n"
        params = {
            "EXECUTION_DATE": f"${{dataflow.{cadence.built_in}}}",
            "SOURCE_TABLE": source,
            "TARGET_TABLE": f"${{TARGET_DB}}.{name}",
        }
        jobs = (spark(f"{name}_ddl.sql", "ddl"), wap(spark(f"{name}.sql"), by={"begins": DAY}), HWM)
        self.write(f"{name}_main.sch.yaml", definition(*jobs, name=f"x.{name}", head=head, params=params))
        loop = each_day("changed:\n  - ${SOURCE_TABLE}\nlast: ${LAST}", file=f"{name}_main.sch.yaml")
        self.write(f"{name}.sch.yaml", definition(loop, name=f"x.{name}.all", head=head, params={"LAST": "1"}))

    def sql(self, text):
        return self.spark.sql(text).collect()

    def play(self, *moments):
        rows = ", ".join(f"(1, TIMESTAMP '{it}Z')" for it in moments)
        self.sql(f"INSERT INTO {self.plays} VALUES {rows}")

    def night(self, name, date, **params):
        """Run what changed; return the periods that were run, by their labels, and what was noted."""

        def look(question):
            return look_at(question, lambda table: metadata_through_spark.find_table(self.spark, table))

        workflow = load_workflow(self.folder / f"{name}.sch.yaml", Request(params=params, date=date, look=look))
        (step,) = workflow.steps
        result = self.runner().run(workflow, DEFAULTS)
        assert result.status == "succeeded", [str(it.error) for _, it in result.failed_steps]
        return [step.cadence.parse(it).label for it in step.dates], step.found.notes

    def rows(self, name):
        found = self.sql(f"SELECT CAST(begins AS STRING) AS begins, plays FROM {self.table(name)} ORDER BY begins")
        return {row.begins: row.plays for row in found}

    def mark(self, name):
        return high_water_mark.read(self.spark, self.table(name)).shown


@pytest.fixture
def world(spark, tmp_path, monkeypatch):
    user = f"cadence{next(_numbers)}"
    monkeypatch.setenv("DATAFLOW_USER", user)
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    return Cadences(spark, tmp_path / "package", user)


def test_a_changed_hour_runs_that_hour_its_day_its_week_and_its_month_and_no_others(world):
    world.play("2026-01-31 22:10:00", "2026-01-31 23:59:59.999", "2026-01-26 00:00:00", "2026-02-01 23:59:59")
    assert world.night("hourly", "2026-01-31T23", LAST="2") == (["2026-01-31T22:00", "2026-01-31T23:00"], ())
    assert world.mark("hourly") == "2026-01-31T23:00"
    assert world.night("daily", "2026-01-31") == (["2026-01-31"], ())
    days, notes = world.night("monthly", "2026-01")
    assert (days, world.mark("monthly")) == (["2026-01"], "2026-01")
    assert notes == ()
    assert world.night("weekly", "2026-W05") == (["2026-W05"], ())
    assert world.mark("weekly") == "2026-W05"
    found = [world.rows(name) for name in ("hourly", "daily", "weekly", "monthly")]
    assert found == [
        {"2026-01-31 22:00:00": 1, "2026-01-31 23:00:00": 1},
        {"2026-01-31": 2},
        {"2026-01-26": 4},
        {"2026-01-01": 2},
    ]

    for name, date in (
        ("hourly", "2026-01-31T23"),
        ("daily", "2026-01-31"),
        ("weekly", "2026-W05"),
        ("monthly", "2026-01"),
    ):
        assert world.night(name, date)[0] == [], name

    world.play("2026-01-31 22:30:00")
    assert world.night("hourly", "2026-01-31T23")[0] == ["2026-01-31T22:00"]
    assert world.night("daily", "2026-01-31")[0] == ["2026-01-31"]
    assert world.night("weekly", "2026-W05")[0] == ["2026-W05"]
    assert world.night("monthly", "2026-01")[0] == ["2026-01"]
    assert [world.rows(name) for name in ("daily", "weekly", "monthly")] == [
        {"2026-01-31": 3},
        {"2026-01-26": 5},
        {"2026-01-01": 3},
    ]

    world.play("2026-02-02 00:00:00")
    days, notes = world.night("hourly", "2026-02-01T02")
    assert days == ["2026-02-01T00:00", "2026-02-01T01:00", "2026-02-01T02:00"], "none is left out, and none is early"
    days, notes = world.night("daily", "2026-02-01")
    assert (days, notes[-1]) == ([], f"{world.table('hourly')} is complete up to 2026-02-01T02:00: later days wait")
    days, notes = world.night("monthly", "2026-02")
    assert (days, notes[-1]) == ([], f"{world.table('daily')} is complete up to 2026-01-31: later months wait")


def test_a_backfill_of_hours_goes_over_the_change_of_clocks_and_does_none_twice(world):
    file, request = world.folder / "hourly_main.sch.yaml", Request()
    one = load_one(file, request, "2026-03-29T00")
    hours = periods_between(one.period, Cadence.HOURLY.parse("2026-03-29 03:00"))
    runner = world.runner()
    for left in (4, 0):
        choice = choose_days(world.records, one, hours, None, newest_first=True)
        assert (len(choice.days), choice.total) == (left, 4)
        if choice.days:
            workflow = load_each(file, request, choice.days, parallel=2, fail_fast=False)
            days = tuple(map(str, choice.days))
            assert runner.run(workflow, RunOptions(days=days, parallel=2)).status == "succeeded"
    assert choice.told == "0 of 4 hours: 4 succeeded with these definitions"
    assert [*world.rows("hourly")] == [f"2026-03-29 0{n}:00:00" for n in range(4)]
    assert world.mark("hourly") == "2026-03-29T03:00"
