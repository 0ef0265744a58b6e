"""Both engines are held to `compared.py`: what Sail may answer it answers as Spark does, and what differs differs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from dataflow.sail import compared
from dataflow.sail.server import Sail, SailError
from tests.support.two_engines import TwoEngines, expanded, rows_of, types_of

pytestmark = pytest.mark.spark

EXPRESSIONS = yaml.safe_load((Path(__file__).parent / "expressions.yaml").read_text("utf-8"))
QUERIES = yaml.safe_load((Path(__file__).parent / "queries.yaml").read_text("utf-8"))
AGGREGATES = ("approx_count_distinct", "approx_percentile", "median", "percentile_approx")
WHERE = {
    "rows": ["SELECT {} FROM edges ORDER BY id"],
    "windows": ["SELECT {} FROM edges ORDER BY id"],
    "aggregates": [
        "SELECT {} FROM edges",
        "SELECT {} FROM edges GROUP BY b ORDER BY b",
        "SELECT {} FROM edges WHERE id < 0",
    ],
}


@pytest.fixture(scope="module")
def engines(spark, tmp_path_factory):
    with Sail(threads=1) as sail:
        yield TwoEngines(spark, sail, tmp_path_factory.mktemp("edges"))


def answerable(engines, group, query):
    """Return the expressions of a group that Sail may answer."""
    every = [it for template in EXPRESSIONS[group] for it in expanded(template)]
    named = {it: query.format(f"{it} AS x") for it in dict.fromkeys(every)}
    return [it for it, sql in named.items() if engines.reason(sql) is None]


@pytest.mark.parametrize("group", EXPRESSIONS)
def test_what_sail_may_answer_it_answers_as_spark_does(engines, group):
    for query in WHERE[group]:
        found = answerable(engines, group, query)
        assert len(found) > 50
        assert engines.differences(found, query) == []


@pytest.mark.parametrize("query", QUERIES, ids=lambda it: it["sql"][:60])
def test_a_query_has_the_same_rows_in_the_same_order(engines, query):
    sql = query["sql"]
    reason = engines.reason(sql)
    assert reason is None or "sail" not in query
    assert query.get("because", "") in (reason or "")
    if reason is None:
        try:
            sail = engines.sail_rows(sql)
        except SailError:
            assert "sail" not in query
            return
        spark = engines.spark_rows(sql)
        assert sail.schema.names == spark.schema.names
        assert types_of(sail) == types_of(spark)
        assert engines.are_equal(tuple(rows_of(sail)), tuple(rows_of(spark)), sql)


def test_what_is_said_to_differ_differs(engines):
    """A version of either engine in which they have become equal fails here: then Sail may answer."""
    equal = []
    for name, reason in compared.DIFFERENT.items():
        if reason.startswith(("it is by chance", "it depends on the order", "regular expressions")):
            continue
        calls = [
            it for group in EXPRESSIONS.values() for it in group if re.search(rf"\b{name}\(", it) and " OVER" not in it
        ]
        asked = [it for template in calls for it in expanded(template)]
        query = "SELECT {} FROM edges" if name in AGGREGATES else "SELECT {} FROM edges ORDER BY id"
        if not engines.differences(asked, query):
            equal.append(name)
    assert equal == []
