"""Readers whose rows do not depend on a column, and that fail without it all the same: they have not moved."""

from __future__ import annotations

import pytest

from dataflow.errors import DataflowError
from dataflow.migration.changes import ChangeRequest
from dataflow.migration.impact import select_star_users
from dataflow.migration.plan.builder import build_plan
from dataflow.tables.schema.table_schema import live_schema_in_spark

TAKE = "INSERT OVERWRITE ${TARGET_TABLE} SELECT id FROM"
STATEMENTS = [  # each names hours, which is no part of what it writes
    f"{TAKE} (SELECT id, country, hours FROM ${{PLAYS}})",
    "INSERT OVERWRITE ${TARGET_TABLE} WITH a AS (SELECT id, hours AS h FROM ${PLAYS}) SELECT id FROM a",
    f"{TAKE} (SELECT id, sum(hours) AS h FROM ${{PLAYS}} GROUP BY id)",
    f"{TAKE} (SELECT id, rank() OVER (ORDER BY hours) AS r FROM ${{PLAYS}})",
    f"{TAKE} (SELECT DISTINCT id, hours FROM ${{PLAYS}})",
    f"{TAKE} (SELECT id, hours FROM ${{PLAYS}} UNION SELECT id, hours FROM ${{PLAYS}}_raw)",
    "INSERT OVERWRITE ${TARGET_TABLE} SELECT /*+ REPARTITION(2, hours) */ id FROM ${PLAYS}",
    f"{TAKE} ${{PLAYS}} DISTRIBUTE BY hours",
    f"{TAKE} (SELECT id, country, hours FROM ${{PLAYS}}) PIVOT (sum(hours) FOR country IN ('US', 'DE'))",
    f"{TAKE} ${{PLAYS}} LATERAL VIEW explode(array(hours)) t AS e",
    "INSERT OVERWRITE ${TARGET_TABLE} WITH RECURSIVE r(n, h) AS (SELECT 1, max(hours) FROM ${PLAYS} "
    "UNION ALL SELECT n + 1, h FROM r WHERE n < 3) SELECT p.id FROM ${PLAYS} p JOIN r ON p.id = r.n AND r.h > 0",
    "DECLARE OR REPLACE VARIABLE most DOUBLE;\nSET VARIABLE most = (SELECT max(hours) FROM ${PLAYS});\n"
    "INSERT OVERWRITE ${TARGET_TABLE} SELECT CAST(most AS INT)",
    "CREATE OR REPLACE TEMP VIEW tv AS SELECT id, hours FROM ${PLAYS};\n" + f"{TAKE} tv",
    f"{TAKE} ${{PLAYS}} LIMIT 3;\nSELECT max(hours) FROM ${{PLAYS}}",
]
MOVED = [
    f"{TAKE} (SELECT id, country, view_hours FROM ${{PLAYS}})",
    f"{TAKE} (SELECT * FROM ${{PLAYS}})",
    f"{TAKE} (SELECT * EXCEPT (country) FROM ${{PLAYS}})",
    f"{TAKE} (SELECT * FROM ${{PLAYS}} JOIN ${{PLAYS}}_raw USING (id))",
    "CREATE OR REPLACE TEMP VIEW tv AS SELECT * FROM ${PLAYS};\n" + f"{TAKE} tv",
    "SELECT * FROM ${PLAYS};\n" + f"{TAKE} ${{PLAYS}} WHERE view_hours < 5",
]
PROGRAM = """
def main(args, spark):
    plays = spark.table("{db}.plays")
    most = plays.agg({{"{column}": "max"}}).first()[0]
    spark.createDataFrame([(int(most),)], "id INT").writeTo("{db}.few").append()
"""


def rename(world):
    """Return the plan of a column's new name."""
    look = lambda table, _: live_schema_in_spark(world.spark, table)  # noqa: E731
    wish = ChangeRequest(rename={"hours": "view_hours"})
    return build_plan(f"{world.db}.plays", wish, world.known(), load=look)


@pytest.fixture
def few(world):
    """Return a function that gives a reader another script, and the world that it is in."""

    def write(script, name="write.sql"):
        definition = world.root / "few" / "main.sch.yaml"
        above, _, _ = definition.read_text().rpartition("script: ")
        definition.write_text(f"{above}script: {name}\n")
        (world.root / "few" / name).write_text(script)

    (world.root / "few" / "ddl.sql").write_text("CREATE TABLE IF NOT EXISTS ${TARGET_TABLE} (id INT) USING iceberg;\n")
    world.run("plays")
    return write, world


@pytest.mark.spark
def test_who_only_names_a_column_is_a_reader_by_its_text_and_by_its_run_until_it_does_not(few):
    write, world = few
    lines = {}
    for statement in STATEMENTS:
        write(f"{statement};\n")
        (found,) = (each for each in rename(world).affected if each.workflow == "dave.few.main")
        assert (found.role, found.columns) == ("reads", ("hours",)), statement
        lines[statement] = {line.number for line in found.lines}
    assert all(lines.values())

    write(f"{TAKE} ${{PLAYS}} WHERE hours < 5;\n")
    world.run("few")
    world.begin(ChangeRequest(rename={"hours": "view_hours"}), "hours")
    for _ in range(3):
        world.apply()
    for statement, is_open in [*((each, True) for each in STATEMENTS), *((each, False) for each in MOVED)]:
        write(f"{statement};\n")
        world.run("few")
        assert ("few" in world.open()) == is_open, statement
    for column, is_open in (("hours", True), ("view_hours", False)):
        write(PROGRAM.format(db=world.db, column=column), f"by_{column}.py")
        world.run("few")
        assert ("few" in world.open()) == is_open, column


@pytest.mark.spark
def test_the_contract_waits_for_who_only_names_the_column(few):
    write, world = few
    write(f"{STATEMENTS[0]};\n")
    world.run("few")
    found = world.begin(ChangeRequest(rename={"hours": "view_hours"}), "hours")
    assert "dave.few.main" in {each.workflow for each in found.must_move}
    for _ in range(3):
        world.apply()
    world.run("few")
    with pytest.raises(DataflowError, match=r"dave\.few\.main"):
        world.apply()


ALL = {  # of a table with a column more, whether each goes on
    f"{TAKE} (SELECT id, country, hours FROM ${{PLAYS}} UNION ALL SELECT * FROM ${{PLAYS}})": False,
    f"{TAKE} (SELECT * FROM ${{PLAYS}}) t (id, country, hours)": False,
    "INSERT OVERWRITE ${TARGET_TABLE} SELECT * EXCEPT (country, hours) FROM ${PLAYS}": False,
    f"{TAKE} (SELECT * FROM ${{PLAYS}} UNION ALL SELECT * FROM ${{PLAYS}})": True,
    f"{TAKE} (SELECT * FROM ${{PLAYS}})": True,
}


@pytest.mark.spark
def test_who_takes_all_columns_by_position_is_named_before_the_column_is_added_and_fails_after(few):
    write, world = few
    plays = f"{world.db}.plays"
    for statement, goes_on in ALL.items():
        write(f"{statement};\n")
        world.run("few")
        named = {each.workflow for each in select_star_users(plays, world.known())}
        assert named == (set() if goes_on else {"dave.few.main"}), statement
    world.spark.sql(f"ALTER TABLE {plays} ADD COLUMN more INT")
    for statement, goes_on in ALL.items():
        write(f"{statement};\n")
        assert (world.ended("few").status == "succeeded") == goes_on, statement
