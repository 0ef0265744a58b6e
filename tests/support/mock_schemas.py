"""Random schemas and rows for them, as Hypothesis draws them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from dataflow.mocks import Mock, MockColumn
from dataflow.tables.schema.spark_types import SqlType

# Columns: at most a few, whose names say anything that YAML could take for something else.
NAMES = st.sampled_from(
    ["id", "no", "NULL", "y", "1e3", "12:30", "a b", "a.b", "`", "<<", "#", "- x", "é", "日本", '"', "{", "date", "~"]
) | st.text(st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0\n"), min_size=1, max_size=6)
TEXTS = st.sampled_from(
    ["", "NO", "12:30", "1e3", "null", "~", "#x", "a: b", "- a", " x ", "\t\n\r", "\u2028\ufeff\x85", "🙂", "'", '"\\']
) | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
MOMENTS = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 30)).map(lambda moment: moment.replace(fold=0))

_BITS = {"tinyint": 7, "smallint": 15, "int": 31, "bigint": 63}
_SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    **{name: st.integers(-(2**bits), 2**bits - 1) for name, bits in _BITS.items()},
    "float": st.floats(width=32),
    "double": st.floats(),
    "string": TEXTS,
    "date": st.dates(),
    "timestamp": MOMENTS.map(lambda moment: moment.replace(tzinfo=dt.UTC)),
    "timestamp_ntz": MOMENTS,
    "binary": st.binary(max_size=6),
}
_DECIMALS = st.integers(1, 38).flatmap(lambda p: st.tuples(st.just(p), st.integers(0, p)))


def types(*, without: frozenset[str] = frozenset()) -> st.SearchStrategy[SqlType]:
    """Draw a type, nested up to a few levels, without some of the scalars."""
    names = sorted(_SCALARS.keys() - without)
    scalars = st.sampled_from(names).map(SqlType) | _DECIMALS.map(lambda digits: SqlType("decimal", digits=digits))
    keys = st.sampled_from([SqlType(name) for name in ("string", "int", "bigint", "date") if name not in without])

    def nested(inner: st.SearchStrategy[SqlType]) -> st.SearchStrategy[SqlType]:
        fields = st.lists(st.tuples(NAMES, inner), min_size=1, max_size=3, unique_by=lambda field: field[0].lower())
        return (
            inner.map(lambda part: SqlType("array", parts=(part,)))
            | st.tuples(keys, inner).map(lambda parts: SqlType("map", parts=parts))
            | fields.map(lambda found: SqlType("struct", fields=tuple(found)))
        )

    return st.recursive(scalars, nested, max_leaves=4)


def values(type_: SqlType) -> st.SearchStrategy[Any]:
    """Draw a value of a type, or null."""
    match type_.name:
        case "decimal":
            precision, scale = type_.digits
            bound = 10**precision - 1
            whole = st.integers(-bound, bound)
            found: st.SearchStrategy[Any] = whole.map(lambda number: _decimal(number, scale))
        case "array":
            found = st.lists(values(type_.parts[0]), max_size=3)
        case "map":
            found = st.dictionaries(not_null(type_.parts[0]), values(type_.parts[1]), max_size=3)
        case "struct":
            found = st.fixed_dictionaries({name: values(inner) for name, inner in type_.fields})
        case _:
            found = _SCALARS[type_.name]
    return st.none() | found


def not_null(type_: SqlType) -> st.SearchStrategy[Any]:
    """Draw a value of a type that is not null."""
    return values(type_).filter(lambda value: value is not None)


def columns(*, without: frozenset[str] = frozenset(), at_most: int = 4) -> st.SearchStrategy[tuple[MockColumn, ...]]:
    """Draw some columns; no two have the same name, in whatever case."""
    column = st.builds(MockColumn, NAMES, types(without=without))
    found = st.lists(column, min_size=1, max_size=at_most, unique_by=lambda column: column.name.lower())
    return found.map(tuple)


def rows(of: tuple[MockColumn, ...], at_most: int = 6) -> st.SearchStrategy[tuple[tuple[Any, ...], ...]]:
    """Draw rows of some columns."""
    return st.lists(st.tuples(*(values(column.type) for column in of)), max_size=at_most).map(tuple)


def mocks() -> st.SearchStrategy[Mock]:
    """Draw a mock."""
    return columns().flatmap(lambda of: rows(of).map(lambda found: Mock(Path("mock.yaml"), "db.table", of, found)))


def _decimal(number: int, scale: int) -> Any:
    from decimal import Context, Decimal

    return Decimal(number).scaleb(-scale, Context(prec=60))
