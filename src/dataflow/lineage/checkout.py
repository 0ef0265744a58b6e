"""Lineage of the workflows in a checkout, cached: only changed files are read again.

The cache is in the Dataflow home, with the size and time of each file that was read.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import astuple
from functools import cached_property
from pathlib import Path
from typing import Any

import dataflow
from dataflow.errors import DataflowError
from dataflow.files import write_file
from dataflow.home import subfolder
from dataflow.lineage.graph import ColumnEdge, is_reference_only
from dataflow.lineage.model import Origin, Producer
from dataflow.lineage.script_texts import WorkflowScripts, path_in_repository, text_on_disk
from dataflow.lineage.static import Reference, ScriptLineage, WorkflowLineage, read_script_lineage
from dataflow.repository.tree import tree_of_disk
from dataflow.workflow.discovery import patiently, walk

_MAX_DEPTH = 3
"""The depth to which definitions are searched outside of projects and git repositories."""

_FORMAT = 5
"""The format of the cache within a version of Dataflow; a cache in another format is read again."""

_REFERENCE_FIELDS = ("references", "select_stars")

Stamp = dict[str, tuple[int, int]]
ColumnLookup = Callable[[str], Sequence[str] | None]
"""Returns the columns of a table of the catalog; None where it does not exist."""


class CheckoutLineage:
    """The workflows below a folder.

    Args:
        root: The folder.
        env: The environment whose parameters are substituted.
        columns_of: Looks up tables that no DDL in the checkout declares; None without a catalog.
    """

    def __init__(self, root: Path, env: str | None = None, columns_of: ColumnLookup | None = None) -> None:
        self.root = root.resolve()
        self._env = env
        self._columns_of = columns_of
        self._entries: list[WorkflowLineage] | None = None
        self.broken: list[Path] = []
        self._now: Path | None = None
        self._by_source: dict[str, list[tuple[Producer, list[ColumnEdge]]]] = defaultdict(list)
        self._by_target: dict[str, list[tuple[Producer, list[ColumnEdge]]]] = defaultdict(list)

    @property
    def entries(self) -> list[WorkflowLineage]:
        """The lineage of each workflow; invalid definitions are skipped, and listed as `broken`."""
        return self._require()

    def _require(self) -> list[WorkflowLineage]:
        if self._entries is None:
            self._entries = self._read()
            self._index(self._entries)
        return self._entries

    def readers(self, tables: Collection[str]) -> Iterable[tuple[str, Sequence[Producer]]]:
        """Return the readers of each of these tables; see `graph.LineageSource`."""
        self._require()
        readers = (
            (table, [producer for producer, taken in self._by_source[table] if not all(map(is_reference_only, taken))])
            for table in tables
            if table in self._by_source
        )
        return [(table, found) for table, found in readers if found]

    def writers(self, tables: Collection[str]) -> Iterable[tuple[Producer, Sequence[str]]]:
        """Return the writers of these tables, each with the tables that it reads; see `graph.LineageSource`."""
        self._require()
        found = (each for table in tables for each in self._by_target.get(table, ()))
        return [(producer, [flow[0] for flow in taken if not flow[1]]) for producer, taken in found]

    def flows(self, tables: Collection[str], *, downstream: bool) -> Iterable[tuple[Producer, Iterable[ColumnEdge]]]:
        """Return the column edges from or into these tables, by producer; see `graph.LineageSource`."""
        self._require()
        index = self._by_source if downstream else self._by_target
        return [each for table in tables for each in index.get(table, ())]

    def tables(self) -> set[str]:
        """Return all tables that its workflows read or write."""
        self._require()
        return {*self._by_source, *self._by_target}

    def columns(self, table: str) -> set[str]:
        """Return the columns of a table that its workflows reference."""
        self._require()
        read = {flow[1] for _, taken in self._by_source.get(table, ()) for flow in taken}
        written = {flow[2] for _, taken in self._by_target.get(table, ()) for flow in taken}
        declared = {column for entry in self.entries for column in entry.declares.get(table, ())}
        return (read | written | declared) - {""}

    @cached_property
    def scripts(self) -> dict[str, WorkflowScripts]:
        """The scripts of each workflow, by its id."""
        return {
            entry.workflow: WorkflowScripts(entry, _producer(entry, ""), text_on_disk, path_in_repository)
            for entry in self.entries
        }

    # ------------------------------------------------------------------------------------------- reading

    def _read(self) -> list[WorkflowLineage]:
        files = sorted(definitions(self.root))
        if not files:
            return []
        cache = _LineageCache(self.root, self._env, asks=self._columns_of is not None)
        stale = [file for file in files if not cache.is_fresh(file)]
        if stale:
            with patiently(lambda: f"reading {len(stale)} workflow definitions below {self.root}, now {self._now}"):
                self._refresh(cache, stale)
            cache.save(files)
        found: dict[str, WorkflowLineage] = {}
        for entry in (entry for file in files for entry in cache.entries(file)):
            known = found.get(entry.workflow)
            found[entry.workflow] = entry if known is None else _merged(known, entry)
        return list(found.values())

    def _refresh(self, cache: _LineageCache, stale: Sequence[Path]) -> None:
        """Read changed definitions: first for the tables that DDL declares, then for their lineage."""
        from dataflow.workflow.load import Request, load_workflow

        workflows = {}
        first: dict[Path, list[ScriptLineage]] = {}
        for file in stale:
            self._now = file
            try:
                workflow = load_workflow(file, Request(env=self._env, ends_only=True))
                first[file] = read_script_lineage(workflow, {})
                workflows[file] = workflow
            except (DataflowError, OSError):
                self.broken.append(file)
        schema: dict[str, Sequence[str]] = cache.declared()
        for texts in (each for found in first.values() for each in found):
            schema.update(texts.declares)
        touched = {name for found in first.values() for texts in found for name in _table_names(texts)}
        for table in sorted(touched - schema.keys()):
            columns = self._columns_of(table) if self._columns_of is not None else None
            if columns is not None:
                schema[table] = columns
        for file, workflow in workflows.items():
            cache.put(
                file, [texts.entry() for texts in read_script_lineage(workflow, schema, schema.keys())], first[file]
            )

    def _index(self, entries: Iterable[WorkflowLineage]) -> None:
        for entry in entries:
            for target, taken in entry.writes.items():
                producer = _producer(entry, target)
                self._by_target[target].append((producer, list(taken)))
                by_source: dict[str, list[ColumnEdge]] = defaultdict(list)
                for flow in taken:
                    by_source[flow[0]].append(flow)
                for source, some in by_source.items():
                    self._by_source[source].append((producer, some))


def _producer(entry: WorkflowLineage, target: str) -> Producer:
    seen = dt.datetime.fromtimestamp(entry.changed, dt.UTC)
    return Producer(Origin.CHECKOUT, entry.workflow, target, owner=entry.owner, file=entry.file, seen=seen)


def definitions(root: Path) -> Iterator[Path]:
    """Yield the `*.sch.yaml` files below a folder; hidden, ignored and generated folders are skipped.

    Raises:
        UsageError: The folder is too large to search.
    """
    bounded = any((folder / name).exists() for folder in (root, *root.parents) for name in ("dataflow.yaml", ".git"))
    for folder, below, files in tree_of_disk(root).walk() if bounded else walk(root):
        below[:] = [name for name in below if not name.startswith(".")]
        if not bounded and len(folder.relative_to(root).parts) >= _MAX_DEPTH:
            below.clear()
        yield from (folder / name for name in files if name.endswith(".sch.yaml"))


def _table_names(texts: ScriptLineage) -> set[str]:
    return {*texts.writes, *(flow.source for write in texts.writes.values() for flow in write.flows)}


def _merged(one: WorkflowLineage, other: WorkflowLineage) -> WorkflowLineage:
    """Merge the lineage of a workflow that two definitions contain."""
    writes = {target: list(taken) for target, taken in one.writes.items()}
    for target, taken in other.writes.items():
        writes[target] = list(dict.fromkeys([*writes.get(target, []), *taken]))
    return WorkflowLineage(
        one.workflow,
        one.owner,
        one.file,
        writes,
        list(dict.fromkeys([*one.references, *other.references])),
        list(dict.fromkeys([*one.select_stars, *other.select_stars])),
        {**other.declares, **one.declares},
        list(dict.fromkeys([*one.programs, *other.programs])),
        {**other.params, **one.params},
        max(one.changed, other.changed),
    )


class _LineageCache:
    """The cached lineage of a folder in an environment, in one file."""

    def __init__(self, root: Path, env: str | None, *, asks: bool) -> None:
        from dataflow.workflow.identity import current_user

        key = f"{dataflow.__version__}.{_FORMAT}\0{root}\0{env}\0{current_user()}\0{asks}"
        self._file = subfolder("lineage") / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"
        try:
            self._data: dict[str, Any] = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):
            self._data = {}

    def is_fresh(self, file: Path) -> bool:
        known = self._data.get(str(file))
        return known is not None and all(_stamp(path) == tuple(stamp) for path, stamp in known["stamp"].items())

    def entries(self, file: Path) -> list[WorkflowLineage]:
        found = self._data.get(str(file), {"entries": []})["entries"]
        return [
            WorkflowLineage(
                **{
                    **entry,
                    "writes": {target: [tuple(flow) for flow in taken] for target, taken in entry["writes"].items()},
                    **{name: [Reference(*mention) for mention in entry[name]] for name in _REFERENCE_FIELDS},
                }
            )
            for entry in found
        ]

    def declared(self) -> dict[str, Sequence[str]]:
        entries = (entry for known in self._data.values() for entry in known["entries"])
        return {table: columns for entry in entries for table, columns in entry["declares"].items()}

    def put(self, file: Path, entries: Sequence[WorkflowLineage], texts: Sequence[ScriptLineage]) -> None:
        used = {path for each in texts for path in each.files} | {file}
        beside = {file.parent / "identity.yaml", *_project_files(file)}
        stamp = {str(path): _stamp(path) for path in sorted(used | beside)}
        plain = [
            {**vars(entry), **{name: [astuple(each) for each in getattr(entry, name)] for name in _REFERENCE_FIELDS}}
            for entry in entries
        ]
        self._data[str(file)] = {"stamp": stamp, "entries": plain}

    def save(self, files: Collection[Path]) -> None:
        kept = {str(file) for file in files}
        data = {name: known for name, known in self._data.items() if name in kept}
        write_file(self._file, json.dumps(data))


def _stamp(path: Path | str) -> tuple[int, int]:
    try:
        found = os.stat(path)  # noqa: PTH116  # called for each file of a project
    except OSError:
        return (0, 0)
    return (found.st_size, found.st_mtime_ns)


def _project_files(file: Path) -> list[Path]:
    """Return the project file, whose settings affect parameters."""
    return [folder / "dataflow.yaml" for folder in file.parents if (folder / "dataflow.yaml").exists()][:1]
