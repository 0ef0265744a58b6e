"""Imports lineage from OpenLineage events of any producer, such as Airflow, dbt, Spark and Flink."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError, UsageError, broken_link, display_path
from dataflow.foreign import for_terminal_line
from dataflow.lineage.model import Flow, Origin, Producer, TableWrite, plain_name
from dataflow.lineage.openlineage.emit import BUNDLE_TAG
from dataflow.lineage.store.writer import store_lineage
from dataflow.state.utc import as_utc

if TYPE_CHECKING:
    from dataflow.state.database import StateDatabase

_SUFFIXES = {".json", ".jsonl", ".ndjson", ".log"}
_BELIEVED_TYPES = {"COMPLETE", "RUNNING", "OTHER", None}
"""Event types that are imported: a START may lack inputs and outputs, and a FAIL wrote nothing."""


@dataclass
class ImportResult:
    """The result of an import.

    Attributes:
        events: The number of events read.
        edges: The number of writes in them.
        skipped: Lines that are not events, each with its file and the reason.
    """

    events: int = 0
    edges: int = 0
    skipped: list[str] = field(default_factory=list)


def import_events(path: Path, database: StateDatabase, catalog: str) -> ImportResult:
    """Import events into the state database; importing the same ones again changes nothing.

    Args:
        path: A file with one event, a list of events or one a line; or a folder of such files.
        database: The state database of the environment.
        catalog: The catalog, whose name is removed from the names of tables.

    Raises:
        UsageError: The file does not exist, or has no events.
    """
    if not path.exists():
        said = broken_link(path) or f"there is no {display_path(path)}"
        raise UsageError(said, "give a file or a folder of OpenLineage events")
    done = ImportResult()
    found: dict[tuple[str, str], tuple[Producer, TableWrite]] = {}
    for event in _events(path, done):
        done.events += 1
        try:
            made = [*_writes(event, catalog)]
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # any program may have written it
            done.skipped.append(f"event {done.events}: not a valid OpenLineage event ({error})")
            continue
        for producer, write in made:
            known = found.get((producer.workflow, producer.target))
            if known is None or known[0].seen <= producer.seen:
                found[producer.workflow, producer.target] = (producer, write)
    if not done.events:
        why = f": {done.skipped[0]}" if done.skipped else ""
        raise UsageError(f"{display_path(path)} contains no OpenLineage events{why}")
    with database.begin() as connection:
        store_lineage(connection, list(found.values()))
    done.edges = len(found)
    return done


def _events(path: Path, done: ImportResult) -> Iterator[Mapping[str, Any]]:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES)
    for file in files:
        for place, event in _parsed(file, done):
            if isinstance(event, dict) and isinstance(event.get("job"), dict) and "eventTime" in event:
                yield _escaped(event)
            else:
                done.skipped.append(f"{place}: not an event of a run or a job")


def _parsed(file: Path, done: ImportResult) -> Iterator[tuple[str, Any]]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataflowError(f"{display_path(file)} can't be read: {error}") from error
    shown = display_path(file)
    try:
        whole = json.loads(text)
    except RecursionError:
        raise DataflowError(f"{shown} is nested too deep for events", permanent=True) from None
    except ValueError:
        for number, each in enumerate(text.split("\n"), 1):  # JSON's texts may hold other line breaks
            if each.strip():
                try:
                    yield f"{shown}:{number}", json.loads(each)
                except (ValueError, RecursionError) as error:
                    done.skipped.append(f"{shown}:{number}: invalid JSON: {error}")
        return
    for number, event in enumerate(whole if isinstance(whole, list) else [whole], 1):
        yield f"{shown}, event {number}", event


def _escaped(data: Any) -> Any:
    """Escape the control characters in an event: its names are stored by line, and shown to people."""
    if isinstance(data, str):
        return for_terminal_line(data)
    if isinstance(data, dict):
        return {for_terminal_line(key): _escaped(value) for key, value in data.items()}
    return [*map(_escaped, data)] if isinstance(data, list) else data


def _writes(event: Mapping[str, Any], catalog: str) -> Iterator[tuple[Producer, TableWrite]]:
    if event.get("eventType") not in _BELIEVED_TYPES:
        return
    try:
        seen = dt.datetime.fromisoformat(event["eventTime"])
    except (ValueError, TypeError):
        return
    job = event["job"]
    inputs = {_table_name(dataset, catalog) for dataset in event.get("inputs") or ()}
    names = {_dataset_key(dataset): _table_name(dataset, catalog) for dataset in event.get("inputs") or ()}
    for output in event.get("outputs") or ():
        target = _table_name(output, catalog)
        facet = (output.get("facets") or {}).get("columnLineage") or {}
        flows = {*_column_flows(facet, names, catalog)}
        flows |= {Flow(source) for source in {*inputs, *(flow.source for flow in flows)} if source != target}
        if flows:
            producer = Producer(
                Origin.OPENLINEAGE,
                workflow=str(job.get("name")),
                target=target,
                owner=_owner(job),
                environment=job.get("namespace"),
                bundle=_bundle(event),
                run_id=(event.get("run") or {}).get("runId"),
                seen=as_utc(seen),
            )
            yield producer, TableWrite(target, frozenset(flows))


def _column_flows(facet: Mapping[str, Any], names: Mapping[tuple[str, str], str], catalog: str) -> Iterator[Flow]:
    for column, made in (facet.get("fields") or {}).items():
        for taken in made.get("inputFields") or ():
            yield _flow(taken, column, names, catalog)
    for taken in facet.get("dataset") or ():
        yield _flow(taken, "", names, catalog)


def _flow(taken: Mapping[str, Any], into: str, names: Mapping[tuple[str, str], str], catalog: str) -> Flow:
    how = [each.get("type") for each in taken.get("transformations") or ()]
    indirect = not into or (bool(how) and "DIRECT" not in how)
    return Flow(
        names.get(_dataset_key(taken)) or _table_name(taken, catalog), str(taken.get("field", "")), into, indirect
    )


def _dataset_key(dataset: Mapping[str, Any]) -> tuple[str, str]:
    return (str(dataset.get("namespace")), str(dataset.get("name")))


def _table_name(dataset: Mapping[str, Any], catalog: str) -> str:
    """Return the table name of a dataset: that of its symlinks facet where it has one.

    The Spark integration names an Iceberg table by the location of its files, and adds the table name as a symlink.
    """
    symlinks = ((dataset.get("facets") or {}).get("symlinks") or {}).get("identifiers") or ()
    name = next((link["name"] for link in symlinks if link.get("type") == "TABLE" and link.get("name")), None)
    return plain_name(str(name or dataset.get("name")), catalog)


def _bundle(event: Mapping[str, Any]) -> str | None:
    """Return the bundle of a Dataflow run."""
    tags = (((event.get("run") or {}).get("facets") or {}).get("tags") or {}).get("tags") or ()
    return next((str(tag["value"]) for tag in tags if (tag.get("key"), tag.get("source")) == BUNDLE_TAG), None)


def _owner(job: Mapping[str, Any]) -> str | None:
    owners = ((job.get("facets") or {}).get("ownership") or {}).get("owners") or ()
    return next((str(owner["name"]) for owner in owners if owner.get("name")), None)
