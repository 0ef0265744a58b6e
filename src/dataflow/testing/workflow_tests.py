"""Tests of a workflow's scripts, made of its sources as they are: mocks, what the scripts write now, and the test."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError, display_path
from dataflow.mocks.create import append_rows, check_free
from dataflow.mocks.source_rows import find_source
from dataflow.mocks.workflow_sources import Transformation, transformations
from dataflow.mocks.write import save_text
from dataflow.report import Report
from dataflow.testing.generate import TestPaths, current_rows, expected_text, paths_of_test, test_text
from dataflow.workflow import table_names
from dataflow.workflow.periods import Cadence, Period

if TYPE_CHECKING:
    from dataflow.mocks.create import MockResult
    from dataflow.mocks.model import Mock
    from dataflow.mocks.source_rows import MockRequest, Sessions
    from dataflow.workflow.project import Environment
    from dataflow.workflow.resolved import Workflow

_ORIGINS = {
    "sql": "found in its SQL",
    "recorded": "recorded by its last run",
    "parameters": "found by the parameter's name; --source names others",
    "asked": "named by --source",
}
_OTHER_DAYS = 2


@dataclass(frozen=True)
class NewTest:
    """What was made for a script.

    Attributes:
        transformation: The script, and what it reads and writes.
        places: Where the files are.
        mocks: The mock of each source.
        expected: The rows that it writes on them; None where no test of it can be made.
    """

    transformation: Transformation
    places: TestPaths
    mocks: Mapping[str, MockResult]
    expected: Mock | None


@dataclass(frozen=True)
class TestContext:
    """What making tests takes from its caller.

    Attributes:
        make: Makes a mock.
        sessions: Opens Spark.
        report: Receives what is done and what is not.
        running: Shows that something runs.
        done: Receives each test as soon as its files are written.
    """

    make: Callable[[Environment, MockRequest], MockResult]
    sessions: Callable[[Environment], Sessions]
    report: Report
    running: Callable[[str], AbstractContextManager[object]]
    done: Callable[[NewTest], None]


def make_tests(
    workflow: Workflow, sources: Sequence[str], wanted: MockRequest, context: TestContext, *, force: bool
) -> list[NewTest]:
    """Mock what a workflow reads, run its scripts on the mocks, and write both down as new tests.

    Args:
        workflow: The workflow, its parameters put in.
        sources: Tables that the user says it reads.
        wanted: The requested mocks; its table is ignored.
        context: What this takes from its caller.
        force: Whether to overwrite files.

    Raises:
        UsageError: What a script reads is not known, or a file exists.
        DataflowError: A table can't be read, or a script fails on the mocks.
    """
    found = transformations(workflow, sources)
    for each in found:
        where = paths_of_test(each)
        for path in list(where.mocks.values()) if each.why_untestable else where.all():
            check_free(path, force=force)
    made: dict[str, MockResult] = {}
    return [_make_test(each, wanted, made, context) for each in found]


def _make_test(
    found: Transformation, wanted: MockRequest, made: dict[str, MockResult], context: TestContext
) -> NewTest:
    where = paths_of_test(found)
    context.report(f"{display_path(found.script)} reads {', '.join(found.sources)}: {_ORIGINS[found.origin]}")
    for table in found.sources:
        if table not in made:
            made[table] = _mock(found, dataclasses.replace(wanted, table=table), context)
    mocks = {table: made[table] for table in found.sources}
    expected = None
    if not found.why_untestable:
        with context.running(f"Running {found.script.name} on the mocks …"):
            expected = current_rows(found, mocks, context.report)
    for table, path in where.mocks.items():
        save_text(path, mocks[table].text)
    if expected is not None:
        save_text(where.expected, expected_text(found, expected))
        save_text(where.test, test_text(found, where, expected))
    new = NewTest(found, where, mocks, expected)
    context.done(new)
    if expected is None:
        context.report(f"no test was made: {found.why_untestable}")
    return new


def _mock(found: Transformation, wanted: MockRequest, context: TestContext) -> MockResult:
    """Make a mock of a source: rows of the day that the script is about, where there are some, and two of others."""
    environment = found.workflow.environment
    _ensure_demo(found, wanted.table, environment, context)
    period = found.workflow.period
    mine = None if period is None else _rows_of(environment, wanted.table, period)
    if wanted.where or period is None or mine is None or wanted.rows <= _OTHER_DAYS:
        return context.make(environment, wanted)
    own = context.make(environment, dataclasses.replace(wanted, where=mine, rows=wanted.rows - _OTHER_DAYS))
    if not own.mock.rows:
        context.report(f"{wanted.table} has no rows of {period.label}: taking others")
        return context.make(environment, wanted)
    others = dataclasses.replace(wanted, where=f"NOT ({mine})", rows=_OTHER_DAYS)
    return append_rows(own, context.make(environment, others), f"another {period.cadence.unit}")


def _rows_of(environment: Environment, table: str, period: Period) -> str | None:
    """Return which rows of a table are of a period, as SQL; None where no column that it is partitioned by says."""
    from dataflow.tables.changed_days.find import day_column

    found = find_source(environment, table)
    if isinstance(found, str):
        return None
    try:
        column = day_column(found.opened.metadata, table)
    except DataflowError:
        return None
    name, kind = table_names.quoted(column.name), str(column.type)
    if kind == "date" and period.cadence is Cadence.DAILY:
        return f"{name} = DATE '{period}'"
    if kind == "date":
        return f"{name} >= DATE '{period.date}' AND {name} < DATE '{period.end.date()}'"
    if kind.startswith("timestamp"):
        zone, type_ = ("Z", "TIMESTAMP") if kind.startswith("timestamptz") else ("", "TIMESTAMP_NTZ")
        ends = (f"{type_} '{moment.isoformat()}{zone}'" for moment in (period.start, period.end))
        return f"{name} >= {next(ends)} AND {name} < {next(ends)}"
    return None


def _ensure_demo(found: Transformation, table: str, environment: Environment, context: TestContext) -> None:
    """Make the demo source, where that is what the workflow reads and nobody has made it yet."""
    from dataflow.sample.demo_rows import TABLES
    from dataflow.sample.demo_source import prepare
    from dataflow.tables.catalog import is_embedded

    if table not in TABLES or not is_embedded(environment):
        return
    period = found.workflow.period
    try:
        there = find_source(environment, table)
    except Exception:  # there is none yet
        there = ""
    if not isinstance(there, str) and (period is None or _has(there.opened, period)):
        return
    with context.sessions(environment)("the demo source is made by Spark") as spark:
        prepare(spark, found.workflow, context.report)


def _has(table: Any, period: Period) -> bool:
    """Say whether the demo source has a period: all of its parts, as runs make them."""
    from dataflow.tables.changed_days.find import holds_period

    parts = period.split(Cadence.HOURLY if period.cadence is Cadence.HOURLY else Cadence.DAILY)
    return all(holds_period(table, part) for part in parts)
