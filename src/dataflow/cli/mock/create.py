"""`dataflow mock create`: a mock of a real table, or of all that a workflow reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.completion import definitions
from dataflow.cli.console import err, say, working
from dataflow.cli.environments import environment_here
from dataflow.cli.mock.making import MadeMock, make, sessions
from dataflow.cli.options import EnvOption
from dataflow.cli.output import JSON, TEXT, Output, Result, output_option
from dataflow.cli.workflow.arguments import DateOption, ParamOption
from dataflow.errors import UsageError, display_path
from dataflow.wording import plural

if TYPE_CHECKING:
    from dataflow.mocks.source_rows import MockRequest
    from dataflow.testing.workflow_tests import NewTest
    from dataflow.workflow.resolved import Workflow


def create(
    table: Annotated[
        str | None, typer.Argument(help="A table's full name: database.table.", show_default=False)
    ] = None,
    columns: Annotated[
        str | None, typer.Option("--columns", metavar="A,B", help="Only these columns; all if omitted.")
    ] = None,
    where: Annotated[
        str | None, typer.Option("--where", metavar="CONDITION", help="Only rows that fulfil this, in Spark's SQL.")
    ] = None,
    rows: Annotated[int, typer.Option("--rows", min=1, max=5000, help="How many rows; at most.")] = 20,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="FILE", help="A file; among the package's mocks if omitted, - for none."),
    ] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option(
            "--mask",
            metavar="COLUMN[=RULE]",
            help="Mask a column by hash, fake (if omitted), redact or null; keep shows it. May be repeated.",
        ),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Look at all rows of a large table, not at a sample.")] = False,
    spark: Annotated[
        bool, typer.Option("--spark", help="Read through Spark, as for a view, even where it could do without.")
    ] = False,
    workflow: Annotated[
        Path | None,
        typer.Option(
            "--workflow",
            metavar="FILE",
            help="Instead of a table: all that a workflow reads, with a test of its script.",
            autocompletion=definitions,
        ),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option("--source", metavar="TABLE", help="A table that the workflow reads; may be repeated."),
    ] = None,
    date: DateOption = None,
    param: ParamOption = None,
    env: EnvOption = None,
    force: Annotated[bool, typer.Option("--force", help="Do it all the same; overwrite files that are there.")] = False,
    output: Annotated[Output, output_option(TEXT, JSON, to=True, help="`text` for people, `json` for scripts.")] = TEXT,
    former: Annotated[Output | None, output_option(TEXT, JSON, help="", former="--format")] = None,
) -> None:
    """Make a mock of a real table: few rows, personal data masked.

    Each row shows something: nulls, extremes, rare values, and keys that the other mocks have.

    Examples:
        dataflow mock create dataflow_demo.playback --where "date = '2026-01-31'" --rows 30
        dataflow mock create crm.customer --columns id,email,country --mask id=hash
        dataflow mock create --workflow main.sch.yaml --date 2026-01-31
    """
    from dataflow.cli.workflow.options import definition, request
    from dataflow.mocks.source_rows import MockRequest
    from dataflow.workflow.load import load_workflow

    names = tuple(name.strip() for name in (columns or "").split(",") if name.strip())
    wanted = MockRequest(table or "", names, where, rows, tuple(mask or ()), exact, spark)
    if (table is None) == (workflow is None):
        raise UsageError(
            "name either a table or --workflow", "for example: dataflow mock create dataflow_demo.playback"
        )
    if workflow is None:
        _refuse({"--source": source, "--date": date, "--param": param}, "goes with --workflow")
        _create_mock(wanted, to, env, former or output, force=force)
    else:
        _refuse({"--columns": columns, "--to": to}, "does not go with --workflow")
        _create_tests(
            load_workflow(definition(workflow), request(date, param, env)),
            source,
            wanted,
            former or output,
            force=force,
        )


def _refuse(options: dict[str, object], why: str) -> None:
    for name, value in options.items():
        if value:
            raise UsageError(f"{name} {why}")


def _create_mock(wanted: MockRequest, output_file: str | None, env: str | None, output: Output, *, force: bool) -> None:
    from dataflow.mocks.create import check_free, default_file
    from dataflow.mocks.write import save_text
    from dataflow.tables.pyiceberg_catalog import split_name

    environment = environment_here(env)
    name = ".".join(split_name(environment.catalog_name, wanted.table))
    file = None if output_file == "-" else Path(output_file) if output_file else default_file(name, Path.cwd())
    if file is not None:
        check_free(file, force=force)
    made = make(environment, wanted)
    if file is not None:
        save_text(file, made.text)
    output.show(MadeMock(made, file))


def _create_tests(
    workflow: Workflow, sources: Sequence[str] | None, wanted: MockRequest, output: Output, *, force: bool
) -> None:
    from dataflow.testing.workflow_tests import TestContext, make_tests

    means = TestContext(make, sessions, report=say, running=working, done=lambda new: output.show_part(_MadeTest(new)))
    made = make_tests(workflow, sources or (), wanted, means, force=force)
    output.show(_MadeTests(workflow.id, [_MadeTest(each) for each in made]))


@dataclass(frozen=True)
class _MadeTest(Result):
    new: NewTest

    @property
    def mocks(self) -> list[MadeMock]:
        return [MadeMock(self.new.mocks[table], path) for table, path in self.new.places.mocks.items()]

    def text(self) -> None:
        for mock in self.mocks:
            mock.text()
        if (expected := self.new.expected) is None:
            return
        where, count = self.new.places, len(expected.rows)
        err().print(f"✓ {display_path(where.expected)}: {plural(count, 'row')} expected", style="green")
        err().print(f"✓ {display_path(where.test)}: review it, then run it: pytest {display_path(where.test)}")
        if not count:
            say("the script wrote nothing: choose other rows by --where or --date")

    def data(self) -> dict[str, Any]:
        new = self.new
        found, expected = new.transformation, new.expected
        return {
            "script": found.script,
            "sources": found.origin,
            "mocks": [mock.data() for mock in self.mocks],
            "expected": None if expected is None else new.places.expected,
            "test": None if expected is None else new.places.test,
            **({} if expected is None else {"expected_rows": len(expected.rows)}),
        }


@dataclass(frozen=True)
class _MadeTests(Result):
    workflow: str
    tests: Sequence[_MadeTest]

    def text(self) -> None:
        """Print nothing more: each test was shown when it was made."""

    def data(self) -> object:
        return {"workflow": self.workflow, "tests": [each.data() for each in self.tests]}
