"""What a script inserts, taken apart by its text."""

from __future__ import annotations

import pytest

from dataflow.sail.insert import Insert, insert_of, statements, view_of
from dataflow.sail.judgement import SparkDecides


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("INSERT INTO db.t SELECT 1 AS a", Insert(("db", "t"), False, "                 SELECT 1 AS a")),
        (
            "insert overwrite table `my db`.`t.x` BY NAME\nSELECT 1 AS a",
            Insert(("my db", "t.x"), True, " " * 44 + "\nSELECT 1 AS a", by_name=True),
        ),
        (
            "INSERT OVERWRITE t PARTITION (day = DATE '2026-01-31', hour) (a, `b c`) VALUES (1, 2)",
            Insert(("t",), True, " " * 72 + "VALUES (1, 2)", {"day": "DATE '2026-01-31'"}, listed=("a", "b c")),
        ),
        (
            "INSERT INTO t PARTITION (n = greatest(1, (2))) (SELECT 1 AS a)",
            Insert(("t",), False, " " * 47 + "(SELECT 1 AS a)", {"n": "greatest(1, (2))"}),
        ),
        (
            "WITH a AS (SELECT 'INSERT INTO x' AS s)\nINSERT INTO t\nSELECT * FROM a",
            Insert(("t",), False, "WITH a AS (SELECT 'INSERT INTO x' AS s)\n             \nSELECT * FROM a"),
        ),
        ("SELECT 1", None),
        ("-- INSERT INTO t SELECT 1\nSELECT `INSERT` FROM t", None),
    ],
)  # fmt: skip
def test_an_insert_is_a_table_its_columns_and_a_query_in_its_place(statement, expected):
    assert insert_of(statement) == expected


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t REPLACE WHERE a = 1 SELECT 1",
        "INSERT OVERWRITE DIRECTORY '/x' USING csv SELECT 1",
        "INSERT INTO t PARTITION (a = 1) IF NOT EXISTS SELECT 1",
        "INSERT INTO t PARTITION (a > 1) SELECT 1",
        "INSERT INTO t (a.b) SELECT 1",
        "INSERT INTO t (a SELECT 1",
    ],
)
def test_other_inserts_are_left_to_spark(statement):
    with pytest.raises(SparkDecides):
        insert_of(statement)


def test_statements_end_at_semicolons_that_are_not_in_texts_or_comments():
    script = "SELECT ';' AS a; -- one; two\n\n/* ; */ CREATE TEMP VIEW v AS\nSELECT 1;;\n"
    found = statements(script)
    assert [(it.text.strip(), it.line, it.words) for it in found] == [
        ("SELECT ';' AS a", 1, ("SELECT", ";", "AS")),
        ("-- one; two\n\n/* ; */ CREATE TEMP VIEW v AS\nSELECT 1", 1, ("CREATE", "TEMP", "VIEW")),
    ]
    assert view_of(found[1].text) == ("v", "SELECT 1")
    assert view_of("CREATE OR REPLACE TEMPORARY VIEW `a b` AS WITH x AS (SELECT 1) SELECT * FROM x") == (
        "a b",
        "WITH x AS (SELECT 1) SELECT * FROM x",
    )
    assert view_of("CREATE VIEW v AS SELECT 1") is None
    with pytest.raises(SparkDecides, match="such a view"):
        view_of("CREATE TEMP VIEW v (a COMMENT 'x') AS SELECT 1")
    with pytest.raises(SparkDecides, match="BEGIN"):
        statements("BEGIN SELECT 1; END")
