"""Asking for one CTE of a script: the text that Spark gets is the script's own, where it stands in the file."""

from pathlib import Path

import pytest

from dataflow.errors import UsageError
from dataflow.testing.ctes import ctes, find_cte, query_of

FILE = Path("write.sql")
SCRIPT = """\
-- WITH commented AS (SELECT 1)
CREATE TEMPORARY VIEW played AS SELECT 'WITH quoted AS (' AS text;
INSERT OVERWRITE ${TARGET_TABLE} PARTITION (date = DATE '${DAY}')
WITH raw AS (SELECT * FROM ${SOURCE_TABLE}), -- the source
viewing (a, b)
AS (
  WITH first AS (SELECT 1 AS x), second AS (
    SELECT * FROM first JOIN raw
  )
  SELECT '))' FROM second
)
, `final one` AS (SELECT * FROM viewing WHERE a IN (WITH deep AS (SELECT 2) SELECT * FROM deep))
SELECT a FROM (
WITH last AS (SELECT * FROM `final one`) SELECT * FROM last
) GROUP BY a WITH ROLLUP;
"""


def query(name: str, script: str = SCRIPT, **given: str) -> str:
    text = query_of(script, find_cte(script, name, FILE), given, FILE)
    return "\n".join(line.strip() for line in text.split("\n") if line.strip())


def test_every_cte_is_found_wherever_it_stands_and_no_other_with() -> None:
    assert [".".join(cte.path) for cte in ctes(SCRIPT)] == [
        "raw",
        "viewing",
        "viewing.first",
        "viewing.second",
        "final one",
        "final one.deep",
        "last",
    ]


def test_the_write_is_left_out_and_so_is_what_stands_after_the_cte() -> None:
    assert query("raw") == "WITH raw AS (SELECT * FROM ${SOURCE_TABLE}) SELECT * FROM raw"


def test_each_line_stays_where_it_stands_in_the_script() -> None:
    lines, text = SCRIPT.split("\n"), query_of(SCRIPT, find_cte(SCRIPT, "viewing", FILE), {}, FILE).split("\n")

    assert not "".join(text[:3]).strip()
    assert text[3].rstrip() == lines[3].removesuffix(" -- the source")
    assert text[4:10] == lines[4:10]
    assert text[10] == ") SELECT * FROM viewing"


def test_a_cte_that_is_not_read_is_left_out_and_with_it_its_parameters() -> None:
    assert query("first") == "WITH first AS (SELECT 1 AS x) SELECT * FROM first"
    assert query("deep") == "WITH deep AS (SELECT 2) SELECT * FROM deep"


def test_a_nested_cte_sees_what_stands_before_those_around_it() -> None:
    assert query("second") == (
        "WITH raw AS (SELECT * FROM ${SOURCE_TABLE})\n"
        "(WITH first AS (SELECT 1 AS x), second AS (\nSELECT * FROM first JOIN raw\n) SELECT * FROM second)"
    )


def test_a_cte_in_a_subquery_sees_all_of_the_query_around_it() -> None:
    assert query("last").endswith("(\nWITH last AS (SELECT * FROM `final one`) SELECT * FROM last)")


def test_a_name_in_backticks_stays_in_them() -> None:
    assert query("final one").endswith(" SELECT * FROM `final one`")


def test_a_table_stands_in_for_a_cte_and_for_all_that_only_it_reads() -> None:
    assert query("last", Viewing="mock_1") == (
        "WITH\nviewing (a, b)\nAS (SELECT * FROM mock_1\n),\n"
        "`final one` AS (SELECT * FROM viewing WHERE a IN (WITH deep AS (SELECT 2) SELECT * FROM deep))\n"
        "(\nWITH last AS (SELECT * FROM `final one`) SELECT * FROM last)"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("viewng", "write.sql has no CTE 'viewng'; did you mean 'viewing'?"),
        ("quoted", "has no CTE 'quoted'; valid here: deep, final one, first, last, raw, second, viewing"),
    ],
)
def test_an_unknown_cte_is_named_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_cte(SCRIPT, name, FILE)
    assert message in str(caught.value)


def test_a_script_without_ctes_says_so() -> None:
    with pytest.raises(UsageError, match=r"has no CTE$"):
        find_cte("SELECT 1", "a", FILE)


def test_a_script_that_can_not_be_read_says_so() -> None:
    with pytest.raises(UsageError, match=r"write.sql: can't be read as SQL: .*"):
        find_cte("SELECT 'open", "a", FILE)


def test_only_a_cte_that_stands_before_can_be_given() -> None:
    with pytest.raises(UsageError, match="'last' is not a CTE before 'raw'"):
        query("raw", last="mock_1")


def test_of_two_ctes_of_one_name_the_path_tells_which() -> None:
    script = "WITH a AS (WITH x AS (SELECT 1) SELECT * FROM x), b AS (WITH x AS (SELECT 2) SELECT * FROM x) SELECT 3"

    with pytest.raises(UsageError, match=r"has 2 CTEs 'x': a\.x on line 1, b\.x on line 1"):
        find_cte(script, "x", FILE)
    assert "SELECT 2" in query("b.x", script)


@pytest.mark.parametrize(
    "script",
    [
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT * FROM n",
        "WITH n (SELECT 1) SELECT * FROM n",
        "INSERT INTO t SELECT * FROM (WITH n AS (VALUES (1)) SELECT * FROM n)",
        "WITH n AS (FROM t |> WHERE x > 1) SELECT * FROM n",
    ],
)
def test_every_way_that_spark_writes_a_cte_is_understood(script: str) -> None:
    assert [cte.path for cte in ctes(script)] == [("n",)]


@pytest.mark.parametrize(
    "script",
    [
        "SELECT a FROM t GROUP BY a WITH CUBE",
        "CREATE DATABASE d WITH DBPROPERTIES ('a' = 'b')",
        "SELECT CAST(a AS TIMESTAMP WITH LOCAL TIME ZONE) FROM t",
        "WITH a AS (SELECT 1",
    ],
)
def test_what_is_no_cte_is_taken_for_none(script: str) -> None:
    assert ctes(script) == []


TWICE = """\
CREATE TEMPORARY VIEW first AS WITH base AS (SELECT 1 AS a) SELECT * FROM base;
INSERT INTO t
WITH base AS (SELECT 2 AS a),
wrapped AS (WITH base AS (SELECT 3 AS a) SELECT * FROM base),
`TINY.one` AS (SELECT * FROM base)
SELECT * FROM wrapped
"""


@pytest.mark.parametrize(
    ("name", "line"),
    [("base#1", 1), ("BASE#2", 3), ("wrapped.base", 4), ("wrapped.base#1", 4), ("Wrapped", 4), ("`tiny.one`", 5)],
)
def test_each_cte_can_be_named_whatever_others_are_called(name: str, line: int) -> None:
    assert TWICE.count("\n", 0, find_cte(TWICE, name, FILE).item.start) + 1 == line


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("base", r"has 2 CTEs 'base': base#1 on line 1, base#2 on line 3"),
        ("base#3", r"has 2 of the CTE in 'base#3'; the first is #1"),
        ("nought#1", r"has no CTE 'nought#1'"),
    ],
)
def test_a_name_that_may_mean_several_ctes_is_told_with_the_names_that_do_not(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_cte(TWICE, name, FILE)


def test_of_a_name_alone_the_cte_is_meant_that_stands_in_no_other() -> None:
    script = TWICE.partition("\n")[2]

    assert find_cte(script, "base", FILE).path == ("base",)
    for name in ("base#2", "base", "BASE"):
        assert "base AS (SELECT * FROM mock_2" in query("`TINY.one`", TWICE, **{name: "mock_2"})
    with pytest.raises(UsageError, match=r"'base#1' is not a CTE before 'TINY\.one'"):
        query("`TINY.one`", TWICE, **{"base#1": "mock_2"})
