"""Nights that go wrong: late rows, corrections, deletes, compaction and gaps, through two packages in two languages.

Each night runs exactly the days that changed, and both tables end as if every day had been computed at the end.
"""

from __future__ import annotations

import datetime as dt
import threading
import time

import pytest

from dataflow.runner.changed.look import look_at
from dataflow.runner.options import DEFAULTS
from dataflow.runner.progress import NoProgress
from dataflow.tables import high_water_mark, metadata_through_spark
from dataflow.workflow.load import Request, load_workflow
from tests.support.packages import DAY, EVERY_DAY, HWM, definition, each_day, spark, wap
from tests.support.run_package import Package

pytestmark = pytest.mark.spark

LAST = 3
DAILY = definition(
    each_day(f"changed:\n  - ${{SOURCE_TABLE}}\nlast: {LAST}\nmax: ${{MOST}}", file="main.sch.yaml"),
    name="${dataflow.package_id}.daily",
    params={"MOST": "30"},
)
SUMS = """
def main(args, spark):
    day = f"date = DATE '{args['EXECUTION_DATE']}'"
    spark.table(args["SOURCE_TABLE"]).where(day).createOrReplaceTempView("plays")
    spark.sql("SELECT CAST(count(*) AS INT) AS id, sum(hours) AS hours, date FROM plays GROUP BY date").writeTo(
        args["TARGET_TABLE"]
    ).overwritePartitions()
"""


class Chain(Package):
    """Rows of a source, copied by SQL; and their sum by day, computed by Python from the copy."""

    def __init__(self, spark_session, folder, user):
        super().__init__(spark_session, folder, user)
        self.sums = f"{user}_sandbox.sums"
        self.ran = {"daily.sch.yaml": 0, "sums_daily.sch.yaml": 0}
        self.write("daily.sch.yaml", DAILY)
        self.write("sums.py", SUMS)
        of_sums = {**EVERY_DAY, "SOURCE_TABLE": self.target, "TARGET_TABLE": "${TARGET_DB}.sums"}
        jobs = (
            spark("ddl.sql", "ddl"),
            wap(spark("sums.py"), by={"date": DAY}, settings="      empty: publish\n"),
            HWM,
        )
        self.write("sums.sch.yaml", definition(*jobs, name="${dataflow.package_id}.sums", params=of_sums))
        self.write("sums_daily.sch.yaml", DAILY.replace("main.sch", "sums.sch").replace(".daily", ".sums_daily"))
        self.edit("main.sch.yaml", "type: wap", "type: wap\n      empty: publish")

    def load_night(self, name, day, after_look=lambda: None, **params):
        def look(question):
            found = look_at(question, lambda table: metadata_through_spark.find_table(self.spark, table))
            after_look()
            return found

        return load_workflow(self.folder / name, Request(params=params, date=dt.date(2026, 1, day), look=look))

    def night(self, name, day, status="succeeded", after_look=lambda: None, **params):
        """Run what changed; return the days of January that were run."""
        workflow = self.load_night(name, day, after_look, **params)
        (step,) = workflow.steps
        result = self.runner().run(workflow, DEFAULTS)
        assert result.status == status, [str(it.error) for _, it in result.failed_steps]
        self.ran[name] += len(step.dates)
        return [int(date[-2:]) for date in step.dates]

    def both(self, day):
        return self.night("daily.sch.yaml", day), self.night("sums_daily.sch.yaml", day)

    def sql(self, text):
        self.spark.sql(text).collect()

    def assert_whole(self):
        """Hold both tables to what the source says now."""
        expected = "SELECT id, hours, date FROM {0} EXCEPT ALL SELECT id, hours, date FROM {1}"
        sums = f"(SELECT count(*) AS id, sum(hours) AS hours, date FROM {self.source} GROUP BY date)"
        for one, other in ((self.source, self.target), (sums, self.sums)):
            for query in (expected.format(one, other), expected.format(other, one)):
                assert self.spark.sql(query).collect() == [], query


@pytest.fixture
def chain(spark, tmp_path, monkeypatch):
    user = f"late_{tmp_path.name.rpartition('_')[2] or 'x'}".replace("-", "_")
    monkeypatch.setenv("DATAFLOW_USER", user)
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    return Chain(spark, tmp_path / "package", user)


def test_each_night_runs_the_days_that_changed_and_no_others_down_the_chain(chain):
    source = chain.source
    chain.add_source(*((day, 1.0, day) for day in range(1, 6)))
    assert chain.both(5) == ([3, 4, 5], [3, 4, 5]), "without a mark, the last days"
    assert chain.both(5) == ([], []), "nothing changed"

    chain.add_source((60, 1.0, 6), (40, 2.0, 4))
    assert chain.both(6) == ([4, 6], [4, 6]), "a new day and late rows"
    chain.sql(f"UPDATE {source} SET hours = 5.0 WHERE id = 5")
    chain.sql(f"DELETE FROM {source} WHERE date = DATE '2026-01-03'")
    chain.sql(f"CALL system.rewrite_data_files(table => '{source}', options => map('rewrite-all', 'true'))")
    assert chain.both(6) == ([3, 5], [3, 5]), "a correction and a deletion, compacted since"
    for table in (source, chain.target):
        chain.sql(f"CALL system.rewrite_data_files(table => '{table}', options => map('rewrite-all', 'true'))")
    assert chain.both(6) == ([], []), "compaction alone"

    chain.add_source((90, 1.0, 9))
    assert chain.both(9) == ([7, 8, 9], [7, 8, 9]), "a gap, of which two days have no rows"
    chain.add_source((11, 1.0, 1), (21, 1.0, 2))
    assert chain.both(9) == ([1, 2], [1, 2]), "days before the first one"
    chain.assert_whole()
    nights = 7
    exact, lookback = sum(chain.ran.values()), 2 * nights * LAST
    print(f"\ndays that were run: {exact}; a lookback of {LAST} days: {lookback}, without those of days 1 and 2")
    assert exact < lookback


def test_what_fails_or_comes_between_is_run_by_the_next_night(chain):
    chain.add_source(*((day, 1.0, day) for day in range(1, 6)))
    chain.night("daily.sch.yaml", 5)
    chain.add_source((30, 1.0, 3), (40, 1.0, 4), (50, 1.0, 5))
    bad = "WHERE date = DATE '${EXECUTION_DATE}' AND IF(day(date) = 4, CAST(raise_error('no') AS INT) = 1, true)"
    chain.edit("write.sql", "WHERE date = DATE '${EXECUTION_DATE}'", bad)
    assert chain.night("daily.sch.yaml", 5, status="failed") == [3, 4, 5]
    chain.edit("write.sql", bad, "WHERE date = DATE '${EXECUTION_DATE}'")
    assert chain.night("daily.sch.yaml", 5) == [4, 5], "day 3 was published"

    chain.add_source((31, 1.0, 3))
    between = chain.night("daily.sch.yaml", 5, after_look=lambda: chain.add_source((32, 1.0, 3), (52, 1.0, 5)))
    assert between == [3]
    assert chain.night("daily.sch.yaml", 5) == [5], "day 3 has read what came between"
    chain.add_source((33, 1.0, 3), (43, 1.0, 4), (53, 1.0, 5))
    assert [chain.night("daily.sch.yaml", 5, MOST="2") for _ in range(3)] == [[4, 5], [3], []]

    before = chain.spark.sql(f"SELECT snapshot_id FROM {chain.source}.history").collect()[-1][0]
    chain.add_source((34, 1.0, 3))
    assert chain.night("daily.sch.yaml", 5) == [3]
    chain.sql(f"CALL system.rollback_to_snapshot('{chain.source}', {before})")
    step = chain.load_night("daily.sch.yaml", 5).steps[0]
    assert step.dates == ("2026-01-03", "2026-01-04", "2026-01-05")
    assert "is not an ancestor of the current one: the last 3 days instead" in step.found.notes[0]
    assert chain.night("daily.sch.yaml", 5) == [3, 4, 5]
    assert chain.night("daily.sch.yaml", 5) == []
    assert sorted(chain.rows())[-1] == (53, 5)
    water = high_water_mark.read(chain.spark, chain.target)
    assert (water.later, water.day) == ({}, dt.date(2026, 1, 5))


SLOWLY = """
import pathlib
import time


def main(args, spark):
    here = pathlib.Path(__file__).parent
    (here / "began").touch()
    while (here / "hold").exists():
        time.sleep(0.05)
    if (here / "fail").exists():
        (here / "fail").unlink()
        raise ValueError("as it was asked")
    day = f"date = DATE '{args['EXECUTION_DATE']}'"
    spark.table(args["SOURCE_TABLE"]).where(day).writeTo(args["TARGET_TABLE"]).overwritePartitions()
"""


class Waits(NoProgress):
    """Lets the other run go on once this one waits for it."""

    def __init__(self, hold):
        self.hold = hold

    def note(self, _, text):
        if " waits for run " in text:
            self.hold.unlink()


@pytest.mark.parametrize("succeeds", [True, False])
def test_a_day_that_another_run_did_while_a_run_waited_for_it_is_not_run_again_unless_it_failed(chain, succeeds):
    chain.write("slowly.py", SLOWLY)
    chain.edit("main.sch.yaml", "write.sql", "slowly.py")
    chain.add_source((1, 1.0, 1), (2, 1.0, 2), (3, 1.0, 3))
    assert chain.night("daily.sch.yaml", 3) == [1, 2, 3]
    chain.add_source((20, 1.0, 2), (30, 1.0, 3))
    began, hold = chain.folder / "began", chain.folder / "hold"
    hold.touch()
    began.unlink()
    if not succeeds:
        (chain.folder / "fail").touch()
    by_hand = threading.Thread(target=chain.run, kwargs={"day": 2})
    by_hand.start()
    while not began.exists():
        time.sleep(0.05)
    result = chain.runner(Waits(hold)).run(chain.load_night("daily.sch.yaml", 3), DEFAULTS)
    by_hand.join()
    assert result.status == "succeeded"
    details = {int(it.id[-2:]): it.detail for it in result.steps[0].items}
    second = "done by another run meanwhile" if succeeds else "2 rows published"
    assert details == {2: second, 3: "2 rows published"}
    assert chain.night("daily.sch.yaml", 3) == []
    assert chain.rows() == [(1, 1), (2, 2), (3, 3), (20, 2), (30, 3)]
