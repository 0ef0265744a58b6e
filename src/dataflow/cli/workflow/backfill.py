"""`dataflow workflow backfill`: runs a range of days, and the next time those that are left."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dataflow.cli.console import out, say
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.cli.workflow.arguments import DeployedOption, ParamOption
from dataflow.cli.workflow.days import named_periods, rough
from dataflow.cli.workflow.options import definition, request
from dataflow.errors import UsageError

if TYPE_CHECKING:
    from dataflow.runner.backfill import DayChoice
    from dataflow.workflow.periods import Period
    from dataflow.workflow.resolved import Workflow


def backfill(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="The definition of one day, or a package's folder for its main.sch.yaml.", show_default=False
        ),
    ] = None,
    first: Annotated[
        str | None,
        typer.Option("--from", metavar="YYYY-MM-DD", help="The first day; or hour, week, month.", show_default=False),
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="The last day, included; yesterday if omitted.")
    ] = None,
    parallel: Annotated[
        int, typer.Option("--parallel", min=1, max=64, help="How many days run side by side, in one Spark.")
    ] = 2,
    newest_first: Annotated[bool, typer.Option("--newest-first", help="Begin with the last day.")] = False,
    only: Annotated[
        Literal["missing", "failed", "all"] | None,
        typer.Option(
            metavar="missing|failed|all",
            help="`missing`: days that never succeeded; `failed`: those whose last run did not; `all`: each again. "
            "If omitted, those that have not succeeded with these definitions.",
        ),
    ] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Start no other day once one has failed.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show; the days that it would run, and for how long.")
    ] = False,
    param: ParamOption = None,
    env: EnvOption = None,
    deployed: DeployedOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Run a range of days; called again, those that are left.

    A day counts as done once a run of it has succeeded with the same bundle or, from files, with the same definitions
    and code. Each runs as by `workflow run --date`; one that fails stops no other. By the definition's cadence, days
    are hours (2026-01-31T05), weeks (2026-W05) or months (2026-01).

    Examples:
        dataflow workflow backfill . --from 2025-01-01 --to 2025-12-31 --parallel 4
        dataflow workflow backfill . --from 2025-01-01 --only failed

    Exit codes:
        1: a day failed; the others ran
        130: it was stopped; the same command again goes on
    """
    if (file is None) == (deployed is None):
        raise UsageError("name either a *.sch.yaml file or --deployed ID", "dataflow workflow backfill . --from …")
    if first is None:
        raise UsageError("--from is missing: the first day", "dataflow workflow backfill . --from 2025-01-01")
    from dataflow.cli.workflow.run_deployed import asked_definition
    from dataflow.cli.workflow.running import continue_in, run_loaded
    from dataflow.runner.backfill import choose_days, periods_between
    from dataflow.runner.options import RunOptions
    from dataflow.state.run_records import open_run_records
    from dataflow.workflow.each_period import load_each, load_one

    asked = asked_definition(None if file is None else definition(file), deployed, request(None, param, env))
    one = load_one(asked.file, asked.request, first)
    days = periods_between(one.cadence.require(first), _last(one, last))
    with open_run_records(one.environment.state) as records:
        choice = choose_days(records, one, days, only, newest_first=newest_first)
    if dry_run or not choice.days:
        output.show(_Choice(choice, parallel))
        return
    continue_in(asked.python(one, say))
    say(_told(choice, parallel))
    workflow = load_each(asked.file, asked.request, choice.days, parallel=parallel, fail_fast=fail_fast)

    def left() -> set[str]:
        with open_run_records(one.environment.state) as records:
            return set(map(str, choose_days(records, one, days, only, newest_first=newest_first).days))

    run_loaded(workflow, RunOptions(days=tuple(map(str, choice.days)), parallel=parallel, left=left), output)


def _last(workflow: Workflow, text: str | None) -> Period:
    """Return the last period of the range: the last whole one, where none is named."""
    cadence = workflow.cadence
    if text is None:
        return cadence.last_before(dt.datetime.now(dt.UTC).replace(tzinfo=None))
    return cadence.require(text)


def _one(unit: str) -> str:
    return f"{'an' if unit == 'hour' else 'a'} {unit}"


def _told(choice: DayChoice, parallel: int) -> str:
    """Say what is about to run: `353 of 365 days: 12 succeeded with these definitions · 2 at a time · about 9 min`."""
    seconds = choice.estimate(parallel)
    parts = [choice.told, f"{min(parallel, len(choice.days))} at a time"]
    parts += (
        []
        if seconds is None
        else [f"about {rough(seconds)}, as {_one(choice.unit)} took {choice.seconds:.1f} s lately"]
    )
    return " · ".join(parts)


@dataclass(frozen=True)
class _Choice(Result):
    choice: DayChoice
    parallel: int

    def text(self) -> None:
        if not self.choice.days:
            out().print(f"nothing to do: {self.choice.told}; --only all runs them again")
            return
        out().print(_told(self.choice, self.parallel))
        out().print(f"  {named_periods(self.choice.days)}")

    def data(self) -> object:
        seconds = self.choice.estimate(self.parallel)
        return {"days": self._days, "total": self.choice.total, "parallel": self.parallel, "seconds": seconds}

    @property
    def _days(self) -> Sequence[str]:
        return [str(day) for day in self.choice.days]
