"""What `dataflow workflow` says of SQL before anything runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.optional_tools import missing
from tests.support.places import EXAMPLES

SCRIPT = "src/sparksql_write.sql"


@pytest.fixture
def package(dataflow_command):
    shutil.copytree(EXAMPLES / "sparksql-workflow", dataflow_command.folder / "package")
    return dataflow_command


def edit(command, old, new, name=SCRIPT):
    path = command.folder / "package" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def swap(command):
    edit(command, ") BY NAME", ")")
    edit(command, "  title_rank,\n  view_hours\nFROM final", "  view_hours,\n  title_rank\nFROM final")


WITH_R = pytest.param("sparklyr", marks=pytest.mark.tools("R", needed=False))


@pytest.mark.parametrize("name", ["sparksql", "pyspark", "scala", WITH_R])
def test_each_recipe_is_valid_and_wholly_checked(dataflow_command, name):
    shutil.copytree(EXAMPLES / f"{name}-workflow", dataflow_command.folder / "package")
    found = json.loads(dataflow_command("workflow", "validate", "package", "--output", "json").stdout)
    unchecked = ["the syntax of R scripts: R is not installed"] if name == "sparklyr" and missing("R") else []
    assert (found["problems"], found["unchecked"]) == ([], unchecked)


@pytest.mark.parametrize("command", ["validate", "plan"])
def test_swapped_columns_are_told_with_their_lines(package, command):
    swap(package)
    said = package("workflow", command, "package", code=2).stderr.splitlines()
    assert [line.rpartition("package/")[2] for line in said] == [
        "src/sparksql_write.sql:51:3: the third column is 'view_hours', the table's third is 'title_rank'; "
        "use INSERT BY NAME, or add the comment -- dataflow: positional",
        "src/sparksql_write.sql:52:3: the fourth column is 'title_rank', the table's fourth is 'view_hours'; "
        "use INSERT BY NAME, or add the comment -- dataflow: positional",
    ]


def test_by_a_comment_they_may_be_swapped_and_by_name_they_are_right(package):
    swap(package)
    edit(package, "WITH viewing", "-- dataflow: positional\nWITH viewing")
    package("workflow", "validate", "package")
    edit(package, "-- dataflow: positional\n", "")
    edit(package, "}')\n", "}') BY NAME\n")
    package("workflow", "validate", "package")


def test_a_column_that_a_step_does_not_bring_is_told(package):
    edit(package, "  WHERE title_rank <= 100", "  WHERE rank <= 100")
    (said,) = package("workflow", "validate", "package", code=2).stderr.splitlines()
    assert "sparksql_write.sql:" in said
    assert "there is no column or table 'rank' here; valid here: country_code, title_id, title_rank, view_hours" in said


AUDIT = """\
      audits:
        - function: sql_should_return_no_rows
          %s
"""


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("sql: SELECT * FROM ${AUDITED} WHERE rank < 1", "main.sch.yaml:54:1"),
        ("sql: |\n            SELECT *\n            FROM ${AUDITED}\n            WHERE rank < 1", "main.sch.yaml:57:1"),
        ("script: src/check.sql", "src/check.sql:2:7"),
    ],
)
def test_a_column_that_an_audit_asks_for_is_held_to_the_audited_table(package, query, place):
    (package.folder / "package/src/check.sql").write_text("SELECT * FROM ${AUDITED}\nWHERE rank < 1\n")
    edit(package, "      audits:\n", AUDIT % query, "main.sch.yaml")
    (said,) = package("workflow", "validate", "package", code=2).stderr.splitlines()
    assert f"package/{place}: " in said
    assert "_results has no column 'rank'; valid here: country_code, date, title_id, title_rank, view_hours" in said
    for name in ("main.sch.yaml", "src/check.sql"):
        path = package.folder / "package" / name
        path.write_text(path.read_text().replace("rank < 1", "title_rank < 1 AND _partition IS NOT NULL"))
    package("workflow", "validate", "package")


def test_of_an_audited_table_that_nothing_tells_it_is_said_that_it_was_not_checked(package):
    (package.folder / "package/audit.sch.yaml").write_text("""\
version: 1
workflow:
  id: ${dataflow.package_id}.audit
jobs:
  - job:
      id: check
      type: Audit
      audit:
        table: far.away
        audits:
          - function: sql_should_return_no_rows
            sql: SELECT anything FROM ${AUDITED}
""")
    said = package("workflow", "validate", "package/audit.sch.yaml").stderr
    assert "not checked: package/audit.sch.yaml: the columns of far.away are unknown" in said


def test_a_column_of_the_source_is_held_to_its_mock(package):
    edit(package, "AND view_hours > 0", "AND hours_viewed > 0")
    (said,) = package("workflow", "validate", "package", code=2).stderr.splitlines()
    assert "dataflow_demo.playback has no column 'hours_viewed'" in said


def test_what_nothing_here_tells_is_listed(package):
    for mock in (package.folder / "package" / "src" / "mocks").glob("*playback.yaml"):
        mock.unlink()
    done = package("workflow", "validate", "package")
    assert done.stdout == "4 definitions are valid\n"
    assert "not checked: package/src/sparksql_write.sql: the columns of dataflow_demo.playback" in done.stderr


def test_a_workflow_of_the_checkout_that_reads_a_column_that_goes_is_told(package):
    folder = package.folder / "reader"
    folder.mkdir()
    (package.folder / "dataflow.yaml").write_text("version: 1\nproject: films\n")
    table = package.json("workflow", "plan", "package")["writes"][0]
    (folder / "main.sch.yaml").write_text(
        "version: 1\nworkflow: {id: bob.reader.main, owner: bob}\njobs:\n"
        "  - job: {id: read, type: Spark, spark: {script: ./read.sql}}\n"
    )
    (folder / "read.sql").write_text(f"INSERT INTO bob_sandbox.ranks BY NAME\nSELECT title_rank\nFROM {table}\n")
    package("workflow", "validate", "package")
    edit(package, "title_rank INT", "place INT", "ddl/sparksql_workflow_results.sql")
    edit(package, "  title_rank,\n  view_hours\nFROM final", "  title_rank AS place,\n  view_hours\nFROM final")
    (said,) = package("workflow", "validate", "package", code=2).stderr.splitlines()
    assert said.rpartition("error: ")[2] == (
        f"reader/read.sql:2:8: {table} has no column 'title_rank'; did you mean 'title_id'?"
    )


def test_render_prints_the_sql_of_a_day_with_its_parameters(package):
    said = package("workflow", "render", "package", "--date", "2026-01-31", "--job", "write").stdout
    assert said.startswith("-- wap.write: package/src/sparksql_write.sql\n")
    assert "FROM dataflow_demo.playback\n  WHERE date = DATE '2026-01-31'\n" in said
    assert "${" not in "".join(line for line in said.splitlines() if not line.startswith("--"))


def test_render_tells_a_program_each_script_and_a_wrong_job_is_told(package):
    found = package.json("workflow", "render", "package", "--date", "2026-01-31")
    assert [(it["job"], Path(it["script"]).name) for it in found] == [
        ("ddl", "sparksql_workflow_results.sql"),
        ("wap.write", "sparksql_write.sql"),
    ]
    said = package("workflow", "render", "package", "--job", "wrte", code=2).stderr
    assert "has no job 'wrte' with a script; did you mean 'wap.write'?" in said
