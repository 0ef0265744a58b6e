"""How the rows of two tables differ: which are missing, unexpected or different, and in which cells."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dataflow.errors import UsageError
from dataflow.testing.diff_report import DiffReport, DiffStyle, describe
from dataflow.testing.row_matching import Row, Tolerance, equal, hashable, match

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import DataType

    from dataflow.mocks import Mock
    from dataflow.sail.session import SailFrame

_NEW = object()
_PAIRS_AT_MOST = 100_000  # beyond this, looking for the most similar row costs more than it helps
_NEARLY_NOTHING = 1e-6


@dataclass(frozen=True)
class RowSet:
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
) -> RowSet:
    """Collect a table's or a DataFrame's rows.

    Args:
        spark: The session.
        table: A table's name, or a DataFrame.
        columns: The only columns wanted, those that are not there aside; all when None.
        title: What to call it in a message; by the table's own name when empty.
    """
    from dataflow.mocks.scan_spark import ddl_of
    from dataflow.sail.session import SailFrame

    frame = spark.table(table) if isinstance(table, str) else table
    title = title or (table.rpartition(".")[2] if isinstance(table, str) else "the table")
    if isinstance(frame, SailFrame):
        return _sail_rows(frame, columns, title)
    from pyspark.sql.functions import col

    have = frame.schema.fields
    frame = frame.toDF(*(f"c{i}" for i in range(len(have))))  # by place: two columns may have one name
    places = _places([it.name for it in have], columns)
    fields = [have[i] for i in places]
    types = tuple(ddl_of(column.dataType) for column in fields)
    # PySpark would collect a timestamp in the time zone of the machine: take the session's, which is UTC.
    cells = [col(f"c{i}").cast(_wall_clock(have[i].dataType)) for i in places]
    rows = [tuple(map(_plain, row)) for row in frame.select(cells).collect()]
    return RowSet(title, tuple(column.name for column in fields), rows, types)


def _places(have: Sequence[str], columns: Sequence[str] | None) -> list[int]:
    """Return the places of the columns that are wanted, in the order in which they are."""
    if columns is None:
        return list(range(len(have)))
    wanted = dict.fromkeys(name.lower() for name in columns)
    return [i for name in wanted for i, column in enumerate(have) if column.lower() == name]


def _sail_rows(frame: SailFrame, columns: Sequence[str] | None, title: str) -> RowSet:
    """Return rows that Sail has found, as those that Spark has."""
    from dataflow.mocks.scan_spark import ddl_of
    from dataflow.sail.rows import plain_values

    found = frame.toArrow()
    places = _places(found.schema.names, columns)
    types = [ddl_of(it.dataType) for it in frame.schema.fields]
    cells = [map(_plain, plain_values(found.column(i))) for i in places]
    rows = list(zip(*cells, strict=True)) if cells else [()] * found.num_rows
    names = tuple(found.schema.names[i] for i in places)
    return RowSet(title, names, rows, tuple(types[i] for i in places))


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


def expected_rows(expected: Sequence[Mapping[str, object]]) -> RowSet:
    """Return rows given as mappings by column; a column that one of them leaves out is null.

    Raises:
        UsageError: One of them names a column twice, in different cases.
    """
    spelled: dict[str, str] = {}
    folded = []
    for row in expected:
        values: dict[str, object] = {}
        for name, value in row.items():
            known = spelled.setdefault(name.lower(), name)
            if name.lower() in values:
                raise UsageError(f"an expected row has '{known}' and '{name}', which are one column to Spark")
            values[name.lower()] = value
        folded.append(values)
    rows = [tuple(_plain(values.get(name)) for name in spelled) for values in folded]
    return RowSet("the expected rows", tuple(spelled.values()), rows)


def mock_rows(mock: Mock, title: str) -> RowSet:
    """Return a mock's rows."""
    rows = [tuple(map(_plain, row)) for row in mock.rows]
    types = tuple(str(column.type) for column in mock.columns)
    return RowSet(title, tuple(column.name for column in mock.columns), rows, types)


def difference(
    actual: RowSet,
    expected: RowSet,
    keys: Sequence[str],
    tolerance: Tolerance | None = None,
    style: DiffStyle | None = None,
) -> str:
    """Return how a table differs from what is expected, as text; empty when it does not.

    Args:
        actual: The table.
        expected: What it should be.
        keys: Columns by which rows that differ belong together; without, the most similar ones do.
        tolerance: By how much two floating point values may differ.
        style: How it is shown.
    """
    tolerance = tolerance or Tolerance()
    if expected.columns or expected.rows:
        if problems := _columns(actual, expected, keys):
            return "\n".join([f"{actual.title} does not have the columns of {expected.title}:", *problems])
        order = [_position(actual.columns, name) for name in expected.columns]
        found = [tuple(row[i] for i in order) for row in actual.rows]
    else:  # no rows given as mappings: the columns are not known, and need not be
        expected, found = RowSet(expected.title, actual.columns, []), list(actual.rows)
    matched = match(expected.rows, found, tolerance)
    missing = _without(expected.rows, {i for i, _ in matched.pairs})
    unexpected = _without(found, {j for _, j in matched.pairs})
    if not missing and not unexpected:
        return ""
    positions = [_position(expected.columns, key) for key in keys]
    pairs = _by_key(missing, unexpected, positions) if keys else _by_likeness(missing, unexpected, tolerance)
    differing = [
        tuple((e, a, equal(e, a, tolerance)) for e, a in zip(missing[i], unexpected[j], strict=True)) for i, j in pairs
    ]
    return describe(
        DiffReport(
            actual=actual.title,
            expected=expected.title,
            columns=expected.columns,
            counts=(len(found), len(expected.rows)),
            differing=differing,
            missing=_without(missing, {i for i, _ in pairs}),
            unexpected=_without(unexpected, {j for _, j in pairs}),
            key=[expected.columns[i] for i in positions],
            remarks=list(_remarks(missing, unexpected, tolerance, exact=matched.exact)),
        ),
        style,
    )


def _remarks(missing: Sequence[Row], unexpected: Sequence[Row], tolerance: Tolerance, *, exact: bool) -> Iterator[str]:
    """Yield remarks on how the tolerance affects a difference."""

    def has(rows: Sequence[Row], column: int, *, nought: bool) -> bool:
        cells = [row[column] for row in rows if isinstance(row[column], float | int)]
        return any(not cell if nought else cell and abs(cell) < _NEARLY_NOTHING for cell in cells)

    if tolerance.rtol and not tolerance.atol and missing and unexpected:
        sides = (missing, unexpected), (unexpected, missing)
        pairs = [(one, other, i) for one, other in sides for i in range(len(missing[0]))]
        if any(has(one, i, nought=True) and has(other, i, nought=False) for one, other, i in pairs):
            yield "a relative tolerance never reaches 0.0; atol is an absolute one, such as 1.0e-12"
    if not exact:
        yield "many rows are close to each other and were paired by order; a smaller tolerance pairs them better"


def ordered_as(rows: RowSet, names: Sequence[str]) -> RowSet:
    """Return rows with these columns first, in this order and spelling, as far as there are such."""
    have = [name.lower() for name in rows.columns]
    first = [name for name in names if name.lower() in have]
    spelled = {name.lower(): name for name in first}
    order = [have.index(name.lower()) for name in first]
    order += [i for i, name in enumerate(have) if name not in spelled]
    columns = tuple(spelled.get(have[i], rows.columns[i]) for i in order)
    values = [tuple(row[i] for i in order) for row in rows.rows]
    return RowSet(rows.title, columns, values, tuple(rows.types[i] for i in order))


def updated(actual: RowSet, expected: RowSet, keys: Sequence[str], tolerance: Tolerance) -> list[Row]:
    """Return a table's rows as an update of those expected: in their order and columns, new ones at the end.

    Values that differ by no more than the tolerance stay as expected.

    Args:
        actual: The table; its columns stand in the order of those expected, as far as there are any.
        expected: What it should have been.
        keys: Columns by which rows belong together; without, the most similar ones do.
        tolerance: By how much two floating point values may differ.
    """
    types = dict(zip(expected.columns, expected.types, strict=True))
    places = [
        _position(expected.columns, name) if types.get(name) == type_ else None
        for name, type_ in zip(actual.columns, actual.types, strict=True)
    ]
    # What no value equals stands where the column is new, or of another type.
    wanted = [tuple(_NEW if i is None else row[i] for i in places) for row in expected.rows]
    same = dict(match(wanted, actual.rows, tolerance).pairs)
    known = set(same.values())
    left = [i for i in range(len(wanted)) if i not in same]
    new = [j for j in range(len(actual.rows)) if j not in known]
    missing, unexpected = [wanted[i] for i in left], [actual.rows[j] for j in new]
    positions = [_position(actual.columns, key) for key in keys if key in types]
    pairs = _by_key(missing, unexpected, positions) if positions else _by_likeness(missing, unexpected, tolerance)
    instead: dict[int, Row | None] = dict.fromkeys(left)
    for i, j in pairs:
        cells = zip(missing[i], unexpected[j], strict=True)
        instead[left[i]] = tuple(e if e is not _NEW and equal(e, a, tolerance) else a for e, a in cells)
    kept = [instead.get(i, row) for i, row in enumerate(wanted)]
    added = sorted(_without(unexpected, {j for _, j in pairs}), key=str)
    return [*(row for row in kept if row is not None), *added]


def _columns(actual: RowSet, expected: RowSet, keys: Sequence[str]) -> list[str]:
    """List what is wrong with the columns; names are compared as Spark does, without regard to case."""
    have, want = ([name.lower() for name in rows.columns] for rows in (actual, expected))
    types = dict(zip(have, actual.types, strict=False))
    problems = [f"  missing     {name}" for name in expected.columns if name.lower() not in have]
    problems += [f"  unexpected  {name}" for name in actual.columns if name.lower() not in want]
    for rows in (actual, expected):
        counts = Counter(name.lower() for name in rows.columns)
        problems += [
            f"  ambiguous   {count} columns of {rows.title} are called {name}; give each a name of its own"
            for name, count in counts.items()
            if count > 1
        ]
    for name, type_ in zip(expected.columns, expected.types, strict=False):
        if (found := types.get(name.lower(), type_)) != type_:
            shown = (it.replace("`", "") for it in (found, type_))
            problems.append("  differs     {} is {}, expected {}".format(name, *shown))
    problems += [f"  key         {key} is not a column" for key in keys if key.lower() not in want]
    return problems


def _position(columns: Sequence[str], name: str) -> int:
    return [column.lower() for column in columns].index(name.lower())


def _by_key(missing: Sequence[Row], unexpected: Sequence[Row], key: list[int]) -> list[tuple[int, int]]:
    waiting: dict[Row, list[int]] = defaultdict(list)
    for j in reversed(range(len(unexpected))):
        waiting[tuple(hashable(unexpected[j][k]) for k in key)].append(j)
    pairs = []
    for i, row in enumerate(missing):
        if candidates := waiting.get(tuple(hashable(row[k]) for k in key)):
            pairs.append((i, candidates.pop()))
    return pairs


def _by_likeness(missing: Sequence[Row], unexpected: Sequence[Row], tolerance: Tolerance) -> list[tuple[int, int]]:
    """Pair rows of which more than half of the cells are equal, the most similar first."""
    if len(missing) * len(unexpected) > _PAIRS_AT_MOST:
        return []
    likeness = (
        (sum(equal(e, a, tolerance) for e, a in zip(wanted, found, strict=True)), i, j)
        for i, wanted in enumerate(missing)
        for j, found in enumerate(unexpected)
    )
    enough = len(missing[0]) / 2 if missing else 0
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in sorted((x for x in likeness if x[0] > enough), key=lambda x: (-x[0], x[1], x[2])):
        if i not in pairs and j not in taken:
            pairs[i] = j
            taken.add(j)
    return sorted(pairs.items())


def _without(rows: Sequence[Row], gone: set[int]) -> list[Row]:
    return [row for i, row in enumerate(rows) if i not in gone]


def _plain(value: Any) -> Any:
    """Turn a value into what compares well: structs as dicts, timestamps in UTC without saying so."""
    match value:
        case dict():
            return {_plain(k): _plain(v) for k, v in value.items()}
        case tuple() if hasattr(value, "asDict"):
            return _fields(value)
        case list() | tuple():
            return [_plain(item) for item in value]
        case bytearray():
            return bytes(value)
        case dt.datetime(tzinfo=zone) if zone is not None:
            return _in_utc(value)
        case _:
            return value


def _in_utc(moment: dt.datetime) -> dt.datetime:
    with contextlib.suppress(OverflowError):  # before the year 1 or after 9999: no collected value equals it
        return moment.astimezone(dt.UTC).replace(tzinfo=None)
    return moment


def _fields(struct: Any) -> dict[str, Any]:
    """Return a struct's values by field; the second of one name gets a number, as it is not the first."""
    found: dict[str, Any] = {}
    for name, value in zip(struct.__fields__, struct, strict=True):
        number = 2
        own = name
        while own in found:
            own, number = f"{name} ({number})", number + 1
        found[own] = _plain(value)
    return found
