"""Reads the lineage that the listener in the JVM reports: a line of JSON for each write, and for each other query.

The listener is in `jvm/src/lineage`; it runs in our sessions, and in a Spark that a program started itself. A line has
the full names of tables, under those of these keys that apply:

- `writes`: for each table written its `target`, the `flows` into it (source table, source column, target column,
  whether it is indirect), the columns `given` values, the `names` of columns that its query references, and whether it
  is `opaque`: its rows come from code.
- `reads`: for each table that a write read the target, the table, and the sequence number and id of the snapshot.
- `names`: the columns that a query without a write references.
- `tables`: the tables whose columns this line covers.
- `seen`: tables in plans that were analysed. A table that no line covers was read without a query: as an RDD, or by a
  stream.
- `collected`: tables all of whose columns were collected into code.
- `error`: why the columns of a plan could not be followed.
- `native`: what Comet executed of a plan, and what fell back to Spark; see `dataflow.spark.comet`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dataflow.lineage.model import UNKNOWN_COLUMNS, ColumnName, Flow, TableWrite, plain_name, with_references
from dataflow.spark.comet import Executed


@dataclass(frozen=True)
class SnapshotRead:
    """A snapshot of a table that a write read.

    Attributes:
        written: The table written, with its catalog.
        source: The table read, with its catalog.
        sequence: Sequence number of the snapshot that was read; 0 where the table has none.
        snapshot: That snapshot's id.
    """

    written: str
    source: str
    sequence: int
    snapshot: int


@dataclass
class RecordedLineage:
    """The lineage of a run, from all its lines.

    Attributes:
        writes: The write of each table.
        reads: The oldest snapshot that was read, by target and source.
        names: The columns that queries without a write reference.
        errors: Errors of following plans.
        native: What Comet executed.
    """

    writes: dict[str, TableWrite] = field(default_factory=dict)
    reads: dict[tuple[str, str], SnapshotRead] = field(default_factory=dict)
    names: set[ColumnName] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    native: Executed = field(default_factory=Executed)
    _followed: set[str] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)
    _collected: set[str] = field(default_factory=set)
    _opaque: set[str] = field(default_factory=set)

    def add_lines(self, lines: Iterable[str], catalog: str) -> None:
        """Add lines.

        Args:
            lines: The lines.
            catalog: The catalog, whose name is removed from the names of tables.
        """
        for line in lines:
            try:
                found = json.loads(line)
            except ValueError:  # the Spark that wrote it was killed while writing
                self.errors.append(f"a line is cut short: {line[:40]}")
                continue
            self._add_line(found, catalog)

    def _add_line(self, found: Mapping[str, Any], catalog: str) -> None:
        for data in found.get("writes", ()):
            self._add(_table_write(data, catalog))
            if data.get("opaque"):
                self._opaque.add(plain_name(data["target"], catalog))
        for row in found.get("reads", ()):
            read = SnapshotRead(*row)
            key = (read.written, read.source)
            self.reads[key] = min(self.reads.get(key, read), read, key=lambda each: (each.sequence, each.snapshot))
        self.names.update((plain_name(table, catalog), column) for table, column in found.get("names", ()))
        for kind, tables in (("tables", self._followed), ("seen", self._seen), ("collected", self._collected)):
            tables.update(plain_name(table, catalog) for table in found.get(kind, ()))
        if "native" in found:
            self.native.add(found["native"])
        if "error" in found:
            self.errors.append(found["error"])

    def _add(self, write: TableWrite) -> None:
        before = self.writes.get(write.target)
        self.writes[write.target] = write if before is None else before | write

    def flows(self) -> tuple[TableWrite, ...]:
        """Return the write of each table with its flows.

        Columns that other queries of the run reference are added to each write, and tables that were read without a
        query count as read by each. References to tables that the run writes are ignored: our own audits are among
        them.
        """
        names = {name for name in self.names if name[0] not in self.writes}
        whole = [self._with_unknown(write) for _, write in sorted(self.writes.items())]
        return tuple(with_references(whole, names))

    def _with_unknown(self, write: TableWrite) -> TableWrite:
        tables = self._seen - self._followed
        if write.target in self._opaque:
            tables |= self._collected
        flows = {Flow(table, column) for table in tables - self.writes.keys() for column in ("", UNKNOWN_COLUMNS)}
        return replace(write, flows=write.flows | flows)


def lines_in(folder: Path) -> list[str]:
    """Return the lines that the listeners of a program wrote to files in a folder."""
    files = sorted(folder.glob("*.jsonl"))
    return [line for file in files for line in file.read_text("utf-8").split("\n") if line]


def _table_write(data: Mapping[str, Any], catalog: str) -> TableWrite:
    flows = (Flow(plain_name(source, catalog), *rest) for source, *rest in data["flows"])
    names = {(plain_name(table, catalog), column) for table, column in data["names"]}
    write = TableWrite(plain_name(data["target"], catalog), frozenset(flows), frozenset(data["given"]))
    (whole,) = with_references([write], names)
    return whole
