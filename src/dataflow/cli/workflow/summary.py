"""What a person reads after a run, and what a script reads: one set of facts, two spellings."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.cli.console import err, out, print_rows
from dataflow.cli.output import Result
from dataflow.cli.workflow.audit_lines import AuditLine, print_audits
from dataflow.cli.workflow.days import print_days
from dataflow.wording import plural, seconds_text
from dataflow.workflow.table_names import typed

if TYPE_CHECKING:
    from dataflow.jobs.audit import AuditResult
    from dataflow.runner.results import RunResult, StepResult


@dataclass(frozen=True)
class RunSummary(Result):
    """A run's result, with a few rows of what it published."""

    result: RunResult
    preview: Sequence[Mapping[str, object]]

    def text(self) -> None:
        """Print what was published, the audits' figures, some rows, and what failed."""
        print_summary(self.result, self.preview)

    def data(self) -> object:
        """Return all of it."""
        return {**as_json(self.result), "preview": self.preview}


def as_json(result: RunResult) -> dict[str, Any]:
    """Return a run's result for `--output json`."""
    workflow = result.workflow
    return {
        "run_id": workflow.run_id,
        "workflow": workflow.id,
        "environment": workflow.environment.name,
        "status": result.status,
        "seconds": round(result.seconds, 3),
        "params": dict(workflow.params),
        "pinned": workflow.identity.pinned,
        "log": str(result.log),
        "notes": list(result.notes),
        "steps": [_step_json(step) for step in result.steps],
    }


def _step_json(step: StepResult) -> dict[str, Any]:
    published = step.published
    return {
        "id": step.id,
        "status": step.status,
        "seconds": round(step.seconds, 3),
        "attempts": step.attempts,
        "detail": step.detail,
        "error": step.error.message if step.error else None,
        "audits": [audit_json(audit) for audit in step.audits],
        "published": None
        if published is None
        else {
            "table": published.table,
            "partition": published.partition,
            "rows": published.rows,
            "snapshot": published.snapshot,
        },
        "runs": [as_json(child) for child in step.children],
    }


def audit_json(audit: AuditResult) -> dict[str, Any]:
    """Return an audit's result for `--output json`."""
    return {
        "name": audit.name,
        "function": audit.function,
        "blocking": audit.blocking,
        "passed": audit.passed,
        "figure": audit.figure,
        "expected": audit.expected,
        "finding": audit.finding,
        "sample": list(audit.sample),
    }


def print_summary(result: RunResult, preview: Sequence[Mapping[str, object]]) -> None:
    """Print what a run did: what was published, its audits' figures, some of its rows, and what failed."""
    from rich.markup import escape

    out().print()
    print_days(result)
    _print_published(result)
    _print_audits(result)
    if preview:
        print_rows(preview)
    _print_failures(result)
    colour = {"succeeded": "green", "failed": "red"}.get(result.status, "yellow")
    of = escape(f"run {result.workflow.run_id} of {result.workflow.id} · {result.workflow.environment.name}")
    out().print(f"\n[bold {colour}]{result.status}[/] in {seconds_text(result.seconds)} · {of}", markup=True)
    if not result.workflow.identity.pinned:
        out().print(
            "[yellow]not pinned[/]: there is no identity.yaml, so ids and tables follow the current user "
            "and this folder's name",
            markup=True,
        )
    _print_next(result)


def _print_published(result: RunResult) -> None:
    from rich.markup import escape

    for table, found in itertools.groupby(result.published, lambda it: it.table):
        parts = list(found)
        last = parts[-1]
        rows = plural(sum(it.rows for it in parts), "row")
        if len(parts) > 1:
            where = f"{parts[0].partition} to {last.partition}, {len(parts):,} partitions: {rows}"
        else:
            where = f"{last.partition}: {rows}" + (f" as snapshot {last.snapshot}" if last.snapshot is not None else "")
        out().print(f"published [bold]{escape(table)}[/] {escape(where)}", markup=True)


def _print_audits(result: RunResult) -> None:
    print_audits(
        [
            AuditLine(audit_json(audit), "" if run is result else run.date)
            for run in result.walk()
            for step in run.steps
            for audit in step.audits
        ]
    )


def _print_failures(result: RunResult) -> None:
    """Print what failed, what fails alike on several days once."""
    alike: dict[tuple[str, str], list[tuple[RunResult, StepResult]]] = {}
    for run, step in result.failed_steps:
        if step.error is not None:
            what = step.error.message.replace(run.date, "DATE") if run.date else step.error.message
            alike.setdefault((step.id.partition("/")[0], what), []).append((run, step))
    for (run, step), *others in alike.values():
        unit = (
            f"more {run.workflow.cadence.unit}" if any(other.date != run.date for other, _ in others) else "more item"
        )
        more = f", and {plural(len(others), unit)} in the same way" if others else ""
        _print_failure(run, step, "" if run is result else f"{run.date} ", more)


def _print_failure(run: RunResult, step: StepResult, date: str, more: str) -> None:
    if step.error is None:
        return
    tries = f" after {step.attempts} attempts" if step.attempts > 1 else ""
    err().print(f"\n{date}{step.id} failed{tries}{more}", style="bold red")
    err().print(step.error.message)
    if step.error.hint:
        err().print(f"  → {step.error.hint}")
    if not step.error.permanent:  # of a mistake the log says no more than its message
        err().print(f"  Spark's own log: {run.log}", style="dim")


def _print_next(result: RunResult) -> None:
    out().print(f"  dataflow workflow show {result.workflow.run_id}", style="dim")
    tables = list(dict.fromkeys(published.table for published in result.published))
    if tables:
        name = typed(tables[0])
        mark = "'" if "`" in name else '"'  # which a shell would take for a command
        out().print(f"  dataflow query {mark}SELECT * FROM {name} LIMIT 20{mark}", style="dim")
