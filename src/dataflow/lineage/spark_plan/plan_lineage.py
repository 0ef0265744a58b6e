"""What our part in Spark's JVM tells of plans: a line of JSON for each write, and for each query that names columns.

It is told by `jvm/src/lineage`, in sessions of ours and in a Spark that a program started by itself alike. A line has
tables by their full names, and of these keys those that it has something for:

- `writes`: for each table written its `target`, the `flows` into it (source, column, column that it goes into, whether
  it only decides), the columns `given` values, the `names` of columns that its query has, and whether it is `opaque`:
  its rows come from code.
- `reads`: for each table that a write read the target, the table, and the sequence number and id of the snapshot.
- `names`: the columns that a query names which writes nothing.
- `tables`: the tables whose columns are told by this line.
- `seen`: tables that somebody looked at. Where no line tells of their columns, they were read past Spark's queries: as
  an RDD, or by a stream.
- `collected`: tables whose rows went to code whole.
- `error`: why the columns of a plan can't be told.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dataflow.lineage.model import UNKNOWN_COLUMNS, ColumnName, Flow, TableWrite, plain_name, with_references


@dataclass(frozen=True)
class SnapshotRead:
    """One table that a write read.

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
    """What all the lines of a run come to.

    Attributes:
        writes: Each table written, and what went into it.
        reads: The oldest snapshot that was read of each source, by table written and source.
        names: The columns that queries name which write nothing.
        errors: What could not be told, and why.
    """

    writes: dict[str, TableWrite] = field(default_factory=dict)
    reads: dict[tuple[str, str], SnapshotRead] = field(default_factory=dict)
    names: set[ColumnName] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    _followed: set[str] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)
    _collected: set[str] = field(default_factory=set)
    _opaque: set[str] = field(default_factory=set)

    def add_lines(self, lines: Iterable[str], catalog: str) -> None:
        """Take lines in.

        Args:
            lines: The lines.
            catalog: The catalog whose name is left out of tables' names.
        """
        for line in lines:
            try:
                found = json.loads(line)
            except ValueError:  # the Spark that wrote it was killed in the midst of it
                self.errors.append(f"a line is cut short: {line[:40]}")
                continue
            self._add_line(found, catalog)

    def _add_line(self, found: Mapping[str, Any], catalog: str) -> None:
        for told in found.get("writes", ()):
            self._add(_table_write(told, catalog))
            if told.get("opaque"):
                self._opaque.add(plain_name(told["target"], catalog))
        for row in found.get("reads", ()):
            read = SnapshotRead(*row)
            key = (read.written, read.source)
            self.reads[key] = min(self.reads.get(key, read), read, key=lambda each: (each.sequence, each.snapshot))
        self.names.update((plain_name(table, catalog), column) for table, column in found.get("names", ()))
        for kind, tables in (("tables", self._followed), ("seen", self._seen), ("collected", self._collected)):
            tables.update(plain_name(table, catalog) for table in found.get(kind, ()))
        if "error" in found:
            self.errors.append(found["error"])

    def _add(self, write: TableWrite) -> None:
        before = self.writes.get(write.target)
        self.writes[write.target] = write if before is None else before | write

    def flows(self) -> tuple[TableWrite, ...]:
        """Return for each table written which columns of which tables went into it.

        What other queries of the run named goes to each, and tables that were read in ways that nobody hears are
        taken for read by each. Of the tables that it writes such queries tell nothing: our own audits are among
        them, and an owner's move is seen by what is written.
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
    """Return the lines that the Sparks of a program wrote to files in a folder."""
    files = sorted(folder.glob("*.jsonl"))
    return [line for file in files for line in file.read_text("utf-8").split("\n") if line]


def _table_write(told: Mapping[str, Any], catalog: str) -> TableWrite:
    flows = (Flow(plain_name(source, catalog), *rest) for source, *rest in told["flows"])
    names = {(plain_name(table, catalog), column) for table, column in told["names"]}
    write = TableWrite(plain_name(told["target"], catalog), frozenset(flows), frozenset(told["given"]))
    (whole,) = with_references([write], names)
    return whole
