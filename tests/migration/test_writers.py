"""Writers of a table whose column moves, in whatever statements they write: old and new hold the same after each."""

from __future__ import annotations

import pytest

from dataflow.jobs import write_audit_publish
from dataflow.migration.changes import ChangeRequest

pytestmark = pytest.mark.spark

_SOURCE = "(SELECT 2 AS id, 8.5D AS h UNION ALL SELECT 8, 8.0D)"
WRITES = {  # each on rows (1, 2.0), (2, 7.5): what the column holds then
    "INSERT OVERWRITE {} (id, country, view_hours) SELECT id, country, 4.0D FROM ${{PLAYS}}_raw WHERE id = 2": {2: 4.0},
    "INSERT OVERWRITE {} (id, country, view_hours) SELECT id, 'X', count(*) FROM ${{PLAYS}}_raw GROUP BY id": {
        1: 2.0, 2: 1.0, 3: 1.0, 4: 1.0,
    },
    "INSERT INTO {} (id, country, view_hours) VALUES (9, 'A', 3.5D)": {1: 2.0, 2: 7.5, 9: 3.5},
    "UPDATE {} SET view_hours = 77 WHERE id = 1": {1: 77.0, 2: 7.5},
    "UPDATE {} SET view_hours = NULL WHERE id = 1": {1: None, 2: 7.5},
    "UPDATE {} SET hours = NULL WHERE id = 1": {1: None, 2: 7.5},
    "UPDATE {} SET hours = 77": {1: 77.0, 2: 77.0},
    f"MERGE INTO {{}} t USING {_SOURCE} s ON t.id = s.id WHEN MATCHED THEN UPDATE SET view_hours = s.h "
    "WHEN NOT MATCHED THEN INSERT (id, country, view_hours) VALUES (s.id, 'M', s.h)": {1: 2.0, 2: 8.5, 8: 8.0},
    f"MERGE INTO {{}} t USING {_SOURCE} s ON t.id = s.id WHEN MATCHED THEN UPDATE SET hours = s.h "
    "WHEN NOT MATCHED THEN INSERT (id, country, hours) VALUES (s.id, 'M', s.h)": {1: 2.0, 2: 8.5, 8: 8.0},
    f"WITH s AS (SELECT id, 'M' AS country, h AS hours FROM {_SOURCE}) MERGE INTO {{}} USING s ON {{}}.id = s.id "
    "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *": {1: 2.0, 2: 8.5, 8: 8.0},
    f"MERGE INTO {{}} t USING (SELECT id, 'M' AS country, h AS view_hours FROM {_SOURCE}) s ON t.id = s.id "
    "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *": {1: 2.0, 2: 8.5, 8: 8.0},
}  # fmt: skip


def test_old_and_new_hold_the_same_whatever_statement_wrote_which_of_them(world):
    world.run("plays")
    world.begin(ChangeRequest(rename={"hours": "view_hours"}), "hours")
    for _ in range(3):
        world.apply()
    table, script = f"{world.db}.plays", world.root / "plays" / "write.sql"
    main = world.root / "plays" / "main.sch.yaml"  # some of them work on the rows that are there
    main.write_text(main.read_text().replace("      type: wap\n", "      type: wap\n      existing: keep\n"))
    for statement, expected in WRITES.items():
        world.spark.sql(f"INSERT OVERWRITE {table} VALUES (1, 'US', 2.0, 2.0), (2, 'US', 7.5, 7.5)")
        script.write_text(statement.format(*["${TARGET_TABLE}"] * 2) + ";\n")
        world.run("plays")
        rows = world.spark.sql(f"SELECT id, hours, view_hours FROM {table}").collect()
        assert {row.id: (row.hours, row.view_hours) for row in rows} == {
            id_: (value, value) for id_, value in expected.items()
        }, statement


@pytest.mark.parametrize("value", ["4.0D", "count(*)"])
def test_a_writer_that_gives_a_value_of_no_table_has_moved_once_it_gives_it_to_the_new_column(world, value):
    world.run("plays")
    world.begin(ChangeRequest(rename={"hours": "view_hours"}), "hours")
    for _ in range(3):
        world.apply()
    script, ddl = (world.root / "plays" / name for name in ("write.sql", "ddl.sql"))
    said = ddl.read_text()
    for column, declared, is_open in (
        ("hours", "hours", True), ("view_hours", "hours", True), ("view_hours", "view_hours", False),
        ("hours", "view_hours", True),
    ):  # fmt: skip
        ddl.write_text(said.replace("hours DOUBLE", f"{declared} DOUBLE"))
        script.write_text(
            f"INSERT OVERWRITE ${{TARGET_TABLE}} (id, country, {column}) "
            f"SELECT id, max(country), {value} FROM ${{PLAYS}}_raw GROUP BY id;\n"
        )
        world.run("plays")
        assert ("plays" in world.open()) == is_open, (column, declared)


@pytest.mark.parametrize(("old", "new"), [("hours", "view_hours"), ("view_hours", "hours")])
def test_a_writer_past_wap_fills_what_it_leaves_out_as_well(world, old, new):
    world.run("plays")
    world.begin(ChangeRequest(rename={"hours": "view_hours"}), "hours")
    for _ in range(3):
        world.apply()
    world.package("more", "bob", "id INT", f"INSERT INTO ${{PLAYS}} (id, {old}) VALUES (50, 5.0), (51, NULL);\n")
    world.run("more")
    rows = world.spark.sql(f"SELECT {old}, {new} FROM {world.db}.plays WHERE id >= 50 ORDER BY id").collect()
    assert [tuple(row) for row in rows] == [(5.0, 5.0), (None, None)]
    assert world.column("hours") == world.column("view_hours")

    world.spark.sql(f"UPDATE {world.db}.plays SET {new} = 6.0 WHERE id = 50")  # another one's, and not ours to change
    world.run("more")
    rows = world.spark.sql(f"SELECT {old}, {new} FROM {world.db}.plays WHERE id = 50 ORDER BY {new}").collect()
    assert [tuple(row) for row in rows] == [(5.0, 5.0), (5.0, 6.0)]


def test_what_is_written_to_no_table_at_all_fails_nothing(world):
    world.package("nowhere", "bob", "id INT", "SELECT 1;\n")
    main = world.root / "nowhere" / "main.sch.yaml"
    main.write_text(main.read_text().replace("write.sql", "write.py"))
    write = 'spark.table(args["PLAYS"] + "_raw").write.format("noop").mode("overwrite").save()'
    (world.root / "nowhere" / "write.py").write_text(f"def main(args, spark):\n    {write}\n")
    world.run("nowhere")


def test_a_run_whose_columns_began_to_move_before_it_published_starts_again(world, monkeypatch):
    world.run("plays")
    world.begin(ChangeRequest(rename={"hours": "view_hours"}), "hours")
    world.spark.sql(f"DELETE FROM {world.db}.plays")  # so that the filling touches nothing that the run publishes
    audit, applied = write_audit_publish.audit, []

    def slow(*arguments):
        applied.extend(world.apply() for _ in range(3) if len(applied) < 3)
        return audit(*arguments)

    monkeypatch.setattr(write_audit_publish, "audit", slow)
    world.run("plays")
    assert applied == ["expand 1", "expand 2", "expand 3"]
    assert world.column("view_hours") == world.column("hours") == [0.5, 1.0, 2.0, 7.5, None]
