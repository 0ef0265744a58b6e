"""`dataflow project test`: the unit tests of everything below a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.console import Output, OutputOption, err, out, print_json, say
from dataflow.cli.project.check_report import check_workflows, checked_facts, print_checked
from dataflow.errors import UsageError, display_path

if TYPE_CHECKING:
    from dataflow.deploy.static_checks import CheckedDefinition
    from dataflow.testing.suites.model import Suite, SuiteResult

_STYLES = {"passed": "green", "failed": "bold red", "skipped": "yellow"}


def run_tests(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="[PATH]...", help="Folders; here when omitted.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Run also what passed and has not changed since.")] = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="How many at once; by processors and memory when omitted.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and on each save run again what the saved file affects.")
    ] = False,
    update_mocks: Annotated[
        bool, typer.Option("--update-mocks", help="Rewrite expected mocks by what the scripts made; show the diff.")
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Run the unit tests below folders, then render and check their workflows; exit 1 when something fails.

    Unit tests are those of pytest, sbt, Gradle, Maven and testthat. Rendered workflows are in `.workflows/` then.

    Example:  dataflow project test ./my-pipeline --watch
    """
    if update_mocks:
        _check_update(watch=watch, jobs=jobs)
    if watch:
        from dataflow.cli.project.watch import watch as watch_tests

        watch_tests(paths or [Path()], output)
        return
    from dataflow.testing.suites.discovery import find_suites

    tops = paths or [Path()]
    suites = find_suites(tops, none_is_fine=True)
    if update_mocks:
        suites, everything, jobs = _updating(suites), True, 1  # suites side by side may share a mock
    outcomes = _run(suites, everything, jobs, shown=output is Output.TEXT)
    checked = check_workflows(tops)
    _require_something(tops, [it.folder for it in suites] + [it.file for it in checked])
    ended: list[SuiteResult | CheckedDefinition] = [*outcomes, *checked]
    if output is Output.JSON:
        facts = {"suites": list(map(_facts, outcomes)), "workflows": list(map(checked_facts, checked))}
        print_json({**facts, **_counts(ended)})
    else:
        print_checked(checked)
        _print_summary(ended)
    if any(it.status == "failed" for it in ended):
        raise typer.Exit(1)


def _check_update(*, watch: bool, jobs: int | None) -> None:
    """Refuse to rewrite mocks where nobody would look at them, or where two suites could write one."""
    from dataflow.testing.snapshots import why_not

    if watch or (jobs or 1) > 1:
        raise UsageError(f"--update-mocks does not go with {'--watch' if watch else '--jobs'}: it runs once, in order")
    if why := why_not():
        raise UsageError(why, "run it on your own machine, and commit what it rewrote")


def _updating(suites: Sequence[Suite]) -> list[Suite]:
    """Return the suites that have mocks to rewrite, and say which are left out."""
    from dataclasses import replace

    for suite in suites:
        if suite.kind != "pytest":
            say(f"{_name(suite)} is left out: only tests in Python and YAML have mocks to rewrite")
    return [replace(suite, update=True) for suite in suites if suite.kind == "pytest"]


def _run(suites: Sequence[Suite], everything: bool, jobs: int | None, *, shown: bool) -> list[SuiteResult]:
    """Run suites side by side, each printed as a whole once those before it are."""
    from rich.markup import escape

    from dataflow.testing.suites.parallel import run_suites

    ended = 0
    with err().status("Testing …") as status:

        def done(outcome: SuiteResult) -> None:
            nonlocal ended
            ended += 1
            if shown:
                status.stop()  # it would draw over what is printed
                _print(outcome)
                status.start()

        def running(now: Sequence[Suite]) -> None:
            count = f" ({ended} of {len(suites)} done)" if len(suites) > 1 else ""
            status.update(escape(f"Testing {', '.join(map(_name, now))} …{count}"))

        return run_suites(suites, ignore_cache=everything, jobs=jobs, report=say, done=done, running=running)


def _require_something(tops: Sequence[Path], found: Sequence[Path]) -> None:
    """Refuse a folder in which there is nothing to test: its name is probably wrong."""
    from dataflow.testing.suites.discovery import no_tests

    for top in tops:
        real = top.resolve()
        if not any(it.is_relative_to(real) or real.is_relative_to(it) for it in found):
            raise no_tests(top)


def _print(outcome: SuiteResult) -> None:
    from rich.text import Text

    from dataflow.testing.snapshots import section

    word = Text(outcome.status.upper().ljust(7), style=_STYLES[outcome.status])
    out().print(Text.assemble(word, f" {_name(outcome.suite)}  {_detail(outcome)}"))
    shown = outcome.output if outcome.status == "failed" else section(outcome.output) if outcome.suite.update else ()
    for line in shown:
        if line or outcome.status == "failed":
            out().print(f"    {line}".rstrip())


def _name(suite: Suite) -> str:
    folder = Path(display_path(suite.folder))
    return f"{folder if folder.is_absolute() or folder == Path() else f'./{folder}'} ({suite.kind})"


def _detail(outcome: SuiteResult) -> str:
    if outcome.status == "skipped":
        return f"({outcome.reason})"
    parts = [f"{outcome.tests} {'test' if outcome.tests == 1 else 'tests'}"] if outcome.tests else []
    if outcome.skipped:
        parts.append(f"{outcome.skipped} skipped")
    return ", ".join([*parts, "unchanged" if outcome.unchanged else f"{outcome.seconds:.1f} s"])


def _print_summary(outcomes: Sequence[SuiteResult | CheckedDefinition]) -> None:
    counts = _counts(outcomes)
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    out().print(f"Summary: {counts['successful']} successful, {counts['failed']} failed{skipped}.")


def _counts(outcomes: Sequence[SuiteResult | CheckedDefinition]) -> dict[str, int]:
    statuses = [it.status for it in outcomes]
    return {
        "successful": statuses.count("passed"),
        "failed": statuses.count("failed"),
        "skipped": statuses.count("skipped"),
    }


def _facts(outcome: SuiteResult) -> dict[str, Any]:
    from dataflow.testing.snapshots import section

    return {
        "package": display_path(outcome.suite.package),
        "folder": display_path(outcome.suite.folder),
        "kind": outcome.suite.kind,
        "status": outcome.status,
        "tests": outcome.tests,
        "tests_skipped": outcome.skipped,
        "seconds": round(outcome.seconds, 3),
        "unchanged": outcome.unchanged,
        "reason": outcome.reason,
        "output": list(outcome.output) if outcome.status == "failed" else [],
        **({"rewritten": section(outcome.output)} if outcome.suite.update else {}),
    }
