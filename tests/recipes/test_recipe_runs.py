"""Each recipe, as a user meets it: generated, tested, run, and held to the golden rows."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.recipe

ROOT = Path(__file__).parents[2]
MOCKS = "src/mocks"
DAY = "2026-01-31"


@pytest.fixture(scope="session")
def copie_template():
    return ROOT


@pytest.fixture
def package(recipe, copie, spark_command, table_line):
    """Generate the recipe's package with Copier, as `copier copy --trust` does."""
    copie.default_template_dir = ROOT
    began = time.monotonic()
    answers = {"recipe": recipe, "workflow_id": f"alice.{recipe.replace('-', '')}"}
    made = copie.copy(extra_answers=answers, vcs_ref="HEAD")
    assert made.exit_code == 0, made.exception
    table_line["generate s"] = f"{time.monotonic() - began:.1f}"
    spark_command.folder = made.project_dir
    return spark_command


def timed(table_line, step, command, *arguments, **options):
    began = time.monotonic()
    found = command(*arguments, **options)
    table_line[f"{step} s"] = f"{time.monotonic() - began:.1f}"
    return found


def rows(command, table, where="true"):
    """Return a table's rows as a reader sees them."""
    query = f"SELECT title_id, country_code, title_rank, view_hours, CAST(date AS STRING) AS date FROM {table}"
    found = command.json("query", f"{query} WHERE {where}", "--limit", "1000000")
    return {(r["date"], r["country_code"], r["title_id"]): (r["title_rank"], r["view_hours"]) for r in found}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for key, (rank, hours) in expected.items():
        assert found[key] == (rank, pytest.approx(hours, rel=1e-9)), key


def expected_rows(folder):
    """Return the golden rows of the fixture's last day."""
    from dataflow.mocks import load_mock

    (file,) = (folder / MOCKS).glob("dataflow_*_sample.yaml")
    mock = load_mock(file)
    names = [column.name for column in mock.columns]
    found = [dict(zip(names, row, strict=True)) for row in mock.rows]
    return {
        (str(row["date"]), row["country_code"], row["title_id"]): (row["title_rank"], float(row["view_hours"]))
        for row in found
        if str(row["date"]) == DAY
    }


def load_golden(command):
    """Load the golden source as a table, by `dataflow.session()` as a notebook would."""
    script = f"""
    import dataflow
    from dataflow.mocks import load_mock, to_values_sql
    from pathlib import Path

    spark = dataflow.session()
    spark.sql("CREATE NAMESPACE IF NOT EXISTS golden")
    mock = load_mock(Path("{MOCKS}/dataflow_demo.playback.yaml"))
    spark.sql("CREATE TABLE golden.playback USING iceberg AS " + to_values_sql(mock))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=command.folder,
        env=command.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def without_sparklyr(folder):
    """Let a package write by SQL that dbplyr makes of its own dplyr steps; the rest of it stays as it is."""
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed: sudo apt-get install r-base-core r-cran-dplyr r-cran-dbplyr")
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


def agree_with_spark_sql(package, table):
    """Hold a day of the demo source to what the spark-sql recipe makes of it, for another user in the same catalog."""
    example = ROOT / "examples" / "sparksql-workflow"
    unpinned = package("workflow", "run", example, "--date", DAY, user="bob")
    assert "not pinned" in unpinned.stdout
    ours, theirs = rows(package, table, f"date = DATE '{DAY}'"), rows(package, "bob_sandbox.bob_sparksql_workflow_results")
    assert len(ours) > 18_000
    assert_same(ours, theirs)


def run_without_checkout(package, table_line, param):
    """Deploy the package, delete it, and run what was deployed; whatever it is written in, nothing is built again."""
    deployed = timed(table_line, "deploy", package.json, "project", "deploy")
    assert deployed["environment"] == "sandbox-alice"
    (workflows,) = [it["workflows"] for it in deployed["packages"].values()]
    (main,) = [it for it in workflows if it.endswith(".main")]
    shutil.rmtree(package.folder)
    package.folder.mkdir()
    done = timed(table_line, "deployed", package.json, "workflow", "run", "--deployed", main, "--date", DAY, "-p", param)
    assert done["status"] == "succeeded"
    run = package.json("workflow", "show", "last")
    assert {it["id"] for it in run["assets"]} == {it["id"] for it in deployed["assets"]}


def test_a_recipe_is_green_from_its_unit_test_to_its_backfill_and_agrees_with_the_others(
    recipe, package, table_line, request
):
    tested = timed(table_line, "unit test", package, "project", "test", ".")
    assert "4 successful, 0 failed" in tested.stdout  # the unit tests, and three workflows

    if (package.folder / "tox.ini").exists():
        by_tox = timed(table_line, "tox", run_by_tox, package)
        assert by_tox.returncode == 0, by_tox.stdout
        assert " passed" in by_tox.stdout

    if recipe == "sparklyr" and not request.config.getoption("--sparklyr"):
        without_sparklyr(package.folder)
        table_line["by"] = "dplyr as SQL"

    validated = package("workflow", "validate", ".")
    assert "3 definitions are valid" in validated.stdout

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

    days = package.json("query", f"SELECT date, count(*) AS n FROM {published['table']} GROUP BY date ORDER BY date")
    assert [row["date"] for row in days] == ["2026-01-28", "2026-01-29", "2026-01-30", DAY]

    if recipe != "spark-sql":
        agree_with_spark_sql(package, published["table"])
    load_golden(package)
    expected = expected_rows(package.folder)
    table_line["equal"] = "NO"
    run_without_checkout(package, table_line, "SOURCE_TABLE=golden.playback")
    assert_same(rows(package, published["table"], f"date = DATE '{DAY}'"), expected)
    table_line["equal"] = "yes"

    recorded = package.json("workflow", "runs")
    assert [run["status"] for run in recorded] == ["succeeded"] * len(recorded)
    assert len(recorded) >= 4
