"""Rows worth a look in a stream of millions: extremes, nulls, ties, rare values, and an even spread of the rest.

Each piece of a table is looked at by itself, by Arrow's kernels and without a Python object per row, and what was found
is joined in the pieces' order: the same table gives the same rows, however many threads look.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

FEW = 1_000
"""Distinct values up to which a column is one of few values, such as a country, each of which is worth a row."""

_PREFIX = 65_536  # rows that tell whether a column may be one of few values
_TOP = 32  # greatest values of a column, among which ties are looked for
_RAREST, _COMMONEST = 64, 8


@dataclass(frozen=True)
class RowRef:
    """A row that was found: the number of its bag, and its number in there."""

    batch: int
    row: int


@dataclass
class ColumnFindings:
    """What was found in one column.

    Attributes:
        firsts: The first row of each kind: `null`, `zero`, `nan`, `empty`.
        least: The row of the least value, with it.
        greatest: The row of the greatest value, with it.
        longest: The row of the longest text or list, with its length.
        values: Each value's count and first row; None for a column of many values.
        top: Rows of the greatest values of a column of many.
    """

    firsts: dict[str, RowRef] = field(default_factory=dict)
    least: tuple[Any, RowRef] | None = None
    greatest: tuple[Any, RowRef] | None = None
    longest: tuple[int, RowRef] | None = None
    values: dict[Any, tuple[int, RowRef]] | None = field(default_factory=dict)
    top: list[tuple[Any, RowRef]] = field(default_factory=list)


@dataclass
class NotableRows:
    """The notable rows of some pieces of a table.

    Attributes:
        columns: What was found in each column, or field of a struct, by its path.
        bags: The rows that were found, one table for each piece.
        spread: Rows at even distances.
        rows: How many rows were read.
    """

    columns: dict[tuple[str, ...], ColumnFindings] = field(default_factory=dict)
    batches: list[pa.Table] = field(default_factory=list)
    spread: list[RowRef] = field(default_factory=list)
    rows: int = 0

    def add(self, other: NotableRows) -> None:
        """Add what was found in the pieces that follow."""
        offset = len(self.batches)
        self.batches += other.batches
        self.rows += other.rows
        self.spread += [_moved(ref, offset) for ref in other.spread]
        for path, found in other.columns.items():
            own = self.columns.get(path)
            if own is None:
                self.columns[path] = _join(ColumnFindings(), found, offset)
            else:
                _join(own, found, offset)

    def pool(self, spread: int) -> pa.Table:
        """Return the rows that were found, in the order of the table, with at most so many from the even spread."""
        import pyarrow as pa

        refs = {ref for found in self.columns.values() for ref in _refs(found)}
        refs.update(_evenly(self.spread, spread))
        wanted: dict[int, list[int]] = {}
        for ref in sorted(refs, key=lambda ref: (ref.batch, ref.row)):
            wanted.setdefault(ref.batch, []).append(ref.row)
        return pa.concat_tables([self.batches[batch].take(rows) for batch, rows in wanted.items()])

    def counts(self) -> Mapping[tuple[str, ...], Mapping[Any, int]]:
        """Return how often each value of the columns of few values was seen."""
        return {
            path: {value: count for value, (count, _) in found.values.items()}
            for path, found in self.columns.items()
            if found.values is not None
        }


def find_notable(piece: pa.Table, spread: int) -> NotableRows:
    """Find the rows of a piece that are worth a look.

    Args:
        piece: Some rows of a table.
        spread: How many rows to take at even distances beside those that stand out.
    """
    piece = piece.combine_chunks()
    finder = _PieceScanner()
    columns = {path: finder.column(values) for path, values in leaves(piece)} if piece.num_rows else {}
    even = [finder.ref(row) for row in _evenly(range(piece.num_rows), spread)]
    batches = [piece.take(finder.rows)] if piece.num_rows else []
    return NotableRows(columns, batches, even, piece.num_rows)


def leaves(piece: pa.Table) -> Iterator[tuple[tuple[str, ...], pa.Array]]:
    """Yield the columns of a table with their paths, and those inside its structs."""
    import pyarrow as pa

    for name, column in zip(piece.column_names, piece.columns, strict=True):
        yield from _leaves((name,), column.chunk(0) if column.num_chunks else pa.array([], column.type))


def _leaves(path: tuple[str, ...], values: pa.Array) -> Iterator[tuple[tuple[str, ...], pa.Array]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    yield path, values
    if pa.types.is_struct(values.type):
        for i in range(values.type.num_fields):
            yield from _leaves((*path, values.type.field(i).name), pc.struct_field(values, i))


class _PieceScanner:
    """Looks at one piece's columns, and numbers the rows that it will keep."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self._refs: dict[int, RowRef] = {}

    def ref(self, row: int) -> RowRef:
        if row not in self._refs:
            self._refs[row] = RowRef(0, len(self.rows))
            self.rows.append(row)
        return self._refs[row]

    def column(self, values: pa.Array) -> ColumnFindings:
        import pyarrow as pa

        found = ColumnFindings()
        kind = values.type
        if values.null_count:
            self._first(found, "null", values.is_null())
        if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
            found.values = None
            self._lengths(found, _lengths(values))
        elif _is_comparable(kind):
            self._values(found, values)
        else:
            found.values = None
        return found

    def _values(self, found: ColumnFindings, values: pa.Array) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = values.type
        if pa.types.is_floating(kind) and (missing := pc.index(pc.is_nan(values), True).as_py()) >= 0:
            found.firsts["nan"] = self.ref(missing)
            values = pc.if_else(pc.is_nan(values), None, values)  # an extreme in Spark, and none here
        if values.null_count == len(values):
            return
        number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            self._lengths(found, pc.utf8_length(values))
        counted = self._count(values)
        if counted is None:
            found.values = None
            self._extremes(found, pc.min_max(values), values)
            if number and found.least and found.greatest and found.least[0] <= 0 <= found.greatest[0]:
                self._first(found, "zero", pc.equal(values, pa.scalar(0, kind)))
            if number or pa.types.is_timestamp(kind):
                self._tops(found, values)
            return
        found.values = counted
        if number and 0 in counted:
            found.firsts["zero"] = counted[0][1]
        order = sorted(counted)
        found.least, found.greatest = ((value, counted[value][1]) for value in (order[0], order[-1]))

    def _first(self, found: ColumnFindings, kind: str, mask: pa.Array) -> None:
        import pyarrow.compute as pc

        row = pc.index(mask, True).as_py()
        if row >= 0:
            found.firsts[kind] = self.ref(row)

    def _lengths(self, found: ColumnFindings, lengths: pa.Array) -> None:
        import pyarrow.compute as pc

        shortest, longest = pc.min_max(lengths).values()
        if longest.is_valid:
            found.longest = longest.as_py(), self.ref(pc.index(lengths, longest).as_py())
        if shortest.as_py() == 0:
            found.firsts["empty"] = self.ref(pc.index(lengths, shortest).as_py())

    def _extremes(self, found: ColumnFindings, extremes: pa.StructScalar, values: pa.Array) -> None:
        import pyarrow.compute as pc

        rows = [pc.index(values, extremes[which]).as_py() for which in ("min", "max")]
        least, greatest = plain_list(values.take(rows))
        found.least, found.greatest = (least, self.ref(rows[0])), (greatest, self.ref(rows[1]))

    def _tops(self, found: ColumnFindings, values: pa.Array) -> None:
        import pyarrow.compute as pc

        order = [("", "descending")]
        head = values.slice(0, _PREFIX).drop_null()
        if len(head) >= _TOP:  # what is less than so many of a part is not among as many of the whole
            bound = head[pc.select_k_unstable(head, _TOP, order)[_TOP - 1].as_py()]
            chosen_rows = pc.indices_nonzero(pc.greater_equal(values, bound))
            rows = sorted(chosen_rows.take(pc.select_k_unstable(values.take(chosen_rows), _TOP, order)).to_pylist())
        else:
            rows = sorted(pc.select_k_unstable(values, _TOP, order).to_pylist())
        chosen = zip(plain_list(values.take(rows)), rows, strict=True)
        found.top = [(value, self.ref(row)) for value, row in chosen if value is not None]

    def _count(self, values: pa.Array) -> dict[Any, tuple[int, RowRef]] | None:
        """Count a column's values, unless they are many; with the first row of each."""
        import pyarrow.compute as pc

        head = values.slice(0, _PREFIX)
        if len(pc.unique(head)) > FEW:
            return None
        distinct, counts = pc.value_counts(values.drop_null()).flatten()
        if len(distinct) > FEW:
            return None
        rows = pc.index_in(distinct, value_set=head).to_pylist()  # of equal ones the first
        rows = [pc.index(values, distinct[i]).as_py() if row is None else row for i, row in enumerate(rows)]
        found = zip(plain_list(distinct), counts.to_pylist(), rows, strict=True)
        return {value: (count, self.ref(row)) for value, count, row in found}


def plain_list(values: pa.Array) -> list[Any]:
    """Return values that Python can compare; moments as numbers, since Python's end with the year 9999."""
    import pyarrow as pa

    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("us", values.type.tz), safe=False).cast(pa.int64())
    elif pa.types.is_date(values.type):
        values = values.cast(pa.int32())
    found: list[Any] = values.to_pylist()
    return found


def _lengths(values: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_map(values.type):
        return pc.list_value_length(values)
    offsets = values.offsets
    return pc.if_else(values.is_valid(), pc.subtract(offsets.slice(1), offsets.slice(0, len(values))), None)


def _is_comparable(kind: pa.DataType) -> bool:
    import pyarrow as pa

    checks = (
        pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_string,
        pa.types.is_large_string, pa.types.is_date32, pa.types.is_timestamp, pa.types.is_binary,
        pa.types.is_large_binary,
    )  # fmt: skip
    return any(check(kind) for check in checks)


def _join(own: ColumnFindings, other: ColumnFindings, offset: int) -> ColumnFindings:
    for kind, ref in other.firsts.items():
        own.firsts.setdefault(kind, _moved(ref, offset))
    own.least = _better(own.least, other.least, offset, sign=-1)
    own.greatest = _better(own.greatest, other.greatest, offset, sign=1)
    own.longest = _better(own.longest, other.longest, offset, sign=1)
    moved = [(value, _moved(ref, offset)) for value, ref in other.top]
    own.top = sorted([*own.top, *moved], key=lambda top: top[0], reverse=True)[:_TOP]
    if other.values is None:
        own.values = None
    elif own.values is not None:
        for value, (count, ref) in other.values.items():
            before = own.values.get(value)
            own.values[value] = (before[0] + count, before[1]) if before else (count, _moved(ref, offset))
        if len(own.values) > FEW:
            own.values = None
    return own


def _better(own: tuple[Any, RowRef] | None, other: tuple[Any, RowRef] | None, offset: int, *, sign: int) -> Any:
    if other is None or (own is not None and (own[0] >= other[0] if sign > 0 else own[0] <= other[0])):
        return own
    return other[0], _moved(other[1], offset)


def _moved(ref: RowRef, offset: int) -> RowRef:
    return RowRef(ref.batch + offset, ref.row)


def _refs(found: ColumnFindings) -> Iterator[RowRef]:
    yield from found.firsts.values()
    for known in (found.least, found.greatest, found.longest):
        if known is not None:
            yield known[1]
    by_count = sorted((found.values or {}).values(), key=lambda known: (known[0], known[1].batch, known[1].row))
    yield from (ref for _, ref in (*by_count[:_RAREST], *by_count[-_COMMONEST:]))
    if found.values is None:
        yield from (ref for _, ref in found.top)


def _evenly(items: Any, count: int) -> list[Any]:
    """Choose so many of a sequence at even distances, the first one among them."""
    size = len(items)
    if size <= count:
        return list(items)
    return [items[i * size // count] for i in range(count)]
