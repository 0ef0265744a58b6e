"""The way to a change: the new beside the old, readers move, the old goes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dataflow.errors import UsageError
from dataflow.migration.changes import ChangeRequest, changes_of, shared_columns
from dataflow.migration.steps import STATEMENTS, steps_for
from tests.support.shapes import DDL, SAME, SHAPE


def test_a_rename_goes_by_a_column_beside_the_old_one():
    steps = steps_for("prod.plays", changes_of(SHAPE, ChangeRequest(rename={"hours": "view_hours"})))
    assert [(step.name, step.irreversible) for step in steps] == [
        ("expand 1", False), ("expand 2", False), ("expand 3", False), ("move", False), ("contract 1", True),
    ]  # fmt: skip
    both, added, filled, _, contract = steps
    assert both.says == "each publication writes hours and view_hours, whichever its workflow provides"
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
    steps = steps_for("prod.plays", changes_of(SHAPE, ChangeRequest(drop=["paid"])))
    assert [step.name for step in steps] == ["expand 1", "move", "contract 1"]
    assert steps[0].says == "writers of the table may omit paid"
    assert """'{"paid": null}'""" in steps[0].sql


def test_a_column_that_must_have_a_value_may_be_left_out_once_it_goes():
    steps = steps_for("prod.plays", changes_of(SHAPE, ChangeRequest(rename={"id": "play_id"})))
    assert steps[1].sql == "ALTER TABLE `prod`.`plays` ALTER COLUMN `id` DROP NOT NULL"
    assert steps[2].adds == "play_id"


def test_another_table_is_shown_under_the_old_name_where_it_holds_as_much():
    (change,) = changes_of(SHAPE, ChangeRequest(replace_by="prod.better"))
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
    steps = steps_for("prod.plays", changes_of(SHAPE, ChangeRequest(drop_table=True)))
    assert [(step.name, step.sql) for step in steps] == [
        ("move", ""), ("contract 1", "DROP TABLE IF EXISTS `prod`.`plays`"),
    ]  # fmt: skip


def test_a_narrower_type_gets_a_column_of_its_own():
    steps = steps_for("prod.plays", changes_of(SHAPE, ChangeRequest(types={"paid": "int"})))
    assert steps[1].adds == "paid_int"
    assert "CAST(`paid` AS INT)" in steps[2].sql


def test_what_no_column_can_stand_beside_needs_another_table():
    with pytest.raises(UsageError, match="can't be migrated column by column") as caught:
        steps_for("prod.plays", changes_of(SHAPE, ChangeRequest(ddl=DDL.format(SAME, "months(date)"))))
    assert "--replace-by" in caught.value.hint


def test_what_is_safe_has_steps_and_nobody_to_move():
    steps = steps_for("prod.plays", changes_of(SHAPE, ChangeRequest(types={"id": "bigint"})))
    assert [step.sql for step in steps] == ["ALTER TABLE `prod`.`plays` ALTER COLUMN `id` TYPE BIGINT"]
