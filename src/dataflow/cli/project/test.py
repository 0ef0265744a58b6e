"""`dataflow project test`: the unit tests of everything below a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.console import STATUS_STYLES, out, say, working
from dataflow.cli.output import TEXT, Output, OutputOption, Result
from dataflow.cli.project.options import PathsArgument, TestEngine
from dataflow.cli.project.suite_name import suite_name
from dataflow.errors import UsageError, display_path
from dataflow.wording import plural

if TYPE_CHECKING:
    from dataflow.deploy.static_checks import CheckedDefinition
    from dataflow.testing.suites.model import Suite, SuiteResult


def run_tests(
    paths: PathsArgument = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All of them; also what passed and has not changed since.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="How many at once; by processors and memory if omitted.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and on each save run again what the saved file affects.")
    ] = False,
    engine: Annotated[
        TestEngine | None,
        typer.Option(
            "--engine",
            help="`spark` or `sail` alone; `both`: Sail in a blink, then Spark. `spark` if omitted; `both` to --watch.",
        ),
    ] = None,
    update_mocks: Annotated[
        bool, typer.Option("--update-mocks", help="Rewrite expected mocks by what the scripts made; show the diff.")
    ] = False,
    output: OutputOption = TEXT,
) -> None:
    """Run unit tests, then render and check the workflows.

    Unit tests are those of pytest, sbt, Gradle, Maven and testthat; those that passed and have not changed are not run
    again. Rendered workflows are in `.workflows/` then. With --watch it stays, and a save runs what it affects; keys
    of a terminal are r (run all again), a (all tests on each save, or only what it affects) and q (quit). Sail runs
    SQL without a JVM; what it can't run goes to Spark, and where both differ, the rows and the expression are shown.

    Examples:
        dataflow project test
        dataflow project test ./my-pipeline --watch
        dataflow project test --engine sail

    Exit codes:
        1: a test or a check failed
        130: it was stopped, a watch by Ctrl-C or a signal as well
    """
    from dataflow.deploy.static_checks import check_workflows
    from dataflow.testing.suites.discovery import find_suites

    tops = paths or [Path()]
    if update_mocks:
        _check_update(watch=watch, jobs=jobs, engine=engine)
    if watch:
        from dataflow.cli.project.watch import watch as watch_tests

        watch_tests(tops, output, engine or TestEngine.BOTH)
        return
    suites = _on(find_suites(tops, none_is_fine=True), engine or TestEngine.SPARK)
    if update_mocks:
        suites, everything, jobs = _updating(suites), True, 1  # suites side by side may share a mock
    outcomes = _run(suites, everything, jobs, output)
    with working("Rendering workflows …"):
        checked = check_workflows(tops)
    _require_something(tops, [it.folder for it in suites] + [it.file for it in checked])
    output.show(_Tested(outcomes, checked))
    if "failed" in [*(it.status for it in outcomes), *(it.status for it in checked)]:
        raise typer.Exit(1)


def _on(suites: Sequence[Suite], engine: TestEngine) -> list[Suite]:
    """Return suites with the engine that runs SQL in those of pytest.

    Raises:
        UsageError: It is not installed here.
    """
    if engine is not TestEngine.SPARK:
        from dataflow.sail.server import why_missing

        if reason := why_missing():
            raise UsageError(reason, "leave --engine out: Spark runs all")
    return [replace(it, engine=str(engine)) if it.kind == "pytest" else it for it in suites]


def _check_update(*, watch: bool, jobs: int | None, engine: TestEngine | None) -> None:
    """Refuse to rewrite mocks where nobody would look at them, or where two suites could write one."""
    from dataflow.testing.snapshots import refusal

    if engine not in (None, TestEngine.SPARK):
        raise UsageError(f"--update-mocks does not go with --engine {engine}: mocks are what Spark makes of them")

    if watch or (jobs or 1) > 1:
        raise UsageError(f"--update-mocks does not go with {'--watch' if watch else '--jobs'}: it runs once, in order")
    if why := refusal():
        raise UsageError(why, "run it on your own machine, and commit what it rewrote")


def _updating(suites: Sequence[Suite]) -> list[Suite]:
    """Return the suites that have mocks to rewrite, and say which are left out."""
    for suite in suites:
        if suite.kind != "pytest":
            say(f"{suite_name(suite)} is left out: only tests in Python and YAML have mocks to rewrite")
    return [replace(suite, update=True) for suite in suites if suite.kind == "pytest"]


def _run(suites: Sequence[Suite], everything: bool, jobs: int | None, output: Output) -> list[SuiteResult]:
    """Run suites side by side, each printed as a whole once those before it are."""
    from rich.markup import escape

    from dataflow.testing.suites.parallel import run_suites

    ended = 0
    with working("Testing …") as status:

        def done(outcome: SuiteResult) -> None:
            nonlocal ended
            ended += 1
            output.show_part(_Suite(outcome))

        def running(now: Sequence[Suite]) -> None:
            count = f" ({ended} of {len(suites)} done)" if len(suites) > 1 else ""
            status.update(escape(f"Testing {', '.join(map(suite_name, now))} …{count}"))

        return run_suites(suites, ignore_cache=everything, jobs=jobs, report=say, done=done, running=running)


def _require_something(tops: Sequence[Path], found: Sequence[Path]) -> None:
    """Refuse a folder in which there is nothing to test: its name is probably wrong."""
    from dataflow.testing.suites.discovery import no_tests

    for top in tops:
        real = top.resolve()
        if not any(it.is_relative_to(real) or real.is_relative_to(it) for it in found):
            raise no_tests(top)


@dataclass(frozen=True)
class _Tested(Result):
    """All that ended: suites, each shown as soon as it did, and the checks of workflows."""

    outcomes: Sequence[SuiteResult]
    checked: Sequence[CheckedDefinition]

    def text(self) -> None:
        for it in self.checked:
            _Workflow(it).text()
        counts = self._counts()
        skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
        out().print(f"Summary: {counts['successful']} successful, {counts['failed']} failed{skipped}")

    def data(self) -> object:
        suites = [_Suite(it).data() for it in self.outcomes]
        return {"suites": suites, "workflows": [_Workflow(it).data() for it in self.checked], **self._counts()}

    def _counts(self) -> dict[str, int]:
        statuses = [*(it.status for it in self.outcomes), *(it.status for it in self.checked)]
        return {
            "successful": statuses.count("passed"),
            "failed": statuses.count("failed"),
            "skipped": statuses.count("skipped"),
        }


@dataclass(frozen=True)
class _Suite(Result):
    outcome: SuiteResult

    def text(self) -> None:
        from rich.text import Text

        from dataflow.testing.snapshots import section
        from dataflow.testing.suites.engine_lines import engine_lines

        it = self.outcome
        word = Text(it.status.upper().ljust(7), style=STATUS_STYLES[it.status])
        out().print(Text.assemble(word, f" {suite_name(it.suite)}  {self._detail()}"))
        shown = it.output if it.status == "failed" else section(it.output) if it.suite.update else engine_lines(it)
        for line in shown:
            if line or it.status == "failed":
                out().print(f"    {line}".rstrip())

    def _detail(self) -> str:
        it = self.outcome
        if it.status == "skipped":
            return f"({it.reason})"
        by = {"sail": " by Sail", "both": " by Sail and Spark"}.get(it.suite.engine, "")
        parts = [f"{plural(it.tests, 'test')}{by}"] if it.tests else []
        if it.skipped:
            parts.append(f"{it.skipped} skipped")
        return ", ".join([*parts, "unchanged" if it.unchanged else f"{it.seconds:.1f} s"])

    def data(self) -> dict[str, Any]:
        from dataflow.testing.snapshots import section
        from dataflow.testing.suites.engine_lines import engine_lines

        it = self.outcome
        return {
            "package": display_path(it.suite.package),
            "folder": display_path(it.suite.folder),
            "kind": it.suite.kind,
            "status": it.status,
            "tests": it.tests,
            "tests_skipped": it.skipped,
            "seconds": round(it.seconds, 3),
            "unchanged": it.unchanged,
            "reason": it.reason,
            "output": list(it.output) if it.status == "failed" else [],
            **({} if it.suite.engine == "spark" else {"engine": it.suite.engine, "engines": engine_lines(it)}),
            **({"rewritten": section(it.output)} if it.suite.update else {}),
        }


@dataclass(frozen=True)
class _Workflow(Result):
    checked: CheckedDefinition

    def text(self) -> None:
        from rich.text import Text

        it = self.checked
        word = Text(it.status.upper().ljust(7), style=STATUS_STYLES[it.status])
        note = f"  ({it.notes[0]})" if it.notes else ""
        out().print(Text.assemble(word, f" ./{display_path(it.file)} (workflow){note}"))
        for line in it.problems:
            out().print(f"    {line}")

    def data(self) -> dict[str, Any]:
        it = self.checked
        return {
            "package": display_path(it.package),
            "file": display_path(it.file),
            "kind": "workflow",
            "status": it.status,
            "rendered": display_path(it.rendered) if it.rendered else None,
            "problems": list(it.problems),
            "notes": list(it.notes),
        }
