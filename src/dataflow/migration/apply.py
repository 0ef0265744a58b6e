"""Applying a campaign: its next step, or all steps that can be taken back, in one session of Spark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dataflow.migration import execute
from dataflow.migration.actions import CampaignStatus, OpenSpark, close_issues, open_campaigns, open_status
from dataflow.migration.campaign.definition import Campaign
from dataflow.migration.impact import select_star_users
from dataflow.migration.readiness import adds_column, require_all_ready
from dataflow.migration.steps import Step
from dataflow.workflow.identity import current_user

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.lineage.query import LineageGraph
    from dataflow.migration.store import CampaignStore


@dataclass(frozen=True)
class AppliedStep:
    """A step that was applied.

    Attributes:
        step: The step.
        outcome: How it went.
        removed: What it removed for good, in figures; empty where that is nothing.
    """

    step: Step
    outcome: str
    removed: str = ""


@dataclass(frozen=True)
class AppliedSteps:
    """What applying a campaign came to.

    Attributes:
        campaign: The campaign.
        steps: The steps that were applied; none where all were done already, or no safe one was left.
        following: The step after them; None after the last one.
    """

    campaign: Campaign
    steps: Sequence[AppliedStep] = ()
    following: Step | None = None


class Operator(Protocol):
    """Whoever applies a campaign: asked before something is removed for good, and told of each step."""

    def require(self, step: Step) -> None:
        """Refuse a step that has to be asked for, before anything is begun, where there is nobody to ask."""

    def ask(self, removal: str) -> None:
        """Go on only when they agree to what is removed."""

    def tell(self, applied: AppliedStep) -> None:
        """Report a step that is done."""

    def note(self, line: str) -> None:
        """Report what is not as one would expect."""


def apply_steps(
    known: LineageGraph,
    name: str | None,
    open_spark: OpenSpark,
    operator: Operator,
    *,
    all_safe: bool,
    force: bool,
    reason: str | None,
) -> AppliedSteps:
    """Carry out the next step of a campaign on its table, or all that are left before the one that is irreversible.

    Whether they break a workflow is looked up for all of them before the first one is begun.

    Args:
        known: Who depends on the table.
        name: The campaign or its table; the only open one when None.
        open_spark: Starts Spark, for the steps.
        operator: Who is asked before something is removed for good, and told of each step.
        all_safe: Whether to go on up to the irreversible step.
        force: Whether to go on although somebody has not moved.
        reason: Why; kept in the campaign.

    Raises:
        UsageError: There is no such campaign, it is over, is being cancelled, or there is nobody to ask.
        DataflowError: Somebody has not moved, old and new differ, or the table refuses.
    """
    with open_campaigns(known) as campaigns:
        found = open_status(campaigns, known, name)
        campaign = found.campaign
        execute.require_not_cancelling(campaign, found.events)
        left = execute.steps_left(campaign, found.events)
        if not left:  # whoever did the last one died before they said so
            campaigns.close(campaign.id, "done", current_user())
            close_issues(campaigns, known, campaign.id, operator.note)
            return AppliedSteps(campaign)
        steps = [step for step in left if not step.irreversible] if all_safe else left[:1]
        forced = _require_ready(found, steps, known, force=force, reason=reason)
        for step in (it for it in steps if it.irreversible):
            operator.require(step)
        done = []
        if steps:
            work = _Work(known, campaigns, campaign, operator, forced, reason)
            with open_spark() as spark:
                for step in steps:
                    done.append(work.apply(spark, step))
                    operator.tell(done[-1])
        following = execute.next_step(campaign, campaigns.events(campaign.id))
        if following is None:
            close_issues(campaigns, known, campaign.id, operator.note)
    return AppliedSteps(campaign, done, following)


def _require_ready(
    found: CampaignStatus, steps: Sequence[Step], known: LineageGraph, *, force: bool, reason: str | None
) -> list[Step]:
    adds = any(map(adds_column, steps))
    places = select_star_users(found.campaign.table, known) if adds else []
    return require_all_ready(steps, found.readers, places, force=force, reason=reason)


@dataclass(frozen=True)
class _Work:
    known: LineageGraph
    campaigns: CampaignStore
    campaign: Campaign
    operator: Operator
    forced: Sequence[Step]
    reason: str | None

    def apply(self, spark: SparkSession, step: Step) -> AppliedStep:
        removed = ""
        if step.irreversible:
            removed = execute.describe_removal(spark, self.campaign, step)
            self.operator.ask(removed)
            self._require_still_ready(step)
        reason = self.reason if step in self.forced else None
        outcome = execute.execute_step(spark, self.campaign, step, self.campaigns, current_user(), reason)
        return AppliedStep(step, outcome, removed)

    def _require_still_ready(self, step: Step) -> None:
        """Look again: somebody may have run or cancelled something while the question stood."""
        found = open_status(self.campaigns, self.known, self.campaign.id)
        _require_ready(found, [step], self.known, force=step in self.forced, reason=self.reason)
