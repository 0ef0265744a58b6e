"""`dataflow mock` as a user types it, without a JVM."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from dataflow.tables.catalog import open_catalog
from dataflow.workflow.project import Environment
from tests.support.places import EXAMPLE

PEOPLE = pa.table(
    {
        "id": pa.array(range(300), pa.int64()),
        "email": [f"anna{i}@corp.com" for i in range(300)],
        "hours": [None if i == 7 else i / 4 for i in range(300)],
    }
)


@pytest.fixture
def command(dataflow_command, tmp_path, monkeypatch):
    """Return the command line, with a table in its catalog."""
    monkeypatch.setenv("DATAFLOW_HOME", dataflow_command.environ["DATAFLOW_HOME"])
    catalog = open_catalog(Environment("sandbox"))
    catalog.create_namespace("shop")
    catalog.create_table("shop.people", PEOPLE.schema, location=str(tmp_path / "people")).append(PEOPLE)
    dataflow_command.catalog = catalog
    return dataflow_command


def test_a_mock_is_made_validated_and_shown_and_what_is_masked_is_told(command):
    done = command("mock", "create", "shop.people", "--rows", "6")
    file = command.folder / "mocks" / "shop.people.yaml"
    assert "mocks/shop.people.yaml: 6 rows of 300 of shop.people" in done.stderr
    assert "masked email (fake: its name says email)" in done.stderr
    assert "@corp.com" not in file.read_text()
    first = file.read_text()

    again = command("mock", "create", "shop.people", code=2)
    assert "mocks/shop.people.yaml exists already" in again.stderr
    assert "--force" in again.stderr
    assert file.read_text() == first
    made = command("mock", "create", "shop.people", "--rows", "6", "--force", "--output", "json")
    assert '"masked"' in made.stdout
    assert file.read_text() == first  # the same table, the same mock
    command("mock", "create", "shop.people", "--rows", "6", "--to", "elsewhere.yaml")
    assert (command.folder / "elsewhere.yaml").read_text() == first
    former = command("mock", "create", "shop.people", "--rows", "6", "--to", "-", "--format", "json").stdout
    assert json.loads(former)["text"] == first

    assert command("mock", "validate", "mocks").stdout == "1 mock is valid\n"
    shown = command("mock", "show", file)
    assert "bigint" in shown.stdout
    assert "@example.org" in shown.stdout
    assert "6 rows" in shown.stderr
    assert len(command.json("mock", "show", file)["rows"]) == 6


def test_drift_is_told_with_file_line_and_column_and_fixed(command):
    command("mock", "create", "shop.people", "--rows", "3", "--mask", "email=null")
    with command.catalog.load_table("shop.people").update_schema() as change:
        from pyiceberg.types import StringType

        change.add_column("country", StringType())

    done = command("mock", "validate", "mocks", code=1)
    assert "mocks/shop.people.yaml:5:1: shop.people has a column 'country' string" in done.stdout
    assert command("mock", "validate", "mocks", "--no-drift").stdout == "1 mock is valid\n"

    (fixed,) = command.json("mock", "validate", "mocks", "--fix")
    assert (fixed["fixed"], fixed["valid"], fixed["compared"]) == (True, True, True)
    assert "  country: string\n" in (command.folder / "mocks" / "shop.people.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("create", "shop.peple"), "there is no table 'shop.peple'; did you mean 'shop.people'?"),
        (("create", "shop.people", "--columns", "id,hour"), "no column 'hour'; did you mean 'hours'?"),
        (("create",), "name either a table or --workflow"),
        (("create", "shop.people", "--date", "2026-01-31"), "--date goes with --workflow"),
        (("validate", "nowhere.yaml"), "there is no file 'nowhere.yaml'"),
    ],
)
def test_what_can_not_be_done_is_one_message(command, arguments, message):
    done = command("mock", *arguments, code=2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (command.folder / "mocks").exists()


def test_a_file_that_is_no_mock_is_told_by_its_place(dataflow_command):
    (dataflow_command.folder / "bad.yaml").write_text("columns: {a: int}\nrows:\n  - [1, 2]\n  - [x]\n\t- [3]\n")
    done = dataflow_command("mock", "validate", "bad.yaml", "--no-drift", code=1)
    assert "bad.yaml:5:1: not YAML: a tab can't indent; use spaces" in done.stdout


@pytest.mark.spark
def test_a_workflow_gets_mocks_of_its_sources_and_a_test_of_its_script_for_review(spark_command):
    import shutil

    day = "2026-01-31"
    example = EXAMPLE
    package = spark_command.folder / "package"
    shutil.copytree(example, package)
    spark_command("sample", "source", "--rows", "6000", "--from", "2026-01-30", "--until", day)

    made = spark_command("mock", "create", "--workflow", "package", "--date", day, "--rows", "15", "--output", "json")

    import json

    from dataflow.mocks import load_mock

    (test,) = json.loads(made.stdout)["tests"]
    assert test["sources"] == "sql"
    name = "sparksql_write_2026_01_31"
    source = load_mock(package / f"src/mocks/{name}/dataflow_demo.playback.yaml")
    expected = load_mock(package / f"src/mocks/{name}/expected.yaml")
    assert len(source.rows) == 15
    assert sorted({str(row[5]) for row in source.rows}) == ["2026-01-30", day]  # another day shows that it is left out
    counted = {(row[1], row[2]) for row in source.rows if row[1] is not None and row[3] > 0 and str(row[5]) == day}
    assert {(row[0], row[1]) for row in expected.rows} == counted
    assert expected.key == ("date", "country_code", "title_id")
    text = (package / f"src/{name}.test.yaml").read_text()
    assert f"  SOURCE_TABLE: mocks/{name}/dataflow_demo.playback.yaml\n" in text
    assert "  TARGET_TABLE: ../ddl/sparksql_workflow_results.sql\n" in text

    again = spark_command("mock", "create", "--workflow", "package", "--date", day, code=2)
    assert f"{name}.test.yaml exists already" in again.stderr
