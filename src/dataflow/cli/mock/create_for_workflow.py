"""`dataflow mock create --workflow`: mocks of all that a workflow reads, and a test of its script, for review."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.cli.console import err, say
from dataflow.errors import display_path

if TYPE_CHECKING:
    from dataflow.mocks.create import MockRequest, MockResult
    from dataflow.mocks.workflow_sources import Transformation
    from dataflow.workflow.project import Environment

_ORIGINS = {
    "sql": "its SQL says so",
    "recorded": "its last run recorded it",
    "parameters": "the parameter's name says so; --source names others",
    "asked": "you said so",
}
_OTHER_DAYS = 2


def create_all(
    file: Path,
    wanted: MockRequest,
    sources: Sequence[str],
    date: str | None,
    param: Sequence[str] | None,
    env: str | None,
    *,
    force: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Mock what a workflow reads, run its scripts on the mocks, and write both down as new tests."""
    from dataflow.cli.workflow.options import definition, request
    from dataflow.mocks.create import check_free
    from dataflow.mocks.workflow_sources import transformations
    from dataflow.testing.generate import paths_of_test
    from dataflow.workflow.load import load_workflow

    workflow = load_workflow(definition(file), request(date, param, env))
    found = transformations(workflow, sources)
    for each in found:
        where = paths_of_test(each)
        for path in list(where.mocks.values()) if each.why_untestable else where.all():
            check_free(path, force=force)
    made: dict[str, MockResult] = {}
    answers = [_create(each, wanted, made, workflow.environment, quiet=quiet) for each in found]
    return {"workflow": workflow.id, "tests": answers}


def _create(
    found: Transformation, wanted: MockRequest, made: dict[str, MockResult], environment: Environment, *, quiet: bool
) -> dict[str, Any]:
    from dataflow.cli.mock.commands import as_json, tell
    from dataflow.mocks.write import save_text
    from dataflow.testing.generate import current_rows, expected_text, paths_of_test, test_text

    where = paths_of_test(found)
    say(f"{display_path(found.script)} reads {', '.join(found.sources)}: {_ORIGINS[found.origin]}")
    for table in found.sources:
        if table not in made:
            made[table] = _mock(found, dataclasses.replace(wanted, table=table), environment)
    mocks = {table: made[table] for table in found.sources}
    expected = None
    if not found.why_untestable:
        with err().status(f"Running {found.script.name} on the mocks …"):
            expected = current_rows(found, mocks, say)
    for table, path in where.mocks.items():
        save_text(path, mocks[table].text)
        if not quiet:
            tell(mocks[table], path)
    answer: dict[str, Any] = {
        "script": found.script,
        "sources": found.origin,
        "mocks": [as_json(mocks[table], path) for table, path in where.mocks.items()],
        "expected": None,
        "test": None,
    }
    if expected is None:
        say(f"no test was made: {found.why_untestable}")
        return answer
    save_text(where.expected, expected_text(found, expected))
    save_text(where.test, test_text(found, where, expected))
    if not quiet:
        count = len(expected.rows)
        err().print(f"✓ {display_path(where.expected)}: {count} row{'' if count == 1 else 's'} expected", style="green")
        err().print(f"✓ {display_path(where.test)}: review it, then run it: pytest {display_path(where.test)}")
        if not count:
            say("the script wrote nothing: choose other rows by --where or --date")
    return {**answer, "expected": where.expected, "test": where.test, "expected_rows": len(expected.rows)}


def _mock(found: Transformation, wanted: MockRequest, environment: Environment) -> MockResult:
    """Make a mock of a source: rows of the day that the script is about, where there are some, and two of others."""
    from dataflow.cli.mock.commands import make
    from dataflow.mocks.create import append_rows

    _ensure_demo(found, wanted.table, environment)
    column, day = _day_column(environment, wanted.table), found.params.get("EXECUTION_DATE")
    if wanted.where or column is None or day is None or wanted.rows <= _OTHER_DAYS:
        return make(environment, wanted)
    mine = f"`{column}` = DATE '{day}'"
    own = make(environment, dataclasses.replace(wanted, where=mine, rows=wanted.rows - _OTHER_DAYS))
    if not own.mock.rows:
        say(f"{wanted.table} has no rows of {day}: taking those of other days")
        return make(environment, wanted)
    others = dataclasses.replace(wanted, where=f"NOT ({mine})", rows=_OTHER_DAYS)
    return append_rows(own, make(environment, others), "another day")


def _day_column(environment: Environment, table: str) -> str | None:
    """Return the column of dates that a table is partitioned by."""
    from pyiceberg.transforms import IdentityTransform
    from pyiceberg.types import DateType

    from dataflow.mocks.create import open_table

    found = open_table(environment, table)
    if isinstance(found, str):
        return None
    for field in found.spec().fields:
        column = found.schema().find_field(field.source_id)
        if isinstance(field.transform, IdentityTransform) and isinstance(column.field_type, DateType):
            return column.name
    return None


def _ensure_demo(found: Transformation, table: str, environment: Environment) -> None:
    """Make the demo source, where that is what the workflow reads and nobody has made it yet."""
    from dataflow.cli.mock.commands import sessions
    from dataflow.mocks.create import open_table
    from dataflow.sample.demo_source import TABLE, prepare
    from dataflow.tables.catalog import is_embedded

    if table != TABLE or not is_embedded(environment):
        return
    day = found.params.get("EXECUTION_DATE")
    try:
        there = open_table(environment, table)
    except Exception:  # there is none yet
        there = ""
    if not isinstance(there, str) and (day is None or _has_day(there, day)):
        return
    with sessions(environment)("the demo source is made by Spark") as spark:
        prepare(spark, found.workflow, say)


def _has_day(table: Any, day: str) -> bool:
    return any(True for _ in table.scan(row_filter=f"date = '{day}'").plan_files())
