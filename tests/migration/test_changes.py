"""Changes and their class, by the table as it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dataflow.errors import UsageError
from dataflow.migration.changes import Wish, changes_of, shared_columns
from dataflow.migration.shape import Column, Shape, sql_type
from dataflow.migration.steps import STATEMENTS, steps_for

SHAPE = Shape(
    "prod.plays",
    (
        Column("id", "INT", nullable=False),
        Column("hours", "FLOAT", comment="how long"),
        Column("paid", "DECIMAL(10, 2)"),
        Column("date", "DATE"),
    ),
    ("date",),
)
DDL = """
CREATE TABLE IF NOT EXISTS ${{TARGET_TABLE}} ({}) USING iceberg PARTITIONED BY ({}) COMMENT 'x';
"""


def classed(wish):
    return {str(change): change.safe for change in changes_of(SHAPE, wish)}


def to(columns, partition="date"):
    return classed(Wish(ddl=DDL.format(columns, partition)))


SAME = "id INT NOT NULL, hours FLOAT COMMENT 'how long', paid DECIMAL(10,2), date DATE"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (SAME + ", extra STRING", {"add column extra STRING": True}),
        (SAME + ", extra STRING NOT NULL", {"add column extra STRING": False}),
        (SAME.replace("FLOAT", "DOUBLE"), {"change the type of hours to DOUBLE": True}),
        (SAME.replace("(10,2)", "(12,2)"), {"change the type of paid to DECIMAL(12, 2)": True}),
        (SAME.replace("(10,2)", "(12,3)"), {"change the type of paid to DECIMAL(12, 3)": False}),
        (SAME.replace("(10,2)", "(8,2)"), {"change the type of paid to DECIMAL(8, 2)": False}),
        (SAME.replace("id INT", "id BIGINT"), {"change the type of id to BIGINT": True}),
        (SAME.replace("id INT", "id STRING"), {"change the type of id to STRING": False}),
        (SAME.replace("id INT NOT NULL", "id INT"), {"let id have nulls": True}),
        (SAME.replace("date DATE", "date DATE NOT NULL"), {"forbid nulls in date": False}),
        (SAME.replace("how long", "in hours"), {"change the comment of hours": True}),
        (SAME.replace(", paid DECIMAL(10,2)", ""), {"drop column paid": False}),
        ("hours FLOAT COMMENT 'how long', id INT NOT NULL, paid DECIMAL(10,2), date DATE",
         {"change the order of the columns": False}),
    ],
)  # fmt: skip
def test_a_new_definition_is_compared_column_by_column_and_each_change_classed(columns, expected):
    assert to(columns) == expected


def test_another_partition_breaks():
    assert to(SAME, "months(date)") == {"partition by months(date)": False}


def test_a_new_type_does_not_take_over_a_column_that_has_its_name_already():
    taken = replace(SHAPE, columns=(*SHAPE.columns, Column("Hours_int", "INT")))
    with pytest.raises(UsageError, match="needs a column 'hours_int', and there is one of that name already"):
        changes_of(taken, Wish(types={"hours": "int"}))


def test_an_option_and_a_definition_may_ask_for_the_same():
    wish = Wish(types={"id": "bigint"}, ddl=DDL.format(SAME.replace("id INT", "id BIGINT"), "date"))
    assert classed(wish) == {"change the type of id to BIGINT": True}
    assert len(changes_of(SHAPE, wish)) == 1


def test_options_say_the_same_in_short():
    wish = Wish(rename={"hours": "view_hours"}, drop=["PAID"], types={"id": "bigint"})
    assert classed(wish) == {
        "rename column hours to view_hours": False,
        "drop column paid": False,
        "change the type of id to BIGINT": True,
    }


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish(rename={"hour": "h"}), r"prod\.plays has no column 'hour'; did you mean 'hours'\?"),
        (Wish(rename={"hours": "PAID"}), "has a column 'PAID' already"),
        (Wish(rename={"hours": "a b"}), "'a b' can't name a column"),
        (Wish(types={"id": "bigit"}), "'bigit' is no type that can be read"),
        (Wish(types={"id": "int"}), "nothing would change on prod.plays"),
        (Wish(rename={"hours": "h", "paid": "H"}), "to rename column paid to H needs a column 'H', and there is one"),
        (Wish(rename={"hours": "h"}, drop=["HOURS"]), "can't rename column hours to h and drop column hours in one"),
        (Wish(rename={"hours": "h"}, types={"hours": "int"}), "can't rename column hours to h and change the type of"),
        (Wish(rename={"hours": "h"}, ddl=DDL.format(SAME.replace("hours FLOAT", "h INT"), "date")), "can't rename"),
        (Wish(types={"hours": "string"}, rename={"paid": "hours_string"}), "needs a column 'hours_string'"),
        (Wish(ddl="SELECT 1"), "should be one CREATE TABLE"),
        (Wish(ddl="CREATE TABLE ("), "can't be read"),
    ],
)
def test_bad_input_is_one_clear_line(wish, said):
    with pytest.raises(UsageError, match=said) as caught:
        changes_of(SHAPE, wish)
    assert "\n" not in caught.value.message


def test_types_are_compared_in_one_spelling():
    assert sql_type("long") == sql_type("BIGINT") == "BIGINT"
    assert sql_type("array<struct<a: int>>") == sql_type("ARRAY<STRUCT<a: INT>>")


def test_a_rename_goes_by_a_column_beside_the_old_one():
    steps = steps_for("prod.plays", changes_of(SHAPE, Wish(rename={"hours": "view_hours"})))
    assert [(step.name, step.irreversible) for step in steps] == [
        ("expand 1", False), ("expand 2", False), ("expand 3", False), ("move", False), ("contract 1", True),
    ]  # fmt: skip
    both, added, filled, _, contract = steps
    assert both.says == "each publication writes hours and view_hours, whichever its workflow gives"
    assert """('dataflow.moving-columns' = '{"hours": "view_hours"}')""" in both.sql
    assert added.sql == (
        "ALTER TABLE `prod`.`plays` ADD COLUMN `view_hours` FLOAT COMMENT 'Takes the place of hours.' AFTER `hours`"
    )
    assert added.undo == "ALTER TABLE `prod`.`plays` DROP COLUMN IF EXISTS `view_hours`"
    assert filled.sql.startswith("UPDATE `prod`.`plays` SET `view_hours` = `hours`")
    assert contract.sql.split(STATEMENTS) == [
        "ALTER TABLE `prod`.`plays` SET TBLPROPERTIES ('dataflow.retired-column.hours' = 'true')",
        "ALTER TABLE `prod`.`plays` DROP COLUMN IF EXISTS `hours`",
        "ALTER TABLE `prod`.`plays` UNSET TBLPROPERTIES IF EXISTS ('dataflow.moving-columns')",
    ]


def test_a_column_that_only_goes_may_be_left_out_by_its_writers_first():
    steps = steps_for("prod.plays", changes_of(SHAPE, Wish(drop=["paid"])))
    assert [step.name for step in steps] == ["expand 1", "move", "contract 1"]
    assert steps[0].says == "workflows that write the table may leave paid out"
    assert """'{"paid": null}'""" in steps[0].sql


def test_a_column_that_must_have_a_value_may_be_left_out_once_it_goes():
    steps = steps_for("prod.plays", changes_of(SHAPE, Wish(rename={"id": "play_id"})))
    assert steps[1].sql == "ALTER TABLE `prod`.`plays` ALTER COLUMN `id` DROP NOT NULL"
    assert steps[2].adds == "play_id"


@pytest.mark.parametrize("partition", ["date", "days(date)", "bucket(16, date)"])
@pytest.mark.parametrize("wish", [Wish(rename={"date": "day"}), Wish(drop=["date"]), Wish(types={"date": "string"})])
def test_what_a_table_is_partitioned_by_can_t_go_from_under_its_rows(partition, wish):
    with pytest.raises(UsageError, match="partitioned by date, which can't go") as caught:
        changes_of(replace(SHAPE, partition=(partition,)), wish)
    assert "--replace-by NEW" in caught.value.hint


def test_another_table_is_shown_under_the_old_name_where_it_holds_as_much():
    (change,) = changes_of(SHAPE, Wish(replace_by="prod.better"))
    wider = replace(SHAPE, columns=tuple(replace(c, type="BIGINT") if c.type == "INT" else c for c in SHAPE.columns))
    assert shared_columns(SHAPE, wider) == tuple(column.name for column in SHAPE.columns)
    view, move, contract = steps_for("prod.plays", [replace(change, shared=shared_columns(SHAPE, wider))])
    made, kept, named = view.sql.split(STATEMENTS)
    assert made.startswith("CREATE VIEW IF NOT EXISTS `prod`.`plays_becomes_view`")
    assert kept == "ALTER TABLE `prod`.`plays` RENAME TO `prod`.`plays_retired`"
    assert named == "ALTER VIEW `prod`.`plays_becomes_view` RENAME TO `prod`.`plays`"
    assert move.says == "workflows move: they use prod.better instead of prod.plays"
    assert contract.irreversible

    assert shared_columns(wider, SHAPE) == ()  # a narrower type would not hold what readers know
    assert shared_columns(SHAPE, replace(SHAPE, columns=SHAPE.columns[:-1])) == ()
    names = [step.name for step in steps_for("prod.plays", [change])]
    assert names == ["move", "contract 1"]


def test_a_table_that_goes_is_dropped_once_all_have_left_it():
    steps = steps_for("prod.plays", changes_of(SHAPE, Wish(drop_table=True)))
    assert [(step.name, step.sql) for step in steps] == [
        ("move", ""), ("contract 1", "DROP TABLE IF EXISTS `prod`.`plays`"),
    ]  # fmt: skip


def test_a_narrower_type_gets_a_column_of_its_own():
    steps = steps_for("prod.plays", changes_of(SHAPE, Wish(types={"paid": "int"})))
    assert steps[1].adds == "paid_int"
    assert "CAST(`paid` AS INT)" in steps[2].sql


def test_what_no_column_can_stand_beside_needs_another_table():
    with pytest.raises(UsageError, match="nothing that readers can move through column by column") as caught:
        steps_for("prod.plays", changes_of(SHAPE, Wish(ddl=DDL.format(SAME, "months(date)"))))
    assert "--replace-by" in caught.value.hint


def test_what_is_safe_has_steps_and_nobody_to_move():
    steps = steps_for("prod.plays", changes_of(SHAPE, Wish(types={"id": "bigint"})))
    assert [step.sql for step in steps] == ["ALTER TABLE `prod`.`plays` ALTER COLUMN `id` TYPE BIGINT"]
