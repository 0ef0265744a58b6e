"""`dataflow migration plan` as it is typed, on a table of the embedded catalog."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataflow.tables.catalog import open_catalog
from dataflow.workflow.project import Environment

DDL = "CREATE TABLE prod.plays (id INT, hours DOUBLE, date DATE) USING iceberg;\n"


@pytest.fixture
def command(here_command):
    import pyarrow as pa

    home = Path(here_command.environ["DATAFLOW_HOME"])
    catalog = open_catalog(Environment("sandbox"))
    catalog.create_namespace("prod")
    schema = pa.schema([("id", pa.int32()), ("hours", pa.float64()), ("date", pa.date32())])
    catalog.create_table("prod.plays", schema, location=str(home / "plays"))
    table = catalog.load_table("prod.plays")
    with table.transaction() as change:
        change.set_properties({"dataflow.primary-key": "id,date"})
    (here_command.folder / "same.sql").write_text(DDL)
    (here_command.folder / "latin.sql").write_bytes(DDL.replace("id INT", "id INT COMMENT 'Län'").encode("latin-1"))
    (here_command.folder / "bom.sql").write_bytes(b"\xef\xbb\xbf" + DDL.replace("id INT", "id BIGINT").encode())
    return here_command


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("foo", "--drop", "hours"), "there is no table 'foo'; valid here: prod.plays"),
        (("plays", "--drop", "hours"), "there is no table 'plays'; did you mean 'prod.plays'?"),
        (("", "--drop", "hours"), "there is no table ''; valid here: prod.plays"),
        (("prod.plays", "--replace-by", "foo"), "there is no table 'foo'; valid here: prod.plays"),
        (("prod.plays", "--to", "sane.sql"), "there is no file 'sane.sql'; did you mean 'same.sql'?"),
        (("prod.plays", "--to", "latin.sql"), "latin.sql:1:43: this character is not UTF-8"),
        (("prod.plays", "--to", "same.sql"), "nothing would change on prod.plays"),
        (("prod.plays", "--rename", "hours=a", "--rename", "HOURS=b"), "--rename is given twice for column HOURS"),
        (("prod.plays", "--type", "hours=int", "--type", "hours=float"), "--type is given twice for column hours"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_2(command, arguments, said):
    done = command("migration", "plan", *arguments, code=2)
    assert said in done.stderr
    assert "defect" not in done.stderr
    assert not done.stdout


def test_a_file_may_begin_with_a_byte_order_mark(command):
    plan = command.json("migration", "plan", "prod.plays", "--to", "bom.sql")
    assert [change["says"] for change in plan["changes"]] == ["change the type of id to BIGINT"]


def test_a_plan_says_what_a_column_of_another_type_will_be_called_and_how_to_choose(command):
    asked = ("migration", "plan", "prod.plays", "--type")
    text = command(*asked, "hours=decimal(10,2)").stdout
    assert "note: hours does not widen and becomes hours_decimal_10_2" in text
    assert (
        "the DDL has to use hours_decimal_10_2 after the contract; another name: --type 'hours=decimal(10, 2):NAME'"
        in text
    )
    plan = command.json(*asked, "hours=decimal(10, 2):view_hours")
    assert [change["becomes"] for change in plan["changes"]] == ["view_hours"]
    assert "hours does not widen and becomes view_hours" in plan["notes"][0]
    plan = command.json(*asked, "hours=struct<a: int, b: struct<c: int>>:parts")
    assert [(change["to"], change["becomes"]) for change in plan["changes"]] == [
        ("STRUCT<a: INT, b: STRUCT<c: INT>>", "parts")
    ]
    plan = command.json(*asked, "hours=struct<a: int>")
    assert [change["becomes"] for change in plan["changes"]] == ["hours_struct_a_int"]
    assert "id widens to BIGINT in place" in command(*asked, "id=bigint:key", code=2).stderr
    assert "'int:' is not a known type" in command(*asked, "hours=int:", code=2).stderr


@pytest.mark.parametrize(
    ("option", "left", "sql"),
    [
        (("--rename", "id=play_id"), "[play_id, date]", "SET TBLPROPERTIES ('dataflow.primary-key' = 'play_id,date')"),
        (("--type", "id=string"), "[id_string, date]", "'id_string,date')"),
        (("--drop", "id"), "[date] (without id it has to be unique still)", "= 'date')"),
        (("--drop", "id", "--drop", "date"), "[]", "UNSET TBLPROPERTIES ('dataflow.primary-key')"),
    ],
)
def test_a_plan_says_that_the_key_names_what_goes(command, option, left, sql):
    (note,) = [each for each in command.json("migration", "plan", "prod.plays", *option)["notes"] if "primary" in each]
    assert "primary key (id, date): after the move, set primary_key" in note
    assert f"primary_key in its Metadata job to {left}, or run ALTER TABLE `prod`.`plays` " in note
    assert sql in note
    assert not command.json("migration", "plan", "prod.plays", "--drop", "hours")["notes"]


def test_a_definition_by_another_name_without_a_database_is_taken_with_a_word(command):
    for name, notes in (("playz", 1), ("PLAYS", 0), ("${TARGET_TABLE}", 0)):
        (command.folder / "new.sql").write_text(DDL.replace("prod.plays", name).replace("id INT", "id BIGINT"))
        plan = command.json("migration", "plan", "prod.plays", "--to", "new.sql")
        assert len(plan["notes"]) == notes
        assert all("the new definition is of 'playz'; it is used for prod.plays" in note for note in plan["notes"])
