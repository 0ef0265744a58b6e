"""Whole queries over several tables: in the shapes that analysts have, of the lineage corpus, and of the recipes."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from dataflow.sail.insert import insert_of
from dataflow.sail.judgement import SparkDecides
from dataflow.sail.server import Sail, SailError
from dataflow.sail.session import SailSession
from tests.support.lineage_corpus import TABLES, cases
from tests.support.places import EXAMPLES
from tests.support.star import star
from tests.support.two_engines import alike, rows_of, spark_answer, types_of

pytestmark = pytest.mark.spark

SHAPES = yaml.safe_load((Path(__file__).parent / "shapes.yaml").read_text("utf-8"))


class Asked:
    """Asks both engines about the same tables."""

    def __init__(self, spark, sail):
        self.spark = spark
        self.sail = SailSession(sail)
        self.tables = {}

    def hold(self, name, rows):
        """Give both engines a table."""
        self.spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {name.split('.')[0]}")
        self.spark.createDataFrame(rows).writeTo(name).createOrReplace()
        self.sail.hold(name, rows)
        self.tables[name] = rows

    def reason(self, sql):
        """Return why Sail does not answer a query, or None once both have answered it alike."""
        try:
            found = self.sail.sql(sql).toArrow()
        except (SparkDecides, SailError) as reason:
            return str(reason)
        expected = spark_answer(self.spark, sql)
        assert (sql, found.schema.names) == (sql, expected.schema.names)
        assert (sql, types_of(found)) == (sql, types_of(expected))
        one, other = rows_of(found), rows_of(expected)
        if "ORDER BY" not in sql.rpartition(")")[2]:
            one, other = (sorted(it, key=_without_last_digits) for it in (one, other))
        assert len(one) == len(other), sql
        unequal = [(a, b) for a, b in zip(one, other, strict=True) if not alike(a, b, self.added, self.most)]
        assert not unequal, (sql, unequal[:3])
        return None

    @property
    def added(self):
        """The sum of the absolute values of all doubles."""
        doubles = [it for table in self.tables.values() for it in table.columns if pa.types.is_float64(it.type)]
        return sum(abs(value or 0.0) for column in doubles for value in column.to_pylist())

    @property
    def most(self):
        """How many rows the largest table has."""
        return max(table.num_rows for table in self.tables.values())


def _without_last_digits(row):
    return repr([f"{float(it):.9g}" if type(it).__name__ == "Double" else it for it in row])


@pytest.fixture(scope="module")
def asked(spark):
    with Sail(threads=1) as sail:
        it = Asked(spark, sail)
        for name, rows in star().items():
            it.hold(name, rows)
        yield it


def test_analysts_shapes_are_answered_alike_or_are_sparks_by_name(asked):
    assert [it for it in SHAPES if asked.reason(it["sql"]) != it.get("because")] == []


VALUES = {
    "int": [1, 2, None, 2, 7],
    "bigint": [1, 2, None, 2, 7],
    "double": [2.0, 0.25, None, 0.1, 1e6],
    "string": ["US", "a", None, "x,é", ""],
    "date": [dt.date(2026, 1, 1), dt.date(2024, 2, 29), None, dt.date(2026, 1, 2), dt.date(1969, 12, 31)],
    "timestamp": [dt.datetime(2026, 1, i + 1, 3, tzinfo=dt.UTC) if i != 2 else None for i in range(5)],
    "boolean": [True, False, None, True, False],
    "decimal(10,2)": [Decimal("1.25"), Decimal("2.50"), None, Decimal("-0.05"), Decimal("9.99")],
}


def made(spark, columns):
    """Return five rows of a table whose columns are given as DDL has them; None where a type has no values here."""
    from pyspark.sql.pandas.types import to_arrow_schema

    fields = spark.createDataFrame([], columns).schema
    arrow = to_arrow_schema(fields)

    def values(type_):
        name = type_.simpleString()
        if name.startswith("array"):
            inner = values(type_.elementType)
            return [inner[:2], [], None, [None], inner[3:4]]
        if name.startswith("struct"):
            parts = {it.name: values(it.dataType) for it in type_.fields}
            return [{key: part[i] for key, part in parts.items()} if i != 2 else None for i in range(5)]
        if name.startswith("map"):
            keys, items = values(type_.keyType), values(type_.valueType)
            return [[(keys[i], items[i])] if keys[i] is not None else None for i in range(5)]
        return VALUES.get(name, [None] * 5)

    arrays = [pa.array(values(it.dataType), arrow.field(i).type) for i, it in enumerate(fields.fields)]
    return pa.Table.from_arrays(arrays, names=fields.names)


def test_queries_of_the_lineage_corpus_are_answered_alike(asked):
    for name, columns in TABLES.items():
        asked.hold(name, made(asked.spark, columns))
    answered, reasons, unequal = 0, {}, []
    for case in cases():
        statement = case.statement.strip().rstrip(";")
        if case.before or ";" in statement:
            continue
        try:
            insert = insert_of(statement)
        except SparkDecides:
            continue
        if insert is None:
            continue
        for name, columns in case.tables.items():
            asked.hold(name, made(asked.spark, columns))
        try:
            reason = asked.reason(insert.query.strip())
        except AssertionError as error:  # all of them are worth to be seen at once
            unequal.append(error.args[0])
            continue
        answered += reason is None
        if reason:
            reasons[case.name] = reason
    assert unequal == []
    assert answered >= 75, reasons


def test_the_recipe_is_answered_with_the_same_ranks(asked):
    """The recipe's own text, over rows with ties, many of whose sums differ in the last digits by their order."""
    script = (EXAMPLES / "sparksql-workflow" / "src" / "sparksql_write.sql").read_text("utf-8")
    for name, value in {
        "SOURCE_TABLE": "d.playback",
        "TARGET_TABLE": "d.ranks",
        "EXECUTION_DATE": "2026-01-31",
    }.items():
        script = script.replace(f"${{{name}}}", value)
    count = 20_000
    rows = pa.table(
        {
            "title_id": pa.array([i % 37 if i % 41 else None for i in range(count)], pa.int32()),
            "country_code": [("DE", "FR", "US")[i % 3] for i in range(count)],
            "view_hours": [((i // 111) % 23 - 2) / 10 for i in range(count)],
            "date": pa.array([dt.date(2026, 1, 31 - i % 2) for i in range(count)], pa.date32()),
        }
    )
    asked.hold("d.playback", rows)
    insert = insert_of(script.strip().rstrip(";"))
    assert asked.reason(insert.query) is None
    ranks = asked.sail.sql(insert.query).toArrow()
    assert ranks.num_rows == 111
    assert max(ranks.column("title_rank").to_pylist()) == 37
