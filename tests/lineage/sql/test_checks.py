"""Mistakes in SQL that its text and the columns of its tables show."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataflow.lineage.sql.checks import TableColumns, check_script
from dataflow.lineage.sql.statements import POSITIONAL
from tests.support.lineage_corpus import cases

TABLES = {
    "db.t": TableColumns(("id", "kind", "origin")),
    "db.s": TableColumns(("id", "origin", "kind", "st", "arr", "m", "ts")),
    "db.moving": TableColumns(("id", "old", "new"), may_leave_out=True),
}


def told(sql, tables=TABLES, **params):
    found = check_script(Path("x.sql"), sql, params, tables)
    return [str(problem) for problem in found.problems]


def test_swapped_columns_of_an_insert_by_position_are_told_with_their_lines():
    sql = "INSERT INTO ${T}\nWITH final AS (SELECT * FROM db.s)\nSELECT\n  id,\n  origin,\n  kind\nFROM final"
    assert told(sql, T="db.t") == [
        "x.sql:5:3: the second column is 'origin', the table's second is 'kind'; "
        "use INSERT BY NAME, or add the comment -- dataflow: positional",
        "x.sql:6:3: the third column is 'kind', the table's third is 'origin'; "
        "use INSERT BY NAME, or add the comment -- dataflow: positional",
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO db.t BY NAME SELECT id, origin, kind FROM db.s",
        "INSERT INTO db.t (id, origin, kind) SELECT id, kind, origin FROM db.s",
        "INSERT INTO db.t SELECT id, origin, kind FROM db.s -- dataflow: positional",
        "-- dataflow: positional, as the source has them swapped\nINSERT INTO db.t SELECT id, origin, kind FROM db.s",
        "INSERT INTO db.t SELECT id, a AS x, b AS y FROM (SELECT id, kind AS a, origin AS b FROM db.s)",
        "INSERT INTO db.t VALUES (1, 'a', 'b')",
        "INSERT INTO db.t SELECT id, NULL, upper(origin) FROM db.s",
        "INSERT INTO db.t SELECT * FROM db.nobody_knows",
        "INSERT INTO db.moving SELECT id, old FROM (SELECT id, kind AS old FROM db.s)",
        "INSERT INTO db.nobody_knows SELECT id, origin, kind FROM db.s",
        "CREATE TABLE db.new AS SELECT id AS a, kind AS b FROM db.s; INSERT INTO db.new SELECT id, origin FROM db.s",
        "ALTER TABLE db.t ADD COLUMN extra INT; INSERT INTO db.t SELECT id, kind, origin, 1 FROM db.s",
    ],
)
def test_what_goes_where_it_should_or_may_is_not_told(sql):
    assert told(sql) == []


def test_the_comment_holds_for_its_own_statement_alone():
    swapped = "INSERT INTO db.t SELECT id, origin, kind FROM db.s"
    assert len(told(f"{swapped}; -- dataflow: positional\n{swapped}")) == 2
    assert len(told(f"{swapped} -- dataflow: by position\n")) == 2


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT nme FROM db.t", "x.sql:1:8: db.t has no column 'nme'; valid here: id, kind, origin"),
        ("SELECT t.knd FROM db.t", "x.sql:1:10: db.t has no column 'knd'; did you mean 'kind'?"),
        (
            "SELECT x.knd FROM db.t x JOIN db.nobody_knows USING (id)",
            "x.sql:1:10: db.t has no column 'knd'; did you mean 'kind'?",
        ),
        (
            "WITH a AS (SELECT id AS k FROM db.t)\nSELECT id FROM a",
            "x.sql:2:8: there is no column or table 'id' here; valid here: k",
        ),
        (
            "SELECT id FROM db.s LEFT ANTI JOIN (SELECT id AS i FROM db.t) u ON s.id = u.i WHERE u.i = 1",
            "x.sql:1:85: there is no column or table 'u' here; valid here: arr, id, kind, m, origin, st, ts",
        ),
        (
            "INSERT INTO db.t BY NAME SELECT id, kind AS knd FROM db.s",
            "x.sql:1:45: db.t has no column 'knd'; did you mean 'kind'?",
        ),
        ("INSERT INTO db.t (id, knd) SELECT 1, 2", "x.sql:1:23: db.t has no column 'knd'; did you mean 'kind'?"),
        (
            "INSERT INTO db.t SELECT id FROM db.s",
            "x.sql:1:1: the query has 1 column, but the INSERT into db.t expects 3",
        ),
        (
            "INSERT INTO db.t PARTITION (kind = 'a') SELECT id, origin, 1 FROM db.s",
            "x.sql:1:1: the query has 3 columns, but the INSERT into db.t expects 2",
        ),
        (
            "MERGE INTO db.t USING db.s ON t.id = s.id WHEN MATCHED THEN UPDATE SET knd = s.kind",
            "x.sql:1:72: db.t has no column 'knd'; did you mean 'kind'?",
        ),
    ],
)
def test_what_no_column_is_called_is_told_with_its_place(sql, message):
    assert told(sql) == [message]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT dev.system.bucket(4, id), system.days(ts) FROM db.s",
        "SELECT k, v FROM db.s LATERAL VIEW explode(m) AS k, v",
        "SELECT col, pos FROM db.s LATERAL VIEW posexplode(arr) p",
        "FROM db.s |> WHERE id > 1 |> SELECT id, kind |> AGGREGATE count(*) AS c GROUP BY kind",
        "SELECT count(*) AS c FROM db.s GROUP BY kind HAVING c > 1 ORDER BY c",
        "SELECT id FROM db.s ORDER BY ts",
        "SELECT id, kind AS k, k || 'x' AS z FROM db.s WHERE id IN (SELECT id FROM db.t WHERE t.kind = s.kind)",
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r",
        "SELECT _file, _pos, _metadata.file_path, input_file_name() FROM db.s",
        "DECLARE v = 1; SELECT v + id FROM db.s",
        "DECLARE OR REPLACE VARIABLE v INT DEFAULT 1; SELECT v + id FROM db.s",
        "SELECT exists(arr, x -> x > id), aggregate(arr, 0, (a, b) -> a + b), filter(arr, e -> e.f = 1) FROM db.s",
        "SELECT id, a, bb FROM (SELECT id, kind, st FROM db.s) PIVOT (max(st) FOR kind IN ('a', 'b' AS bb))",
        "SELECT `2026-01-01` FROM (SELECT id, ts FROM db.s) PIVOT (max(id) FOR ts IN (DATE '2026-01-01'))",
        "SELECT k, v FROM db.t UNPIVOT (v FOR k IN (kind, origin))",
        "SELECT timestampadd(DAY, 1, ts), extract(hour FROM ts), trunc(ts, 'MM'), date_diff(DAY, ts, ts) FROM db.s",
        "SELECT s.st.f, st.f.g, db.s.id FROM db.s",
        "SELECT user, localtimestamp, current_date, current_timestamp, session_user FROM db.s",
        "SELECT sum(id) OVER (w ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM db.s WINDOW w AS (PARTITION BY kind)",
        "SELECT grouping__id, grouping(kind) FROM db.s GROUP BY kind WITH CUBE",
        "SELECT to_json(struct(*)), struct(id AS a).a FROM db.s",
        "SELECT j.col1 FROM VALUES (1, 2) AS j",
        "SELECT n FROM db.s t1, LATERAL (SELECT t1.id + 1 AS n) WHERE n > 1",
        "SELECT a, b FROM (SELECT TRANSFORM(id, kind) USING 'cat' AS (a, b) FROM db.s)",
        "CREATE TEMPORARY FUNCTION f(x INT) RETURNS INT RETURN x + 1; SELECT f(id) FROM db.s",
        "CREATE TEMPORARY VIEW v USING csv OPTIONS (path 'x'); SELECT anything FROM v",
        "SELECT made_up FROM db.s.snapshots",
        "SELECT anything FROM IDENTIFIER(:name)",
        "SELECT a FROM parquet.`/files/x`",
        "SELECT STRAIGHT OUTA (SPARK",
        "SELECT /*+ BROADCAST( , O), MERGE(s) */ * FROM db.s",
        "DELETE (FROM db.t WHERE EXISTS (SELECT 1 FROM db.s))",
        "BEGIN\n  DECLARE n INT DEFAULT 0;\n  WHILE n < 2 DO\n    INSERT INTO db.t SELECT id, kind, n FROM db.s;\n"
        "    SET n = n + 1;\n  END WHILE;\nEND",
    ],
)
def test_what_spark_accepts_or_nobody_can_judge_is_not_told(sql):
    assert told(sql) == []


def test_what_could_not_be_checked_is_listed():
    found = check_script(Path("x.sql"), "SELECT a FROM crm.people;\nSELECT (;\nSELECT id FROM db.t", {}, TABLES)
    assert (found.unchecked, found.unread) == (("crm.people",), (2,))


@pytest.mark.parametrize("case", [case for case in cases() if case.static], ids=lambda case: case.name)
def test_no_statement_of_the_corpus_is_refused(case):
    tables = {name: TableColumns(tuple(columns)) for name, columns in case.schema.items()}
    assert [said for said in told(case.script, tables) if not said.endswith(POSITIONAL)] == []
