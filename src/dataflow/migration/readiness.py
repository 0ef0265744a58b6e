"""Whether readers and writers are ready for a step of a campaign; where they are not, only `--force` goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, UsageError
from dataflow.migration.progress.definition import ReaderStatus
from dataflow.migration.steps import Step, kept_name

if TYPE_CHECKING:
    from dataflow.migration.impact import AffectedWorkflow


def may_break(step: Step, by_place: Sequence[AffectedWorkflow] = ()) -> bool:
    """Return whether a step breaks workflows that have not moved.

    Args:
        step: The step.
        by_place: The workflows that fail when the table gets another column.
    """
    return step.irreversible or bool(step.keeps) or (adds_column(step) and bool(by_place))


def adds_column(step: Step) -> bool:
    """Return whether a step gives the table another column, rather than a field of one."""
    return bool(step.adds) and "." not in step.adds


def require_all_ready(
    steps: Sequence[Step],
    found: Sequence[ReaderStatus],
    by_place: Sequence[AffectedWorkflow] = (),
    *,
    force: bool,
    reason: str | None,
) -> list[Step]:
    """Require that none of some steps breaks a workflow, before the first is begun; return those that are forced.

    Args:
        steps: The steps.
        found: The status of readers and writers.
        by_place: The workflows that fail when the table gets another column.
        force: Whether workflows may break.
        reason: Why, with `force`.

    Raises:
        UsageError: `force` or `reason` is given without the other, or no step breaks a workflow.
        DataflowError: Workflows have not moved; the message names them.
    """
    forced = [step for step in steps if force and may_break(step, by_place)]
    for step in forced or steps:
        require_readers_moved(step, found, by_place, force=force, reason=reason)
    return forced


def require_readers_moved(
    step: Step,
    found: Sequence[ReaderStatus],
    by_place: Sequence[AffectedWorkflow] = (),
    *,
    force: bool,
    reason: str | None,
) -> None:
    """Require that a step breaks no workflow, unless it is forced.

    Args:
        step: The next step.
        found: The status of readers and writers.
        by_place: The workflows that fail when the table gets another column.
        force: Whether workflows may break.
        reason: Why, with `force`.

    Raises:
        UsageError: `force` or `reason` is given without the other, or the step breaks no workflow.
        DataflowError: Workflows have not moved; the message names them.
    """
    places = by_place if adds_column(step) else ()
    breaks = may_break(step, by_place)
    if force and not breaks:
        raise UsageError(f"--force is not needed: '{step.says}' affects no reader")
    concerned = [each for each in found if step.irreversible or (breaks and _writes(each, step))]
    left = [standing for standing in concerned if standing.is_open]
    if reason is not None and not force:
        raise UsageError("--reason can only be used with --force", "omit it, or add --force")
    if force and not (reason or "").strip():
        raise UsageError("--force needs a --reason, which is recorded in the campaign")
    if places and not force:
        named = "; ".join(f"{it.workflow} ({it.owner or 'no owner'}), {it.lines[0].here}" for it in places)
        count = _counted(len(places), "select")
        raise DataflowError(
            f"{count} all columns by position and would fail when column {step.adds} is added: {named}",
            "list the columns in their SELECTs, or use --force --reason WHY, which is recorded",
            permanent=True,
        )
    if left and not force:
        named = ", ".join(f"{s.reader.workflow} ({s.reader.owner or 'no owner'})" for s in left)
        raise DataflowError(
            f"{len(left)} of {len(concerned)} workflows have not moved: {named}; '{step.says}' would break them",
            "wait for them, or use --force --reason WHY, which is recorded",
            permanent=True,
        )


def _counted(number: int, verb: str) -> str:
    return f"1 workflow {verb}s" if number == 1 else f"{number} workflows {verb}"


def _writes(standing: ReaderStatus, step: Step) -> bool:
    """Return whether a workflow writes the table that the step keeps; one that also reads it counts as a reader."""
    return standing.reader.role == "writes" or step.keeps in map(kept_name, standing.reader.writes)
