"""Both engines side by side: the same query over the same rows, and what differs.

Values are told apart as users can: NaN from null, `-0.0` from `0.0`, an int from a bigint, nested ones inside.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.errors import AnalysisException

from dataflow.runner.query import _as_arrow
from dataflow.sail.answer import names_of, require_types, require_values, with_ranges
from dataflow.sail.judgement import SparkDecides, judge
from dataflow.sail.mends import mended
from dataflow.sail.rows import spark_table
from dataflow.sail.session import kinds_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.sail.server import Sail

NAN, INF = float("nan"), float("inf")
EPSILON = 2.0**-52
_IN_SAIL = re.compile(r"\bedges\b(?= AS |$| |\))")
_ADDS = re.compile(r"\b(sum|avg)\(")
ROWS = 9
_TOGETHER = 40  # expressions of one query: a small JVM has no room for the plan of a thousand


def _utc(year: int, month: int, day: int, *time: int) -> dt.datetime:
    hour, minute, second, microsecond = (*time, 0, 0, 0, 0)[:4]
    return dt.datetime(year, month, day, hour, minute, second, microsecond, tzinfo=dt.UTC)


_MOMENTS = [
    _utc(1970, 1, 1), _utc(2026, 1, 31, 23, 59, 59, 999999), _utc(2026, 3, 29, 1, 30), _utc(1900, 1, 1, 0, 0, 0, 1),
    _utc(9998, 12, 31, 23, 59, 59), _utc(1582, 10, 15, 12), None, _utc(2026, 10, 25, 1, 30),
    _utc(1969, 12, 31, 23, 59, 59, 500000),
]  # fmt: skip

EDGES: dict[str, tuple[pa.DataType, list[Any]]] = {
    "i": (pa.int32(), [0, 1, -1, 7, 2147483647, -2147483648, None, 12, 100]),
    "l": (pa.int64(), [0, 1, -1, 3, 9223372036854775807, -9223372036854775808, None, 12, 1000]),
    "h": (pa.int16(), [0, 1, -1, 3, 32767, -32768, None, 12, 5]),
    "d": (pa.float64(), [0.0, -0.0, 1.5, -2.5, NAN, INF, None, -INF, 1e20]),
    "f": (pa.float32(), [0.0, -0.0, 1.5, -2.5, NAN, INF, None, 0.1, 1e-10]),
    "n": (
        pa.decimal128(10, 2),
        [
            *map(Decimal, ("0.00", "1.25", "-1.25", "2.50", "99999999.99", "-99999999.99")), None, Decimal("0.05"),
            Decimal("-0.05"),
        ],
    ),
    "s": (pa.string(), ["", "a", "Äbc def", " 1 ", "2026-01-31", "12.5", None, "ſß𝄞é", "NaN"]),
    "z": (pa.string(), ["a", "b", "a,b", "x%y_", "\\d", "1", "", "Z", None]),
    "b": (pa.bool_(), [True, False, None, True, False, True, False, None, True]),
    "t": (
        pa.date32(),
        [
            dt.date(1970, 1, 1), dt.date(2026, 1, 31), dt.date(2024, 2, 29), dt.date(1, 1, 1), dt.date(9999, 12, 31),
            dt.date(1582, 10, 4), None, dt.date(2025, 12, 29), dt.date(1969, 12, 31),
        ],
    ),
    "ts": (pa.timestamp("us", "UTC"), _MOMENTS),
    "tn": (pa.timestamp("us"), [it and it.replace(tzinfo=None) for it in _MOMENTS]),
    "y": (pa.binary(), [b"", b"abc", b"\x00\xff", "é".encode(), b"1", b"a", None, b" ", b"zz"]),
    "ai": (pa.list_(pa.int32()), [[], [1], [1, None, 3], [3, 1, 2], [None], [2, 2], None, [7], [0, -1]]),
    "az": (
        pa.list_(pa.string()),
        [[], ["a"], ["a", None, "b"], ["b", "a", ""], [None], ["x", "x"], None, ["é"], ["A", "a"]],
    ),
    "ad": (
        pa.list_(pa.float64()),
        [[], [1.0], [NAN, 0.0, -0.0], [3.0, None, -1.0], [None], [NAN, NAN], None, [INF], [-0.0]],
    ),
    "m": (
        pa.map_(pa.string(), pa.int32()),
        [[], [("a", 1)], [("a", 1), ("b", None)], [("b", 2), ("a", 1)], [("", 0)], [("x", 5)], None, [("é", 7)],
         [("k", 8)]],
    ),
    "r": (
        pa.struct([("x", pa.int32()), ("y", pa.string())]),
        [{"x": 1, "y": "a"}, {"x": None, "y": "b"}, {"x": 1, "y": None}, {"x": None, "y": None}, {"x": 3, "y": ""},
         {"x": 4, "y": "é"}, None, {"x": 5, "y": "z"}, {"x": -1, "y": "a"}],
    ),
    "e": (pa.float64(), [0.0, 1.5, -2.5, 1e20, 5e-324, -1e59, None, 0.1, 1e-10]),
    "j": (pa.int32(), [0, 1, -1, 3, 5, 2, None, 3, 1]),
    "k": (pa.int64(), [1, 1, 2, -3, 100, 7, None, None, 0]),
    "q": (pa.float64(), [0.1, 0.2, 0.3, -1.5, 2.675, 1e6, None, 1.005, 0.0]),
    "w": (
        pa.string(),
        ["", "a", " a\tb ", "ǅ ŉİıΣς", "aA%_\\", "1", None, "e\u0301\u00a0\u3000x", "\u200b\n𝄞a"],
    ),
}  # fmt: skip
"""A column of each type, each with the values at which engines differ."""

_GROUPS = {
    "any": list(EDGES),
    "num": ["i", "l", "h", "d", "f", "n"],
    "int": ["i", "l", "h"],
    "exact": ["i", "l", "h", "n"],
    "dbl": ["d", "f"],
    "date": ["t", "ts", "tn"],
    "str": ["s", "z"],
    "scal": ["i", "l", "d", "f", "n", "s", "b", "t", "ts", "tn", "y"],
    "same": ["i", "l", "d", "f", "n", "s", "b", "t", "ts", "tn", "y"],
    "arr": ["ai", "az", "ad"],
    "bool": ["b"],
    "map": ["m"],
    "small": ["j", "k"],
    "sorted": ["j", "k", "e", "n", "w", "b", "t", "ts", "tn"],
    "exactly": ["j", "k", "n"],
    "usual": ["j", "k", "q"],
    "usuals": ["j", "k", "q", "n"],
    "moment": ["t", "ts", "tn"],
}


def expanded(template: str) -> list[str]:
    """Return an expression for each choice of columns: `{num} + 1` stands for one with each column of numbers."""
    kinds = re.findall(r"\{(\w+)\}", template)
    pattern = re.sub(r"\{\w+\}", "{}", template)
    found = (pattern.format(*columns) for columns in itertools.product(*(_GROUPS[kind] for kind in kinds)))
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Answer:
    """What an engine answers to an expression: the type and values of a column, or its failure."""

    type: str = ""
    values: tuple[Any, ...] = ()
    failure: str = ""
    is_refused: bool = False


class TwoEngines:
    """Asks both engines about the rows of one table, `edges`."""

    def __init__(self, spark: SparkSession, sail: Sail, folder: Path, table: pa.Table | None = None) -> None:
        self.spark, self.sail = spark, sail
        file = folder / "edges.parquet"
        self.table = edges() if table is None else table
        self.doubles = {
            it.name: [v for v in self.table[it.name].to_pylist() if v is not None and math.isfinite(v)]
            for it in self.table.schema
            if pa.types.is_float64(it.type)
        }
        pq.write_table(self.table, file)
        spark.read.parquet(str(file)).createOrReplaceTempView("edges")
        sail.show_parquet("edges", str(file))

    def reason(self, sql: str) -> str | None:
        """Return why Sail may not answer a query; None where it may."""
        try:
            self.mended(sql, by_values=True)
        except SparkDecides as reason:
            return str(reason)
        return None

    def mended(self, sql: str, *, by_values: bool = False) -> str:
        """Return a query as Sail is given it.

        Args:
            sql: The query.
            by_values: Whether the rows are looked at as well.

        Raises:
            SparkDecides: It may not answer it.
        """
        judged = judge(_IN_SAIL.sub("db.edges", sql))
        schemas = with_ranges(judged, [kinds_of(self.table)] * len(judged.tables))
        around = require_types(judged, schemas)
        if by_values:
            require_values(self.sail, judged, schemas, ["edges"] * len(judged.tables))
        return mended(judged, ["edges"] * len(judged.tables), around)

    def sail_rows(self, sql: str) -> pa.Table:
        """Return Sail's rows of a query that it may answer, with Spark's types."""
        found = spark_table(self.sail.query(self.mended(sql)))
        judged = judge(_IN_SAIL.sub("db.edges", sql))
        return found.rename_columns(names_of(self.sail, judged, ["edges"] * len(judged.tables)))

    def ask_sail(self, sql: str) -> list[Answer] | Answer:
        """Return Sail's answers for each column of a query, whether it may answer it or not."""
        with contextlib.suppress(SparkDecides):
            sql = self.mended(sql)
        try:
            return _columns(spark_table(self.sail.query(sql)))
        except Exception as error:
            return Answer(failure=str(error) or type(error).__name__)

    def are_equal(self, one: Any, other: Any, sql: str) -> bool:
        """Say whether values are equal, or differ in the last digits alone where a query adds up doubles.

        Two orders of n additions come to sums that differ by no more than n times the precision times the sum of the
        absolute values, as do two runs of Spark.
        """
        added = [it for it in self.doubles if re.search(rf"\b{it}\b", sql)] if _ADDS.search(sql) else []
        return alike(one, other, sum(sum(map(abs, self.doubles[it])) for it in added), self.table.num_rows)

    def spark_rows(self, sql: str) -> pa.Table:
        """Return Spark's rows of a query."""
        return spark_answer(self.spark, sql)

    def differences(self, expressions: Sequence[str], query: str = "SELECT {} FROM edges ORDER BY id") -> list[str]:
        """Return in words where Sail answers, and Spark does not answer the same.

        Args:
            expressions: What to compare, all of one kind.
            query: Where they stand.
        """
        found: list[str | None] = []
        for first in range(0, len(expressions), _TOGETHER):
            some = expressions[first : first + _TOGETHER]
            sail = self._answers(self.ask_sail, some, query)
            answered = [it for it in some if not sail[it].failure]
            spark = self._answers(_ask_spark(self.spark), answered, query)
            found += [self._difference(it, spark[it], sail[it]) for it in answered]
        return [it for it in found if it]

    def _answers(self, ask: Any, expressions: Sequence[str], query: str) -> dict[str, Answer]:
        """Ask for all at once; where that fails, for halves of them."""
        if not expressions:
            return {}
        answers = ask(query.format(", ".join(f"{it} AS c{i}" for i, it in enumerate(expressions))))
        if isinstance(answers, list):
            return dict(zip(expressions, answers, strict=True))
        if len(expressions) == 1:
            return {expressions[0]: answers}
        half = len(expressions) // 2
        return {
            **self._answers(ask, expressions[:half], query),
            **self._answers(ask, expressions[half:], query),
        }

    def _difference(self, expression: str, spark: Answer, sail: Answer) -> str | None:
        if spark.failure:
            return f"{expression}: Spark fails ({spark.failure[:90]}), Sail answers {_short(sail.values)}"
        if spark.type != sail.type:
            return f"{expression}: Spark's type is {spark.type}, Sail's {sail.type}"
        pairs = list(zip(spark.values, sail.values, strict=False))
        rows = [
            f"row {i}: Spark {a!r}, Sail {b!r}"
            for i, (a, b) in enumerate(pairs)
            if not self.are_equal(a, b, expression)
        ]
        if len(spark.values) != len(sail.values):
            rows.append(f"{len(spark.values)} rows by Spark, {len(sail.values)} by Sail")
        return f"{expression}: {'; '.join(rows[:3])}" if rows else None


def alike(one: Any, other: Any, added: float, rows: int) -> bool:
    """Say whether values are equal, or sums of doubles apart by no more than the order of additions can make them.

    Args:
        one: A value, or a tuple of some.
        other: Another.
        added: The sum of the absolute values of the doubles that are added up; 0 for none, which are equal or not.
        rows: How many are added up at most.
    """
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        return all(alike(a, b, added, rows) for a, b in zip(one, other, strict=True))
    if one == other and type(one) is type(other):
        return True
    if not isinstance(one, Double) or not isinstance(other, Double) or not added:
        return False
    return abs(float(one) - float(other)) <= rows * EPSILON * max(abs(float(one)), added)


def spark_answer(spark: SparkSession, sql: str) -> pa.Table:
    """Return Spark's rows of a query, with Arrow's types."""
    return _as_arrow(spark.sql(sql))


def edges() -> pa.Table:
    """Return a table with a column of each type, and `id`."""
    columns = {name: pa.array(values, type_) for name, (type_, values) in EDGES.items()}
    return pa.table({"id": pa.array(range(ROWS), pa.int32()), **columns})


def _ask_spark(spark: SparkSession) -> Any:
    def ask(sql: str) -> list[Answer] | Answer:
        try:
            return _columns(_as_arrow(spark.sql(sql)))
        except AnalysisException as error:
            return Answer(failure=str(error).partition("\n")[0], is_refused=True)
        except Exception as error:
            return Answer(failure=str(error).partition("\n")[0])

    return ask


class Double(str):
    """A double as it is written, by which users tell NaN, -0.0 and 0.0 apart."""

    __slots__ = ()


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    """Return rows whose values are told apart as users can."""
    return list(zip(*(map(told_apart, column.to_pylist()) for column in table.columns), strict=True))


def types_of(table: pa.Table) -> list[str]:
    """Return the types of columns, in which Arrow's name for an element is none of anybody's."""
    return [_type(it) for it in table.schema.types]


def _columns(table: pa.Table) -> list[Answer]:
    return [
        Answer(_type(column.type), tuple(each for each in map(told_apart, column.to_pylist())))
        for column in table.columns
    ]


def told_apart(value: Any) -> Any:
    """Return a value that equals another only where users would say so."""
    match value:
        case float():
            return Double(repr(value))
        case list():
            return tuple(map(told_apart, value))
        case tuple():
            return tuple(map(told_apart, value))
        case dict():
            return tuple((key, told_apart(each)) for key, each in value.items())
        case Decimal():
            return str(value)
    return value


def _type(type_: pa.DataType) -> str:
    return str(type_).replace("item: ", "element: ").replace(" not null", "")


def _short(values: Sequence[Any]) -> str:
    return str(list(values))[:90]
