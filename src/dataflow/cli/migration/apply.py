"""`dataflow migration apply`: carry out the next step of a campaign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import confirm, out, require_answer, say
from dataflow.cli.migration.known import known_here, spark_of
from dataflow.cli.migration.options import CampaignArgument, CheckoutOption, ReasonOption
from dataflow.cli.options import EnvOption, YesOption
from dataflow.cli.output import TEXT, Output, OutputOption, Result

if TYPE_CHECKING:
    from dataflow.migration.apply import AppliedStep, AppliedSteps
    from dataflow.migration.steps import Step


def apply(
    name: CampaignArgument = None,
    all_safe: Annotated[
        bool, typer.Option("--all-safe", help="All steps that can be reverted, one after the other in one session.")
    ] = False,
    yes: YesOption = False,
    force: Annotated[
        bool, typer.Option("--force", help="Do it all the same; workflows may still use the old column or table.")
    ] = False,
    reason: ReasonOption = None,
    checkout: CheckoutOption = None,
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Carry out the next step of a campaign on its table.

    The contract, which nothing brings back, waits for all readers, and asks.

    Examples:
        dataflow migration apply --all-safe
        dataflow migration apply --env production
    """
    from dataflow.migration.apply import apply_steps

    known = known_here(env, checkout)
    done = apply_steps(
        known,
        name,
        spark_of(known),
        _Operator(yes, output),
        all_safe=all_safe,
        force=force,
        reason=reason,
    )
    output.show(_Applied(done))


@dataclass(frozen=True)
class _Operator:
    yes: bool
    output: Output

    def require(self, step: Step) -> None:
        require_answer(yes=self.yes, hint=f"the next step can't be reverted: {step.says}")

    def ask(self, removal: str) -> None:
        confirm(f"Remove permanently: {removal}. Go on?", yes=self.yes)

    def tell(self, applied: AppliedStep) -> None:
        self.output.show_part(_Step(applied))

    def note(self, line: str) -> None:
        say(line)


@dataclass(frozen=True)
class _Step:
    applied: AppliedStep

    def text(self) -> None:
        if self.applied.removed:
            out().print(f"permanently removed: {self.applied.removed}")
        out().print(f"{self.applied.outcome}: {self.applied.step.says}")


@dataclass(frozen=True)
class _Applied(Result):
    done: AppliedSteps

    def text(self) -> None:
        steps, following = self.done.steps, self.done.following
        if following is None:
            out().print(f"campaign {self.done.campaign.id} is done")
        elif not following.irreversible:
            out().print(f"next: {following.says}")
        elif steps:
            moves = "; ".join(step.says for step in self.done.campaign.steps_of("move"))
            out().print(f"next: {moves}; `{self.done.campaign.row.command('notify')}` notifies their owners")
            out().print(f"then: {following.says}, by `{self.done.campaign.row.command('apply')}`")
        else:
            out().print(f"no safe step is left; the next one can't be reverted: {following.says}")

    def data(self) -> object:
        done = self.done
        return {
            "campaign": done.campaign.id,
            "table": done.campaign.table,
            "applied": [
                {"name": it.step.name, "says": it.step.says, "outcome": it.outcome, "removed": it.removed or None}
                for it in done.steps
            ],
            "next": done.following
            and {
                "name": done.following.name,
                "says": done.following.says,
                "irreversible": done.following.irreversible,
            },
            "done": done.following is None,
        }
