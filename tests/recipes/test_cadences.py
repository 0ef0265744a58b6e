"""Recipes of hours, weeks and months, run for real: their own mocks as the source, their expected rows as the result.

Scala is compiled for each: hours have another type than days, and weeks and months each a function of their own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import warnings

import pytest

from dataflow.mocks import load_mock
from dataflow.workflow.periods import Cadence
from tests.support.places import ROOT

pytestmark = pytest.mark.recipe

PACKAGES = {
    "hours": ("spark-sql", "hourly", "2026-01-31T19", "2026-01-31T20", "2026-01-31T20:00"),
    "weeks": ("pyspark", "weekly", "2026-01-22", "2026-W05", "2026-W05"),
    "months": ("spark-sql", "monthly", "2025-12", "2026-01", "2026-01"),
}
COMPILED = {f"scala{name}": ("scala", *rest) for name, (_, *rest) in PACKAGES.items()}
LOAD = """
from pathlib import Path
import dataflow
from dataflow.mocks import load_mock, to_values_sql

spark = dataflow.session(write=True)
spark.sql("CREATE NAMESPACE IF NOT EXISTS golden_cadences")
for name, mock in {mocks!r}.items():
    by = "hours(played_at)" if name.endswith("hours") else "date"
    rows = to_values_sql(load_mock(Path(mock)))
    spark.sql(f"CREATE TABLE golden_cadences.{{name}} USING iceberg PARTITIONED BY ({{by}}) AS {{rows}}")
"""
READ = """
import json
import dataflow

def rows(table):
    found = dataflow.session().table(table)
    texts = (f"CAST({{name}} AS STRING)" for name in ("title_id", "country_code", "title_rank", "view_hours", found.columns[-1]))
    return [list(row) for row in found.selectExpr(*texts).collect()]

print(json.dumps({{name: rows(table) for name, table in {tables!r}.items()}}))
"""


@pytest.fixture(
    params=[PACKAGES, pytest.param(COMPILED, marks=pytest.mark.tools("sbt", needed=False))], ids=["scripts", "compiled"]
)
def packages(request):
    return request.param


@pytest.fixture
def world(packages, home, spark_commands, tmp_path):
    from copier import run_copy

    command = spark_commands(tmp_path, home)
    for name, (recipe, cadence, *_) in packages.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answers = {"recipe": recipe, "cadence": cadence, "workflow_id": f"alice.{name}"}
            run_copy(str(ROOT), tmp_path / name, data=answers, vcs_ref="HEAD", defaults=True, unsafe=True, quiet=True)
    return command


def python(command, script):
    done = subprocess.run(
        [sys.executable, "-c", script], env=command.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_packages_of_hours_weeks_and_months_are_green_and_write_the_rows_that_they_expect(world, packages):
    tested = world("project", "test", ".")
    assert "15 successful, 0 failed" in tested.stdout

    mocks = {name: sorted((world.folder / name / "src/mocks").iterdir()) for name in packages}
    sources = {name: str(next(it for it in found if "_results" not in it.name)) for name, found in mocks.items()}
    python(world, LOAD.format(mocks=sources))
    for name, (_, cadence, first, last, mark) in packages.items():
        main = world.folder / name / "main.sch.yaml"
        param = ("-p", f"SOURCE_TABLE=golden_cadences.{name}")
        done = world("workflow", "backfill", main, "--from", first, "--to", last, "--parallel", "2", *param)
        unit = Cadence(cadence).unit
        assert f"2 of 2 {unit}s succeeded" in done.stdout
        again = world("workflow", "backfill", main, "--from", first, "--to", last, *param)
        assert f"nothing to do: 0 of 2 {unit}s: 2 succeeded with these definitions" in again.stdout
        scheduled = world.folder / name / f"{cadence}.sch.yaml"
        plan = world.json("workflow", "plan", scheduled, "--date", last, *param)
        (step,) = plan["steps"]
        assert (step["dates"], step["cadence"]) == ([], cadence), "nothing changed"
        assert mark in world("query", f"SHOW TBLPROPERTIES alice_sandbox.alice_{name}_results").stdout

    written = json.loads(python(world, READ.format(tables={it: f"alice_sandbox.alice_{it}_results" for it in packages})))
    for name, rows in written.items():
        expected = load_mock(next(it for it in mocks[name] if "_results" in it.name))
        found = {(int(title), country, period): (int(rank), float(hours)) for title, country, rank, hours, period in rows}
        assert len(found) == len(rows) == len(expected.rows)
        for title, country, rank, hours, period in expected.rows:
            assert found[title, country, str(period).removesuffix("+00:00")] == (rank, pytest.approx(float(hours), rel=1e-9))
