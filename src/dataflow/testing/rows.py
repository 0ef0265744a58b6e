"""How the rows of two tables differ: which are missing, unexpected or different, and in which cells."""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from dataflow.testing.report import Difference, Look, describe

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import DataType

    from dataflow.mocks import Mock

Row = tuple[Any, ...]

_NEW = object()
_PAIRS_AT_MOST = 100_000  # beyond this, looking for the most similar row costs more than it tells


@dataclass(frozen=True)
class Rows:
    """A table's rows, in whatever order.

    Attributes:
        title: What to call the table in a message.
        columns: Their names.
        rows: Values in the columns' order.
        types: The columns' Spark types; empty when none are known.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Row]
    types: tuple[str, ...] = field(default=())


def table_rows(
    spark: SparkSession, table: str | DataFrame, columns: Sequence[str] | None = None, title: str = ""
) -> Rows:
    """Collect a table's or a DataFrame's rows.

    Args:
        spark: The session.
        table: A table's name, or a DataFrame.
        columns: The only columns wanted, those that are not there aside; all when None.
        title: What to call it in a message; by the table's own name when empty.
    """
    from pyspark.sql.functions import col

    frame = spark.table(table) if isinstance(table, str) else table
    if columns is not None:
        have = {name.lower() for name in frame.columns}
        frame = frame.select(*(f"`{name.replace('`', '``')}`" for name in columns if name.lower() in have))
    fields = frame.schema.fields
    types = tuple(column.dataType.simpleString() for column in fields)
    frame = frame.toDF(*(f"c{i}" for i in range(len(fields))))
    # PySpark would collect a timestamp in the time zone of the machine: take the session's, which is UTC.
    cells = [col(f"c{i}").cast(_wall_clock(column.dataType)) for i, column in enumerate(fields)]
    rows = [tuple(map(_plain, row)) for row in frame.select(cells).collect()]
    title = title or (table.rpartition(".")[2] if isinstance(table, str) else "the table")
    return Rows(title, tuple(column.name for column in fields), rows, types)


def _wall_clock(type_: DataType) -> DataType:
    """Return a type with its timestamps, however deep they lie, as they show in the session."""
    from pyspark.sql import types

    match type_:
        case types.TimestampType():
            return types.TimestampNTZType()
        case types.ArrayType():
            return types.ArrayType(_wall_clock(type_.elementType), type_.containsNull)
        case types.MapType():
            value = _wall_clock(type_.valueType)
            return types.MapType(_wall_clock(type_.keyType), value, type_.valueContainsNull)
        case types.StructType():
            return types.StructType(
                [types.StructField(part.name, _wall_clock(part.dataType), part.nullable) for part in type_]
            )
        case _:
            return type_


def expected_rows(expected: Sequence[Mapping[str, object]]) -> Rows:
    """Return rows given as mappings by column; a column that one of them leaves out is null."""
    columns = tuple(dict.fromkeys(name for row in expected for name in row))
    return Rows("the expected rows", columns, [tuple(_plain(row.get(c)) for c in columns) for row in expected])


def mock_rows(mock: Mock, title: str) -> Rows:
    """Return a mock's rows."""
    rows = [tuple(map(_plain, row)) for row in mock.rows]
    types = tuple(str(column.type).replace("`", "") for column in mock.columns)
    return Rows(title, tuple(column.name for column in mock.columns), rows, types)


def difference(actual: Rows, expected: Rows, keys: Sequence[str], rtol: float, look: Look | None = None) -> str:
    """Say how a table differs from what was expected, in a text to be read; empty when it does not.

    Args:
        actual: The table.
        expected: What it should be.
        keys: Columns by which rows that differ belong together; without, the most similar ones do.
        rtol: By how much two floating point values may differ, relatively.
        look: How it is shown.
    """
    if expected.columns or expected.rows:
        if problems := _columns(actual, expected, keys):
            return "\n".join([f"{actual.title} does not have the columns of {expected.title}:", *problems])
        order = [_position(actual.columns, name) for name in expected.columns]
        found = [tuple(row[i] for i in order) for row in actual.rows]
    else:  # no rows given as mappings: nothing tells the columns, and nothing needs to
        expected, found = Rows(expected.title, actual.columns, []), list(actual.rows)
    missing, unexpected = _unmatched(expected.rows, found, rtol)
    if not missing and not unexpected:
        return ""
    positions = [_position(expected.columns, key) for key in keys]
    pairs = _by_key(missing, unexpected, positions) if keys else _by_likeness(missing, unexpected, rtol)
    differing = [(missing[i], unexpected[j]) for i, j in pairs]
    return describe(
        Difference(
            actual=actual.title,
            expected=expected.title,
            columns=expected.columns,
            counts=(len(found), len(expected.rows)),
            differing=[tuple((e, a, _equal(e, a, rtol)) for e, a in zip(*pair, strict=True)) for pair in differing],
            missing=_without(missing, {i for i, _ in pairs}),
            unexpected=_without(unexpected, {j for _, j in pairs}),
            key=[expected.columns[i] for i in positions],
        ),
        look,
    )


def ordered_as(rows: Rows, names: Sequence[str]) -> Rows:
    """Return rows with these columns first, in this order and spelling, as far as there are such."""
    have = [name.lower() for name in rows.columns]
    first = [name for name in names if name.lower() in have]
    spelled = {name.lower(): name for name in first}
    order = [have.index(name.lower()) for name in first]
    order += [i for i, name in enumerate(have) if name not in spelled]
    columns = tuple(spelled.get(have[i], rows.columns[i]) for i in order)
    values = [tuple(row[i] for i in order) for row in rows.rows]
    return Rows(rows.title, columns, values, tuple(rows.types[i] for i in order))


def updated(actual: Rows, expected: Rows, keys: Sequence[str], rtol: float) -> list[Row]:
    """Return a table's rows as an update of those expected: in their order and columns, new ones at the end.

    Values that differ by no more than the tolerance stay as expected.

    Args:
        actual: The table; its columns stand in the order of those expected, as far as there are any.
        expected: What it should have been.
        keys: Columns by which rows belong together; without, the most similar ones do.
        rtol: By how much two floating point values may differ, relatively.
    """
    types = dict(zip(expected.columns, expected.types, strict=True))
    places = [
        _position(expected.columns, name) if types.get(name) == type_ else None
        for name, type_ in zip(actual.columns, actual.types, strict=True)
    ]
    # What no value equals stands where the column is new, or of another type.
    wanted = [tuple(_NEW if i is None else row[i] for i in places) for row in expected.rows]
    missing, unexpected = _unmatched(wanted, actual.rows, rtol)
    positions = [_position(actual.columns, key) for key in keys if key in types]
    pairs = _by_key(missing, unexpected, positions) if positions else _by_likeness(missing, unexpected, rtol)
    instead: dict[int, Row | None] = {id(row): None for row in missing}
    for i, j in pairs:
        cells = zip(missing[i], unexpected[j], strict=True)
        instead[id(missing[i])] = tuple(e if _equal(e, a, rtol) else a for e, a in cells)
    kept = [instead.get(id(row), row) for row in wanted]
    added = sorted(_without(unexpected, {j for _, j in pairs}), key=str)
    return [*(row for row in kept if row is not None), *added]


def _columns(actual: Rows, expected: Rows, keys: Sequence[str]) -> list[str]:
    """List what is wrong with the columns; names are compared as Spark does, without regard to case."""
    have = {name.lower(): type_ for name, type_ in zip_longest(actual.columns, actual.types)}
    want = [name.lower() for name in expected.columns]
    problems = [f"  missing     {name}" for name in expected.columns if name.lower() not in have]
    problems += [f"  unexpected  {name}" for name in actual.columns if name.lower() not in want]
    for name, type_ in zip(expected.columns, expected.types, strict=False):
        if (found := have.get(name.lower())) not in {None, type_}:
            problems.append(f"  differs     {name} is {found}, expected {type_}")
    problems += [f"  key         {key} is not a column" for key in keys if key.lower() not in want]
    return problems


def _position(columns: Sequence[str], name: str) -> int:
    return [column.lower() for column in columns].index(name.lower())


def _unmatched(expected: Sequence[Row], actual: Sequence[Row], rtol: float) -> tuple[list[Row], list[Row]]:
    """Take away the rows that are equal, and return what is left on either side."""
    inexact = {i for row in (*expected, *actual) for i, cell in enumerate(row) if _has_float(cell)}

    def exact(row: Row) -> Row:
        return tuple(_hashable(cell) for i, cell in enumerate(row) if i not in inexact)

    waiting: dict[Row, list[int]] = defaultdict(list)
    for i, row in enumerate(actual):
        waiting[exact(row)].append(i)
    missing, matched = [], set()
    for row in expected:
        candidates = waiting.get(exact(row), [])
        match = next((i for i in candidates if _equal_rows(row, actual[i], rtol)), None)
        if match is None:
            missing.append(row)
        else:
            candidates.remove(match)
            matched.add(match)
    return missing, _without(actual, matched)


def _by_key(missing: list[Row], unexpected: list[Row], key: list[int]) -> list[tuple[int, int]]:
    waiting: dict[Row, list[int]] = defaultdict(list)
    for j, row in enumerate(unexpected):
        waiting[tuple(_hashable(row[k]) for k in key)].append(j)
    pairs = []
    for i, row in enumerate(missing):
        if candidates := waiting.get(tuple(_hashable(row[k]) for k in key)):
            pairs.append((i, candidates.pop(0)))
    return pairs


def _by_likeness(missing: list[Row], unexpected: list[Row], rtol: float) -> list[tuple[int, int]]:
    """Pair rows of which more than half of the cells are equal, the most similar first."""
    if len(missing) * len(unexpected) > _PAIRS_AT_MOST:
        return []
    likeness = (
        (sum(_equal(e, a, rtol) for e, a in zip(wanted, found, strict=True)), i, j)
        for i, wanted in enumerate(missing)
        for j, found in enumerate(unexpected)
    )
    enough = len(missing[0]) / 2 if missing else 0
    pairs: dict[int, int] = {}
    for _, i, j in sorted((x for x in likeness if x[0] > enough), key=lambda x: (-x[0], x[1], x[2])):
        if i not in pairs and j not in pairs.values():
            pairs[i] = j
    return sorted(pairs.items())


def _without(rows: Sequence[Row], gone: set[int]) -> list[Row]:
    return [row for i, row in enumerate(rows) if i not in gone]


def _plain(value: Any) -> Any:
    """Turn a value into what compares well: structs as dicts, timestamps in UTC without saying so."""
    match value:
        case dict():
            return {_plain(k): _plain(v) for k, v in value.items()}
        case tuple() if hasattr(value, "asDict"):
            return {k: _plain(v) for k, v in value.asDict().items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case bytearray():
            return bytes(value)
        case dt.datetime(tzinfo=zone) if zone is not None:
            return value.astimezone(dt.UTC).replace(tzinfo=None)
        case _:
            return value


def _equal_rows(expected: Row, actual: Row, rtol: float) -> bool:
    return all(_equal(e, a, rtol) for e, a in zip(expected, actual, strict=True))


def _equal(expected: Any, actual: Any, rtol: float) -> bool:
    match expected, actual:
        case (float(), int() | float()) | (int(), float()):
            both_nan = math.isnan(expected) and math.isnan(actual)
            return both_nan or math.isclose(expected, actual, rel_tol=rtol)
        case list(), list():
            return len(expected) == len(actual) and _equal_rows(tuple(expected), tuple(actual), rtol)
        case dict(), dict():
            return expected.keys() == actual.keys() and all(_equal(v, actual[k], rtol) for k, v in expected.items())
        case _:
            return bool(expected == actual)


def _has_float(value: Any) -> bool:
    match value:
        case float():
            return True
        case list():
            return any(map(_has_float, value))
        case dict():
            return any(map(_has_float, value.values()))
        case _:
            return False


def _hashable(value: Any) -> Any:
    match value:
        case list():
            return tuple(map(_hashable, value))
        case dict():
            return frozenset((k, _hashable(v)) for k, v in value.items())
        case _:
            return value
