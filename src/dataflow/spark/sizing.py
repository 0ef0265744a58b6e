"""How much data a run will read, by table metadata, before a JVM starts: of its days where tables are kept by days.

A JVM for small data compiles less and collects garbage with one thread, which saves seconds at every start; on
large data the same settings would cost more than they save. An accelerator costs a start and wins on large data alone.
"""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.spark.config import is_local
from dataflow.tables.catalog import is_embedded
from dataflow.tables.day_size import Size, day_columns, size_of_days, whole_size
from dataflow.tables.embedded_catalog import metadata, pointers
from dataflow.tables.time_spans import Span, span_of

if TYPE_CHECKING:
    from dataflow.workflow.resolved import Workflow

SMALL = Size(rows=10_000_000, bytes=256 * 1024 * 1024)
"""Up to so many rows, and so many bytes, a JVM without the optimising compiler is the faster one (decision 144)."""

FEW_ROWS = 2_000_000
"""Up to so many rows the accelerator's start and memory are not worth it (decision 145)."""

_MANY_DAYS = 30
"""A range of more runs than these is not small, whatever is there before it starts."""

_MOMENT = dt.timedelta(microseconds=1)
_SCRIPTS = {".sql", ".py", ".R", ".scala"}
_WIDER = re.compile(
    r"(?i)\bdate_?(sub|add|diff)\b|\binterval\b|add_months|timedelta|(minus|plus)(days|months)|lubridate"
)
"""What a script reckons other days with than those that it is given."""


def size_of(workflow: Workflow) -> Size | None:
    """Return how much a run of a workflow may read of the tables that its parameters and scripts name.

    Known for the embedded catalog alone; None with any other, and with files that can't be read.
    """
    if not is_embedded(workflow.environment):
        return None
    try:
        tables = {name.replace("`", ""): file for name, file in pointers(workflow.environment).items()}
        wanted, text = _wanted(workflow, tables)
        return sum((_size(metadata(tables[name]), days, text) for name, days in wanted.items()), start=Size())
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, ImportError, sqlite3.Error):
        return None


def is_small(workflow: Workflow, size: Size | None) -> bool:
    """Say whether a run is one for a JVM that starts fast.

    Args:
        workflow: What is run.
        size: What it reads; None where nobody knows.
    """
    if size is None or not is_local(workflow.environment.spark) or len(list(workflow.walk())) > _MANY_DAYS:
        return False
    return size.rows <= SMALL.rows and size.bytes <= SMALL.bytes


def _size(table: Mapping[str, Any], days: Sequence[dt.date] | None, text: str) -> Size:
    """Return the size of a table's days, where it is kept by days of a column that the scripts name."""
    columns = [] if days is None else [name for name in day_columns(table) if name in text]
    return size_of_days(table, columns, days) if columns and days is not None else whole_size(table)


def _wanted(workflow: Workflow, tables: Iterable[str]) -> tuple[dict[str, list[dt.date] | None], str]:
    """Return which days are read of which tables, None for all of them, and the text of all scripts."""
    found: dict[str, set[dt.date] | None] = {}
    folders: dict[Path, str] = {}
    for run in workflow.walk():
        if not any(run.leaf_steps()):
            continue
        scripts = folders.setdefault(run.folder, "\n".join(_texts(run.folder)))
        text = "\n".join([scripts, *run.target_tables, *(it.table for it in run.audits()), *_values(run)])
        days = None if _WIDER.search(scripts) else _days(run)
        for name in tables:
            if name in text:
                before = found.get(name, set())
                found[name] = None if before is None or not days else before | days
    return {name: sorted(days) if days else None for name, days in found.items()}, "\n".join(folders.values())


def _days(run: Workflow) -> set[dt.date]:
    """Return the days of a run's period and those that its parameters name, and those between them."""
    spans = [span for span in map(span_of, _values(run)) if span is not None]
    if (period := run.period) is not None:
        spans.append(Span(period.start, period.end))
    if not spans:
        return set()
    first, last = min(it.start for it in spans).date(), max(it.end - _MOMENT for it in spans).date()
    return {first + dt.timedelta(days=n) for n in range((last - first).days + 1)}


def _values(run: Workflow) -> list[str]:
    """Return the values of a run's parameters, and of its scripts' own."""
    own = (value for script in run.spark_specs(every_date=True) for value in script.spec.params.values())
    return [*run.params.values(), *map(str, own)]


def _texts(folder: Path) -> Iterator[str]:
    """Yield the scripts beside the definitions, which may name tables."""
    for path in folder.rglob("*"):
        if path.suffix in _SCRIPTS:
            yield path.read_text(encoding="utf-8", errors="replace").replace("`", "")
