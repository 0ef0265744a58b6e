"""What a table is before a load, and what a load makes of it: told alike by PyIceberg and by Spark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from dataflow.loading.partition import Partition
from dataflow.loading.scan import Column
from dataflow.tables.properties import LOAD_MODE, LOADED
from dataflow.tables.schema.spark_types import SqlType

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_OF_A_BATCH = 250_000
"""Rows that are written at once, and held in memory."""

Mode = Literal["create", "append", "replace"]


@dataclass(frozen=True)
class Standing:
    """A table that is there.

    Attributes:
        types: The types of its columns, by name, in order.
        required: The columns that may not be null.
        partition: Its partitioning, as `days(at)` and the like.
        properties: Its properties.
        loaded: The checksums of the files whose rows it has.
        rows: How many rows it has; None where its metadata doesn't say.
    """

    types: Mapping[str, SqlType]
    required: frozenset[str]
    partition: tuple[str, ...]
    properties: Mapping[str, str]
    loaded: frozenset[str]
    rows: int | None


@dataclass(frozen=True)
class Load:
    """What is to be done.

    Attributes:
        table: The table, with its database.
        columns: All its columns, in order.
        partition: How a new table is partitioned.
        mode: Whether it is made, added to, or gets other rows.
        reshaped: With `replace`: whether it gets other columns, or another partitioning, as well.
        checksums: Those of the files.
    """

    table: str
    columns: Sequence[Column]
    partition: Partition | None
    mode: Mode
    reshaped: bool
    checksums: Sequence[str]

    @property
    def makes_columns(self) -> bool:
        """Whether the table gets its columns from this load."""
        return self.mode == "create" or self.reshaped

    @property
    def snapshot_properties(self) -> dict[str, str]:
        """What is written into the snapshots of the load."""
        return {LOADED: " ".join(self.checksums), LOAD_MODE: self.mode}


class Tables(Protocol):
    """Reaches the tables of a catalog."""

    def look(self, table: str) -> Standing | None:
        """Return a table; None where there is none."""

    def write(self, load: Load, batches: Iterator[pa.RecordBatch]) -> None:
        """Put rows into a table, all of them or none; they are read in chunks, and never held at once."""


def loaded_files(summaries: Iterable[Mapping[str, str]]) -> frozenset[str]:
    """Return the files whose rows a table has, out of what its snapshots say, the newest first."""
    found: set[str] = set()
    for summary in summaries:
        found.update(summary.get(LOADED, "").split())
        if summary.get(LOAD_MODE) == "replace":
            break
    return frozenset(found)
