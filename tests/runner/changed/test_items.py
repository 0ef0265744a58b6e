"""Tables that are partitioned by no time: which countries changed since each was computed."""

from __future__ import annotations

import itertools

import pytest

from dataflow.runner.changed.look import look_at
from dataflow.runner.options import DEFAULTS
from dataflow.tables import item_marks, metadata_through_spark
from dataflow.tables.iceberg import load, properties
from dataflow.workflow.load import Request, load_workflow
from tests.support.packages import definition, spark, wap
from tests.support.run_package import Package

pytestmark = pytest.mark.spark

HWM = "  - job:\n      id: hwm\n      type: HWM\n      hwm:\n        table: ${TARGET_TABLE}\n        item: ${COUNTRY}\n"
EACH = """\
  - foreach:
      id: each_country
      items:
        changed:
          - ${SOURCE_TABLE}
        column: country
        max: ${MOST}
      parallel: 2
      job:
        id: main
        type: Subworkflow
        subworkflow:
          file: country.sch.yaml
          params:
            COUNTRY: ${dataflow.each}
"""
_numbers = itertools.count(1)


class Countries(Package):
    """Plays of some countries, and how many there are in each."""

    def __init__(self, spark_session, folder, user):
        super().__init__(spark_session, folder, user)
        self.plays = f"source_{user}.by_country"
        self.target = f"{user}_sandbox.counts"
        self.sql(f"CREATE TABLE {self.plays} (id INT, country STRING) USING iceberg PARTITIONED BY (country)")
        self.write(
            "counts_ddl.sql",
            "CREATE TABLE IF NOT EXISTS ${TARGET_TABLE} (plays BIGINT, country STRING) USING iceberg "
            "PARTITIONED BY (country);",
        )
        self.write(
            "counts.sql",
            "INSERT INTO ${TARGET_TABLE} SELECT count(*) AS plays, country FROM ${SOURCE_TABLE} "
            "WHERE country = '${COUNTRY}' GROUP BY country;",
        )
        params = {"COUNTRY": "DE", "SOURCE_TABLE": self.plays, "TARGET_TABLE": "${TARGET_DB}.counts"}
        write = wap(spark("counts.sql"), by={"country": "${COUNTRY}"}, settings="      empty: publish\n")
        self.write("country.sch.yaml", definition(spark("counts_ddl.sql", "ddl"), write, HWM, params=params))
        self.write("countries.sch.yaml", definition(EACH, name="x.countries", params={"MOST": "30"}))

    def sql(self, text):
        return self.spark.sql(text).collect()

    def play(self, *countries):
        self.sql(f"INSERT INTO {self.plays} VALUES {', '.join(f'(1, {it})' for it in map(repr, countries))}")

    def load_night(self, **params):
        def look(question):
            return look_at(question, lambda table: metadata_through_spark.find_table(self.spark, table))

        return load_workflow(self.folder / "countries.sch.yaml", Request(params=params, look=look))

    def night(self, **params):
        """Run what changed; return the items and why."""
        workflow = self.load_night(**params)
        (step,) = workflow.steps
        result = self.runner().run(workflow, DEFAULTS)
        assert result.status == "succeeded", [str(it.error) for _, it in result.failed_steps]
        assert {row.country: row.plays for row in self.sql(f"SELECT * FROM {self.target}")} == {
            row.country: row.plays
            for row in self.sql(f"SELECT country, count(*) AS plays FROM {self.plays} GROUP BY 1")
        } or params
        return list(step.dates), step.found

    def marks(self):
        return item_marks.item_marks(properties(load(self.spark, self.target)))


@pytest.fixture
def world(spark, tmp_path, monkeypatch):
    user = f"countries{next(_numbers)}"
    monkeypatch.setenv("DATAFLOW_USER", user)
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    return Countries(spark, tmp_path / "package", user)


def test_only_the_countries_that_changed_are_run_each_by_what_it_was_computed_from(world):
    world.play("DE", "AT", "Côte dIvoire")
    items, found = world.night(MOST="2")
    assert items == ["AT", "Côte dIvoire"]
    assert set(found.reasons.values()) == {("not done yet",)}
    assert found.notes == ("1 item left for the next run: one takes 2 at most",)
    assert world.night()[0] == ["DE"]
    assert world.night()[0] == []
    assert [*world.marks()] == ["AT", "Côte dIvoire", "DE"]

    world.play("DE", "DE")
    items, found = world.night()
    (why,) = found.reasons["DE"]
    assert (items, why.startswith("2 rows came in snapshot ")) == (["DE"], True)
    assert len({it for read in world.marks().values() for it in read.values()}) == 1, "all are as new as what was seen"

    world.sql(f"DELETE FROM {world.plays} WHERE country = 'AT'")
    world.play("FR")
    assert world.night()[0] == ["AT", "FR"], "what is gone is computed to nothing"
    assert world.night()[0] == []

    plan = world.load_night().steps[0]
    assert (plan.items, plan.unit) == ((), "item")
