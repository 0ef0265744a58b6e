"""A state of a table: the current one, or that of a branch, a tag, a snapshot or a moment."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError

if TYPE_CHECKING:
    from pyiceberg.schema import Schema

    from dataflow.tables.reader.catalog_tables import FoundTable

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_NUMBER = re.compile(r"\d{1,19}", re.ASCII)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class NoStateError(DataflowError):
    """A table has no such state, or nobody but Spark can tell which one is meant."""


@dataclass(frozen=True)
class TableState:
    """A table as it stood at one moment.

    Attributes:
        table: The table.
        snapshot: The snapshot that is read, as the metadata file has it; empty of a table that never had rows.
        is_named: Whether it was asked for by a branch, a tag, a number or a moment; such a one has its own columns.
    """

    table: FoundTable
    snapshot: Mapping[str, Any]
    is_named: bool = False

    @property
    def snapshot_id(self) -> int | None:
        """The snapshot's id; None of a table that never had rows."""
        return self.snapshot.get("snapshot-id")

    @property
    def summary(self) -> Mapping[str, str]:
        """What its snapshot says of it."""
        found: Mapping[str, str] = self.snapshot.get("summary", {})
        return found

    @property
    def size(self) -> int | None:
        """How many bytes its files have; None where its summary does not say."""
        found = self.summary.get("total-files-size", None if self.snapshot else "0")
        return None if found is None else int(found)

    @property
    def has_other_columns(self) -> bool:
        """Whether the table had other columns then than it has now."""
        return self.is_named and self.snapshot.get("schema-id") != self.table.metadata["current-schema-id"]

    @functools.cached_property
    def schema(self) -> Schema:
        """Its columns, as PyIceberg has them."""
        opened = self.table.opened
        if not self.has_other_columns:
            return opened.schema()
        return opened.schemas().get(self.snapshot.get("schema-id", -1), opened.schema())


def current_state(table: FoundTable) -> TableState:
    """Return the state of a table that readers see."""
    return TableState(table, _snapshots(table).get(table.metadata.get("current-snapshot-id"), {}))


def state_of(table: FoundTable, version: str | None, *, is_moment: bool = False) -> TableState:
    """Return a state of a table.

    Args:
        table: The table.
        version: A branch, a tag, the number of a snapshot, or a moment; None for the current state.
        is_moment: Whether it is a moment.

    Raises:
        NoStateError: There is none, or it is not certain which one Spark takes.
    """
    if version is None:
        return current_state(table)
    snapshots = _snapshots(table)
    wanted = _at(table, version) if is_moment else _named(table, version)
    if wanted not in snapshots:
        raise NoStateError(f"'{version}' is not a state of {table.name}")
    return TableState(table, snapshots[wanted], is_named=True)


def _snapshots(table: FoundTable) -> dict[int | None, Mapping[str, Any]]:
    return {it["snapshot-id"]: it for it in table.metadata.get("snapshots", ())}


def _named(table: FoundTable, version: str) -> int | None:
    """Return the snapshot of a branch, a tag or a number."""
    if _NUMBER.fullmatch(version):
        return int(version)
    found = table.metadata.get("refs", {}).get(version)
    return None if found is None else int(found["snapshot-id"])


def _at(table: FoundTable, version: str) -> int | None:
    """Return the snapshot that was current at a moment."""
    moment = _milliseconds(version)
    if moment is None:
        raise NoStateError(f"'{version}' is a moment for Spark to read")
    log = reversed(table.metadata.get("snapshot-log", ()))
    return next((it["snapshot-id"] for it in log if it["timestamp-ms"] <= moment), None)


def _milliseconds(moment: str) -> int | None:
    """Read a moment as Spark does, where that is certain; one without a zone is UTC's, as the session is."""
    if not _MOMENT.fullmatch(moment):
        return None
    with contextlib.suppress(ValueError):
        found = dt.datetime.fromisoformat(moment)
        return (found.replace(tzinfo=found.tzinfo or dt.UTC) - _EPOCH) // dt.timedelta(milliseconds=1)
    return None
