"""Suggested patches: only what names the column that goes, and the rest of the query as it was."""

from __future__ import annotations

import pytest

from dataflow.lineage.script_texts import text_on_disk
from dataflow.migration.patches import ReaderMigration, suggest_patch
from tests.support.repositories import git

SCHEMA = {"s.a": ["id", "hours", "country"], "s.b": ["id", "hours"]}


def moved(sql, move=None, **values):
    """Return the lines that the patch of a script adds."""
    move = move or ReaderMigration("s.a", {"hours": "view_hours"})
    diff = suggest_patch("x.sql", sql, move, values, SCHEMA)
    lines = sql.splitlines()
    for line in [each[1:] for each in diff.splitlines() if each.startswith("-") and not each.startswith("---")]:
        assert line in lines
    return [each[1:] for each in diff.splitlines() if each.startswith("+") and not each.startswith("+++")]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("INSERT INTO s.o\nSELECT sum(hours) FROM s.a", ["SELECT sum(view_hours) FROM s.a"]),
        ("INSERT INTO s.o\nSELECT hours FROM s.a", ["SELECT view_hours AS hours FROM s.a"]),
        ("INSERT INTO s.o\nSELECT a.`hours` AS h FROM s.a a", ["SELECT a.`view_hours` AS h FROM s.a a"]),
        (
            "WITH c AS (SELECT id, hours FROM s.a)\nINSERT INTO s.o SELECT max(hours) FROM c",
            ["WITH c AS (SELECT id, view_hours AS hours FROM s.a)"],
        ),
        (
            "WITH c AS (SELECT * FROM s.a)\nINSERT INTO s.o SELECT max(hours) FROM c",
            ["INSERT INTO s.o SELECT max(view_hours) FROM c"],
        ),
        (
            "INSERT INTO s.o\nSELECT a.hours, b.hours\nFROM s.a a JOIN s.b b ON a.id = b.id",
            ["SELECT a.view_hours AS hours, b.hours"],
        ),
        ("INSERT INTO s.o SELECT id FROM s.a -- hours\nWHERE country = 'hours'", []),
        ("INSERT INTO s.o SELECT hours FROM s.b", []),
        (
            "INSERT INTO s.a (id, hours) SELECT id, hours FROM s.b",
            ["INSERT INTO s.a (id, view_hours) SELECT id, hours FROM s.b"],
        ),
        ("INSERT INTO s.a BY NAME\nSELECT id, 0 AS hours FROM s.b", ["SELECT id, 0 AS view_hours FROM s.b"]),
        ("INSERT INTO s.a BY NAME\nSELECT b.id, b.hours FROM s.b", ["SELECT b.id, b.hours AS view_hours FROM s.b"]),
        ("INSERT INTO s.a BY NAME\nSELECT id, `hours` FROM s.a", ["SELECT id, `view_hours` FROM s.a"]),
        ("INSERT INTO s.b BY NAME\nSELECT id, hours FROM s.a", ["SELECT id, view_hours AS hours FROM s.a"]),
        (
            "INSERT OVERWRITE s.a BY NAME\nWITH c AS (\n  SELECT id, hours FROM s.b\n)\nSELECT id, hours FROM c",
            ["SELECT id, hours AS view_hours FROM c"],
        ),
        ("INSERT INTO s.a\nSELECT id, 0 AS hours, 'x' AS country FROM s.b", []),
        ("UPDATE s.a SET hours = 0 WHERE id = 1", ["UPDATE s.a SET view_hours = 0 WHERE id = 1"]),
        ("UPDATE s.a SET hours = hours + 1", ["UPDATE s.a SET view_hours = view_hours + 1"]),
        (
            "MERGE INTO s.a t USING s.b b ON t.id = b.id\nWHEN MATCHED THEN UPDATE SET t.hours = b.hours\n"
            "WHEN NOT MATCHED THEN INSERT (id, hours) VALUES (b.id, b.hours)",
            [
                "WHEN MATCHED THEN UPDATE SET t.view_hours = b.hours",
                "WHEN NOT MATCHED THEN INSERT (id, view_hours) VALUES (b.id, b.hours)",
            ],
        ),
        (
            "CREATE TABLE IF NOT EXISTS s.a (\n  id INT,\n  `hours` DOUBLE COMMENT 'hours'\n) USING iceberg",
            ["  `view_hours` DOUBLE COMMENT 'hours'"],
        ),
    ],
)
def test_a_column_s_new_name_is_put_where_the_old_one_is_meant(sql, expected):
    assert moved(sql) == expected


def test_parameters_stay_as_they_are():
    sql = "INSERT INTO ${OUT}\nSELECT ${F}(hours) FROM ${SOURCE} WHERE hours > ${N}"
    found = moved(sql, OUT="s.o", F="sum", SOURCE="s.a", N="1")
    assert found == ["SELECT ${F}(view_hours) FROM ${SOURCE} WHERE view_hours > ${N}"]


def test_a_table_is_replaced_where_it_is_named_and_not_where_a_parameter_names_it():
    move = ReaderMigration("s.a", {}, "s.better")
    assert moved("INSERT INTO s.o\nSELECT id FROM s.a", move) == ["SELECT id FROM s.better"]
    assert moved("INSERT INTO s.o\nSELECT id FROM ${S}", move, S="s.a") == []


def test_a_ddl_is_left_alone_where_the_type_changes_with_the_name():
    move = ReaderMigration("s.a", {"hours": "hours_float"}, retyped={"hours"})
    assert moved("CREATE TABLE s.a (\n  id INT,\n  hours DOUBLE\n)", move) == []
    assert moved("UPDATE s.a SET hours = 0", move) == ["UPDATE s.a SET hours_float = 0"]


@pytest.mark.parametrize("line", ["\n", "\r\n"])
@pytest.mark.parametrize("ending", ["\n", "", "\n\n", "\n-- a\x0cform feed and a\u2028separator end no line\n"])
def test_git_applies_a_patch_whatever_a_script_is_called_and_ends_in(tmp_path, ending, line):
    path, sql = "my düsseldorf/a b.sql", f"INSERT INTO s.o\nSELECT sum(hours)\nFROM s.a WHERE hours > 1{ending}"
    sql = sql.replace("\n", line)
    file = tmp_path / path
    file.parent.mkdir()
    file.write_bytes(sql.encode())
    git(tmp_path, "init", "--quiet")
    patch = tmp_path / "suggested.patch"
    text = text_on_disk(str(file))
    patch.write_bytes(suggest_patch(path, text, ReaderMigration("s.a", {"hours": "view_hours"}), {}, SCHEMA).encode())
    git(tmp_path, "apply", str(patch))
    assert file.read_bytes().decode() == sql.replace("hours", "view_hours")
    file.write_bytes(sql.encode())
    mailed = patch.read_bytes().replace(b"\r\n", b"\n")
    if line != "\n":
        patch.write_bytes(mailed)
        git(tmp_path, "apply", "--ignore-whitespace", str(patch))
        assert file.read_text().replace("\r", "") == sql.replace("hours", "view_hours").replace("\r", "")
