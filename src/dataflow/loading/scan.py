"""The first reading of all files: which columns they have, of which types, and which rows are bad."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.errors import UsageError, did_you_mean, display_path
from dataflow.loading.chunks import BadRows, Chunk, Reader, require_names
from dataflow.loading.convert import arrow_type, converted, shown
from dataflow.loading.kinds import STRING, DifferentKindsError, common, kind_of, kind_of_text, settled
from dataflow.tables.schema.spark_types import SqlType

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """A column, as it will be loaded.

    Attributes:
        name: Its name.
        type: Its type.
        example: The first of its values, cut; None where there is none.
        nulls: How many rows have none.
        because: Why it is text although it began as something else; None where it is not so.
    """

    name: str
    type: SqlType
    example: str | None = None
    nulls: int = 0
    because: str | None = None


@dataclass(frozen=True)
class Wanted:
    """What is known of the columns before any file is read.

    Attributes:
        types: The types that some columns have to have, by name.
        required: Those that may not be null.
        all: Whether there may be no others: they are those of a table.
    """

    types: Mapping[str, SqlType] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    all: bool = False

    def name_of(self, name: str) -> str:
        """Return the name as it is declared; Spark makes no difference between upper and lower case."""
        return next((it for it in self.types if it.lower() == name.lower()), name)


@dataclass(frozen=True)
class Scan:
    """What all files have.

    Attributes:
        columns: The columns, in the order in which they were met.
        rows: How many rows can be loaded.
        bad: Those that can't.
    """

    columns: tuple[Column, ...]
    rows: int
    bad: BadRows


def scan(readers: Sequence[Reader], wanted: Wanted) -> Scan:
    """Read all files once.

    Args:
        readers: The files.
        wanted: What is known of the columns.

    Raises:
        UsageError: The files can't be one table: their columns, or types, don't go together.
    """
    _require_same_names(readers)
    bad, found, rows = BadRows(), dict[str, _Seen](), 0
    for reader in readers:
        seen = {wanted.name_of(name): _Seen(reader.path, type=reader.types.get(name)) for name in reader.names}
        for chunk in _converted_chunks(reader, wanted, bad):
            rows += len(chunk.lines)
            for name, values in chunk.columns.items():
                column = seen.setdefault(name, _Seen(reader.path))
                column.add(name, values, chunk.lines, kind_of_text if reader.is_text else kind_of)
        for name, one in seen.items():
            found[name] = _together(name, found[name], one, wanted) if name in found else one
    require_names(readers[0].path, list(found))
    _require_known(readers[0].path, list(found), wanted)
    columns = (
        Column(name, wanted.types.get(name) or settled(it.type), it.example, rows - it.values, it.because)
        for name, it in found.items()
    )
    return Scan(tuple(columns), rows, bad)


def batches(
    readers: Sequence[Reader], columns: Sequence[Column], wanted: Wanted, bad: BadRows
) -> Iterator[pa.RecordBatch]:
    """Read all files once more, and yield their good rows as Arrow has them, a chunk at a time.

    Args:
        readers: The files.
        columns: What the rows are to have, in order; null where a file has nothing of it.
        wanted: What was known of the columns.
        bad: Receives the rows that are left out.
    """
    import pyarrow as pa

    every = Wanted({it.name: it.type for it in columns}, wanted.required)
    schema = pa.schema([pa.field(it.name, arrow_type(it.type), it.name not in wanted.required) for it in columns])
    for reader in readers:
        for chunk in _converted_chunks(reader, every, bad):
            count = len(chunk.lines)
            arrays = [chunk.columns.get(it.name, pa.nulls(count, arrow_type(it.type))) for it in columns]
            yield pa.RecordBatch.from_arrays([_flat(it) for it in arrays], schema=schema)


def _flat(array: Any) -> pa.Array:
    return array.combine_chunks() if hasattr(array, "combine_chunks") else array


def _converted_chunks(reader: Reader, wanted: Wanted, bad: BadRows) -> Iterator[Chunk]:
    """Yield a file's good rows, the columns of known types converted to them."""
    for chunk in reader.chunks(bad):
        columns = {wanted.name_of(name): values for name, values in chunk.columns.items()}
        wrong: dict[int, str] = {}
        for name, type_ in wanted.types.items():
            if name in columns:
                columns[name], reasons = converted(columns[name], type_)
                for position, reason in reasons.items():
                    wrong.setdefault(position, f"column '{name}': {reason}")
        for name in wanted.required:
            for position in _nulls(columns.get(name), len(chunk.lines)):
                wrong.setdefault(position, f"column '{name}': null, and the table's column is NOT NULL")
        yield _without(Chunk(columns, chunk.lines), wrong, reader.path, bad) if wrong else Chunk(columns, chunk.lines)


def _nulls(values: Any, count: int) -> Iterator[int]:
    if values is None:
        yield from range(count)
    elif values.null_count:
        yield from (position for position in range(count) if not values[position].is_valid)


def _without(chunk: Chunk, wrong: Mapping[int, str], path: Path, bad: BadRows) -> Chunk:
    """Return a chunk without its bad rows, which are noted."""
    for position in sorted(wrong):
        bad.add(path, chunk.lines[position], wrong[position])
    kept = [position for position in range(len(chunk.lines)) if position not in wrong]
    columns = {
        name: values.take(kept) if hasattr(values, "take") else [values[it] for it in kept]
        for name, values in chunk.columns.items()
    }
    return Chunk(columns, [chunk.lines[it] for it in kept])


@dataclass
class _Seen:
    """What one file shows of one column.

    Attributes:
        path: The file.
        type: The type of what was seen so far.
        place: The line and the value that made it so.
        example: The first value.
        values: How many there are.
        because: Why it is text although it began as something else.
    """

    path: Path
    type: SqlType | None = None
    place: tuple[int, Any] | None = None
    example: str | None = None
    values: int = 0
    because: str | None = None
    _done: set[int] = field(default_factory=set)

    def add(self, name: str, values: Any, lines: Sequence[int], kind_of: Callable[[Any], SqlType | None]) -> None:
        """Take in the values of a chunk.

        Raises:
            UsageError: They have no type in common, not even text.
        """
        if hasattr(values, "null_count"):  # its type is known
            self._add_array(values)
            return
        for position, value in enumerate(values):
            if value is None:
                continue
            self.values += 1
            try:
                kind = kind_of(value)
            except ValueError as error:
                raise UsageError(
                    f"{self._where(lines[position])}: column '{name}': {shown(value)} has no type: {error}",
                    f"to take it as text: --type {name}=string",
                ) from None
            if id(kind) not in self._done:
                self._widen(name, kind, lines[position], value)

    def _add_array(self, values: Any) -> None:
        self.values += len(values) - values.null_count
        if self.example is None and len(values) > values.null_count:
            first = values.drop_null()[0].as_py()
            self.example = first if isinstance(first, str) else _text(first)

    def _widen(self, name: str, kind: SqlType | None, line: int, value: Any) -> None:
        if self.example is None:
            self.example = _text(value)
        try:
            wider = common(self.type, kind)
        except DifferentKindsError:
            if self.type is None or self.type.nested or (kind is not None and kind.nested):
                raise UsageError(
                    f"{self._where(line)}: column '{name}': {shown(value)} is {kind}, and {self._first()}",
                    f"a column has one type; to take it as text: --type {name}=string",
                ) from None
            wider = STRING
            if self.type != STRING:
                self.because = f"line {line:,} has {shown(value)}, which is not a {self.type.name}"
        if wider != self.type or self.place is None:
            self.place = (line, value)
        self.type = wider
        if kind is not None and not kind.nested:
            self._done.add(id(kind))

    def _where(self, line: int) -> str:
        return f"{display_path(self.path)}:{line}"

    def _first(self) -> str:
        line, value = self.place or (1, None)
        return f"{shown(value)} on line {line:,} is {self.type}"

    def said(self) -> str:
        """Say where the type comes from."""
        if self.place is None:
            return f"{display_path(self.path)} says {self.type}"
        line, value = self.place
        return f"{self._where(line)} has {shown(value)}, which is {settled(self.type)}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else shown(value).strip("'")


def _together(name: str, one: _Seen, other: _Seen, wanted: Wanted) -> _Seen:
    """Put together what two files show of a column.

    Raises:
        UsageError: Their types have nothing in common; both places are named.
    """
    try:
        type_ = wanted.types.get(name) or common(one.type, other.type)
    except DifferentKindsError:
        raise UsageError(
            f"column '{name}' differs: {one.said()}; {other.said()}", f"to take both as text: --type {name}=string"
        ) from None
    widest = other if type_ != one.type and other.place else one
    return _Seen(
        widest.path,
        type_,
        widest.place,
        one.example if one.example is not None else other.example,
        one.values + other.values,
        one.because or other.because,
    )


def _require_same_names(readers: Sequence[Reader]) -> None:
    """Refuse files whose headers differ.

    Raises:
        UsageError: One has a column that another has not.
    """
    named = [it for it in readers if it.names]
    for other in named[1:]:
        mine, theirs = ({name.lower(): name for name in it.names} for it in (named[0], other))
        for known, missing, here in ((mine, theirs, other), (theirs, mine, named[0])):
            if gone := known.keys() - missing.keys():
                name, there = known[min(gone)], named[0] if here is other else other
                raise UsageError(
                    f"{display_path(here.path)}:1: there is no column '{name}', which {display_path(there.path)} has",
                    "files of one table have the same columns: load the others into a table of their own",
                )


def _require_known(path: Path, names: Sequence[str], wanted: Wanted) -> None:
    """Refuse columns that a table has not, and types for columns that no file has.

    Raises:
        UsageError: There are such.
    """
    for name in names if wanted.all else ():
        if name not in wanted.types:
            raise UsageError(
                f"{display_path(path)}:1: the table has no column '{name}'{did_you_mean(name, wanted.types)}",
                "load into a table of another name, or put these rows in its place: --replace",
            )
    for name in () if wanted.all else wanted.types:
        if name not in names:
            raise UsageError(f"--type {name}: there is no column '{name}'{did_you_mean(name, names)}")
