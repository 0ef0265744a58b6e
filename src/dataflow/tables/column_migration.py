"""Columns on the move: while a migration's readers go from an old column to a new one, the table says so itself.

A property pairs each old column with the new one, or with nothing where it just goes away. From then on a DDL may name
either, a writer may fill either, and each publication fills the other: nobody has to change on the same day.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.tables.iceberg import column_types, load, properties
from dataflow.tables.properties import MOVING_COLUMNS, RETIRED_COLUMN
from dataflow.tables.quoting import column_name

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class ColumnPair:
    """Two columns with the same values.

    Attributes:
        old: The one that will go.
        old_type: Its type, as Spark SQL spells it.
        new: The one that takes its place.
        new_type: Its type.
    """

    old: str
    old_type: str
    new: str
    new_type: str

    @property
    def as_new(self) -> str:
        """The old column as SQL of the new one's type; what that can't hold becomes null."""
        return self._cast(self.old, self.new_type)

    @property
    def as_old(self) -> str:
        """The new column as SQL of the old one's type."""
        return self._cast(self.new, self.old_type)

    @property
    def agree(self) -> str:
        """The SQL that says whether both hold the same, as far as the poorer type of the two can tell."""
        agree = same(column_name(self.new), self.as_new, self.new_type)
        if self.old_type == self.new_type:
            return agree
        return f"({agree} OR {same(column_name(self.old), self.as_old, self.old_type)})"

    def direction(self, written: Collection[str]) -> tuple[str, str, str] | None:
        """Return which column leads and which follows it, as SQL, and the leading one as SQL of the other's type.

        Args:
            written: The columns that a writer gave values to, in lower case.

        Returns:
            None where it wrote both, or neither.
        """
        old, new = column_name(self.old), column_name(self.new)
        by_old, by_new = self.old.lower() in written, self.new.lower() in written
        if by_old == by_new:
            return None
        return (old, new, self.as_new) if by_old else (new, old, self.as_old)

    def _cast(self, column: str, type_: str) -> str:
        name = column_name(column)
        return name if self.old_type == self.new_type else f"try_cast({name} AS {type_})"


def migrating_columns(found: Mapping[str, str]) -> dict[str, str | None]:
    """Return the new columns by the old ones, out of a table's properties."""
    pairs = json.loads(found.get(MOVING_COLUMNS, "{}"))
    return {str(old): None if new is None else str(new) for old, new in pairs.items()}


def retired(found: Mapping[str, str]) -> frozenset[str]:
    """Return the columns that migrations took away, in lower case, out of a table's properties."""
    return frozenset(key.removeprefix(RETIRED_COLUMN).lower() for key in found if key.startswith(RETIRED_COLUMN))


def optional(moves: Mapping[str, str | None]) -> frozenset[str]:
    """Return the columns that a DDL and a writer may leave out for now, in lower case."""
    return frozenset(name.lower() for pair in moves.items() for name in pair if name is not None)


def column_pairs(spark: SparkSession, table: str) -> list[ColumnPair]:
    """Return the columns of a table that stand side by side."""
    moves = migrating_columns(properties(load(spark, table)))
    if not moves:
        return []
    types = {name.lower(): type_ for name, type_ in column_types(spark, table).items()}
    return [
        ColumnPair(old, types[old.lower()], new, types[new.lower()])
        for old, new in moves.items()
        if new is not None and {old.lower(), new.lower()} <= types.keys()
    ]


def same(one: str, other: str, type_: str) -> str:
    """Return the SQL that says whether two values are the same; maps, which Spark does not compare, by their text."""
    if "map<" not in type_.lower():
        return f"({one} <=> {other})"
    return f"(to_json(struct({one} AS x)) <=> to_json(struct({other} AS x)))"


def meant_columns(columns: Iterable[str], moves: Mapping[str, str | None], given: Sequence[str]) -> list[str] | None:
    """Return which columns a write by position means that gives fewer than there are; None where nobody can say.

    Of two that hold the same it gives one, as it calls it or else the old; what goes away it may leave out, where it
    calls nothing so.

    Args:
        columns: The table's that it may give, in order.
        moves: The new ones by the old ones.
        given: What the query calls those that it gives.
    """
    listed, called = list(columns), {name.lower() for name in given}
    both = [(old.lower(), new.lower()) for old, new in moves.items() if new]
    left = {old if new in called and old not in called else new for old, new in both}
    gone = {old.lower() for old, new in moves.items() if new is None} - called
    alike: dict[tuple[str, ...], int] = {}
    for out in (left, gone, left | gone):
        kept = tuple(name for name in listed if name.lower() not in out)
        if len(kept) == len(given) < len(listed):
            alike[kept] = sum(one.lower() == other.lower() for one, other in zip(kept, given, strict=True))
    best = [kept for kept, count in alike.items() if count == max(alike.values())]
    return list(best[0]) if len(best) == 1 else None


def advice(table: str, moves: Mapping[str, str | None]) -> str | None:
    """Say what a write can do that has to give a value to each column, such as `insertInto` or `MERGE … INSERT *`."""
    if not moves:
        return None
    listed = ", ".join(f"{old} to {new}" if new else f"{old} away" for old, new in moves.items())
    return (
        f"a migration moves columns of {table} ({listed}): name those that are written "
        "(writeTo, an INSERT or MERGE with a list), or give a value to each"
    )


def synchronize(
    spark: SparkSession,
    reference: str,
    where: str,
    found: Iterable[ColumnPair],
    written: Collection[str],
    was_synchronized: Callable[[ColumnPair], bool] = lambda _: True,
) -> None:
    """Fill of each pair the column that a writer left out.

    What a writer knows nothing of follows what it wrote. Where it wrote both, or nobody knows which, each fills the
    other, and they have to agree.

    Args:
        spark: A session in which no branch is set.
        reference: The table or branch, as SQL names it.
        where: The rows that were written.
        found: The pairs.
        written: The columns that the writer gave values to, in lower case.
        was_synchronized: Says of a pair whether old and new held the same before this write. Where they did not, a NULL
            may be a row that nobody has filled yet, and so empties nothing.

    Raises:
        DataflowError: The writer wrote both, and they differ; or it wrote the new, and the old can't hold it.
    """
    for pair in found:
        old, new = column_name(pair.old), column_name(pair.new)
        if (direction := pair.direction(written)) is not None:
            leads, follows, value = direction
            in_sync = was_synchronized(pair)
            filled = "" if in_sync else f" AND {leads} IS NOT NULL"
            spark.sql(f"UPDATE {reference} SET {follows} = {value} WHERE {where} AND NOT {pair.agree}{filled}")
            if leads == new:
                _require_held(spark, reference, where, pair)
            if in_sync:
                continue
        spark.sql(
            f"UPDATE {reference} SET {old} = coalesce({old}, {pair.as_old}), {new} = coalesce({new}, {pair.as_new}) "
            f"WHERE {where} AND ({old} IS NULL) <> ({new} IS NULL)"
        )
        (row,) = spark.sql(f"SELECT count(*) AS n FROM {reference} WHERE {where} AND NOT {pair.agree}").collect()
        if row.n:
            raise DataflowError(
                f"{pair.old} and {pair.new} differ in {row.n:,} rows: while a migration is under way, both are read",
                f"write {pair.new} alone, which fills {pair.old} as well, or both alike",
                permanent=True,
            )


def fill(spark: SparkSession, table: str, found: Iterable[ColumnPair], written: Collection[str]) -> None:
    """Fill of each pair the column that a writer left out, wherever that is empty; nothing that is there is changed.

    Args:
        spark: A session in which no branch is set.
        table: The table, as SQL names it.
        found: The pairs.
        written: The columns that the writer gave values to, in lower case.
    """
    for pair in found:
        if (direction := pair.direction(written)) is not None:
            leads, follows, value = direction
            spark.sql(f"UPDATE {table} SET {follows} = {value} WHERE {follows} IS NULL AND {leads} IS NOT NULL")


def _require_held(spark: SparkSession, reference: str, where: str, pair: ColumnPair) -> None:
    """Refuse values of the new type that the old one has none for: its readers would see nulls."""
    if pair.old_type == pair.new_type:
        return
    lost = f"{column_name(pair.new)} IS NOT NULL AND {column_name(pair.old)} IS NULL"
    (row,) = spark.sql(f"SELECT count(*) AS n FROM {reference} WHERE {where} AND {lost}").collect()
    if row.n:
        raise DataflowError(
            f"{row.n:,} values of {pair.new} don't fit {pair.old} ({pair.old_type}): its readers would see NULL",
            f"until nobody reads {pair.old} any more, give {pair.new} values that fit both",
            permanent=True,
        )


def is_synchronized(spark: SparkSession, reference: str, where: str, pair: ColumnPair) -> bool:
    """Say whether two columns hold the same in rows; a snapshot has the schema of its time."""
    columns = {name.lower() for name in spark.sql(f"SELECT * FROM {reference}").columns}
    if not {pair.old.lower(), pair.new.lower()} <= columns:
        return not spark.sql(f"SELECT 1 FROM {reference} WHERE {where} LIMIT 1").collect()
    return not spark.sql(f"SELECT 1 FROM {reference} WHERE {where} AND NOT {pair.agree} LIMIT 1").collect()
