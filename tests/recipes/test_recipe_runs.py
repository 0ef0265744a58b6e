"""Each recipe, as a user meets it: generated, tested, run, and held to the golden rows."""

from __future__ import annotations

from tests.support.places import EXAMPLE
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.optional_tools import SPARKLYR_RECIPE, missing, require

pytestmark = pytest.mark.recipe

MOCKS = "src/mocks"
DAY = "2026-01-31"

LOAD = """
from pathlib import Path
import dataflow
from dataflow.mocks import load_mock, to_values_sql

spark = dataflow.session(write=True)  # the table lies outside of the user's sandbox
spark.sql("CREATE NAMESPACE {database}")
spark.sql("CREATE TABLE {database}.playback USING iceberg AS " + to_values_sql(load_mock(Path({mock!r}))))
"""
READ = """
import json
import dataflow

def rows(table, where="true"):
    columns = "CAST(date AS STRING), country_code, title_id, title_rank, view_hours"
    return [tuple(row) for row in spark.sql(f"SELECT {{columns}} FROM {{table}} WHERE {{where}}").collect()]

spark = dataflow.session()
days = spark.sql("SELECT DISTINCT CAST(date AS STRING) FROM {written} ORDER BY 1").collect()
print(json.dumps({{
    "days": [day for day, in days],
    "written": rows("{written}", "date = DATE '{day}'"),
    "reference": rows("{reference}"),
}}))
"""


def python(command, script):
    """Run a script in a process of its own, with the library as a notebook has it; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script], env=command.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def bob(home, spark_commands, tmp_path_factory):
    """Another user in the same catalog."""
    return spark_commands(tmp_path_factory.mktemp("bob"), home, f"bob{os.environ.get('PYTEST_XDIST_WORKER', '')}")


@pytest.fixture(scope="session")
def golden(bob):
    """Load the golden source as a table, by `dataflow.session()` as a notebook would; return its name."""
    database = f"golden_{bob.environ['DATAFLOW_USER']}"
    python(bob, LOAD.format(database=database, mock=str(EXAMPLE / MOCKS / "dataflow_demo.playback.yaml")))
    return f"{database}.playback"


@pytest.fixture(scope="session")
def reference(bob):
    """Write a day of the demo source as the spark-sql recipe does, for another user; return the table's name."""
    unpinned = bob("workflow", "run", EXAMPLE, "--date", DAY)
    assert "not pinned" in unpinned.stdout
    user = bob.environ["DATAFLOW_USER"]
    return f"{user}_sandbox.{user}_sparksql_workflow_results"


def timed(table_line, step, command, *arguments, **options):
    began = time.monotonic()
    found = command(*arguments, **options)
    table_line[f"{step} s"] = f"{time.monotonic() - began:.1f}"
    return found


def keyed(rows):
    found = {(day, country, title): (rank, hours) for day, country, title, rank, hours in rows}
    assert len(found) == len(rows)
    return found


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for key, (rank, hours) in expected.items():
        assert found[key] == (rank, pytest.approx(hours, rel=1e-9)), key


def expected_rows(folder):
    """Return the golden rows of the fixture's last day."""
    from dataflow.mocks import load_mock

    (file,) = (folder / MOCKS).glob("*_results.yaml")
    mock = load_mock(file)
    names = [column.name for column in mock.columns]
    found = [dict(zip(names, row, strict=True)) for row in mock.rows]
    return {
        (str(row["date"]), row["country_code"], row["title_id"]): (row["title_rank"], float(row["view_hours"]))
        for row in found
        if str(row["date"]) == DAY
    }


def hold_r_suite_to_what_is_there(test, printed):
    """Without testthat the unit tests are skipped and say why, the four workflows are checked; then it ends here."""
    if missing("R's testthat"):
        assert "4 successful, 0 failed, 1 skipped" in printed
        assert re.search(r"SKIPPED .*(R is not installed|no package testthat).*install it: ", printed)
    require(test, *SPARKLYR_RECIPE)
    assert "5 successful, 0 failed" in printed


def without_sparklyr(folder):
    """Let a package write by SQL that dbplyr makes of its own dplyr steps; the rest of it stays as it is."""
    render = ["Rscript", str(Path(__file__).parent / "render.R"), "src"]
    done = subprocess.run(render, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "src" / "rendered.sql").write_text(done.stdout)
    main = folder / "main.sch.yaml"
    text = main.read_text()
    assert "script: ./src/sparklyr_write.R" in text
    main.write_text(text.replace("./src/sparklyr_write.R", "./src/rendered.sql"))


def run_by_tox(package):
    return subprocess.run(
        [sys.executable, "-m", "tox"], cwd=package.folder, env=package.environ, capture_output=True, text=True, check=False
    )


def run_without_checkout(package, table_line, *params):
    """Deploy the package, take it away, and run what was deployed; whatever it is written in, nothing is built again."""
    deployed = timed(table_line, "deploy", package.json, "project", "deploy")
    assert deployed["environment"] == "sandbox-alice"
    (workflows,) = [it["workflows"] for it in deployed["packages"].values()]
    (main,) = [it for it in workflows if it.endswith(".main")]
    arguments = ("workflow", "run", "--deployed", main, "--date", DAY, *(it for param in params for it in ("-p", param)))
    away = package.folder.rename(package.folder.with_name("away"))
    done = timed(table_line, "deployed", package.json, *arguments, folder=away.parent)
    away.rename(package.folder)
    assert done["status"] == "succeeded"
    run = package.json("workflow", "show", done["run_id"])
    assert {it["id"] for it in run["assets"]} == {it["id"] for it in deployed["assets"]}


def test_a_recipe_is_green_from_its_unit_test_to_its_backfill_and_agrees_with_the_others(
    recipe, package, golden, reference, table_line, request
):
    table_line["generate s"] = f"{package.seconds_to_generate:.1f}"
    tested = timed(table_line, "unit test", package, "project", "test", ".")
    with_sparklyr = recipe == "sparklyr" and request.config.getoption("--sparklyr")
    if recipe == "sparklyr":
        hold_r_suite_to_what_is_there(request.node, tested.stdout)
    else:
        assert "5 successful, 0 failed" in tested.stdout  # the unit tests, and four workflows
    if recipe != "sparklyr" or with_sparklyr:  # without sparklyr, R leaves out what runs on Spark
        assert "skipped" not in tested.stdout

    if (package.folder / "tox.ini").exists():
        by_tox = timed(table_line, "tox", run_by_tox, package)
        assert by_tox.returncode == 0, by_tox.stdout
        assert " passed" in by_tox.stdout

    if recipe == "sparklyr" and not with_sparklyr:
        without_sparklyr(package.folder)
        table_line["by"] = "dplyr as SQL"

    validated = package("workflow", "validate", ".")
    assert "4 definitions are valid" in validated.stdout

    main = timed(table_line, "main", package.json, "workflow", "run", "main.sch.yaml", "--date", DAY)
    (published,) = [step["published"] for step in main["steps"] if step["published"]]
    table_line["rows"] = f"{published['rows']:,}"
    assert 18_000 < published["rows"] < 20_000
    assert main["pinned"]
    assert len(main["preview"]) == 5

    daily = timed(
        table_line, "daily", package.json, "workflow", "run", "daily.sch.yaml", "--date", DAY, "-p", "LOOKBACK_DAYS=2"
    )
    assert daily["status"] == "succeeded"
    backfill = timed(
        table_line, "backfill", package.json, "workflow", "run", "backfill.sch.yaml",
        "-p", "FROM_DATE=2026-01-28", "-p", f"TO_DATE={DAY}", "-p", "PARALLEL=2",
    )  # fmt: skip
    (each_day,) = backfill["steps"]
    assert len(each_day["runs"]) == 4

    look = READ.format(written=published["table"], reference=reference, day=DAY)
    from_demo, expected = json.loads(python(package, look)), expected_rows(package.folder)
    assert from_demo["days"] == ["2026-01-28", "2026-01-29", "2026-01-30", DAY]
    assert len(from_demo["written"]) == published["rows"]
    table_line["equal"] = "NO"
    assert_same(keyed(from_demo["written"]), keyed(from_demo["reference"]))

    run_without_checkout(package, table_line, f"SOURCE_TABLE={golden}")
    assert_same(keyed(json.loads(python(package, look))["written"]), expected)
    table_line["equal"] = "yes"

    own = main["workflow"].removesuffix("main")
    recorded = [run for run in package.json("workflow", "runs") if run["workflow_id"].startswith(own)]
    assert [run["status"] for run in recorded] == ["succeeded"] * len(recorded)
    assert len(recorded) == 3  # main, daily and backfill; what was deployed goes by the id of its deployment
