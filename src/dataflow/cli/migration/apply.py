"""`dataflow migration apply`: carry out the next step of a campaign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import out
from dataflow.cli.migration.known import known_here, spark_of
from dataflow.cli.migration.options import CampaignArgument, CheckoutOption, ReasonOption
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result

if TYPE_CHECKING:
    from dataflow.migration.actions import AppliedStep


def apply(
    name: CampaignArgument = None,
    force: Annotated[
        bool, typer.Option("--force", help="Do it all the same; workflows may still use the old column or table.")
    ] = False,
    reason: ReasonOption = None,
    checkout: CheckoutOption = None,
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Carry out the next step of a campaign on its table.

    The contract, which nothing brings back, waits for all readers.

    Examples:
        dataflow migration apply
        dataflow migration apply --env production
    """
    from dataflow.migration.actions import apply_next_step

    known = known_here(env, checkout)
    done = apply_next_step(
        known, name, spark_of(known), lambda it: output.show_part(_Removed(it)), force=force, reason=reason
    )
    output.show(_Applied(done))


@dataclass(frozen=True)
class _Removed:
    what: str

    def text(self) -> None:
        out().print(f"permanently removed: {self.what}")


@dataclass(frozen=True)
class _Applied(Result):
    done: AppliedStep

    def text(self) -> None:
        step, following = self.done.step, self.done.following
        if step is not None:
            out().print(f"{self.done.outcome}: {step.says}")
        if step is None or following is None:
            out().print(f"campaign {self.done.campaign.id} is done")
        elif following.irreversible and not step.irreversible:
            out().print("next: workflows move; then `dataflow migration verify` and `apply` remove the old")
        else:
            out().print(f"next: {following.says}")

    def data(self) -> object:
        step, following = self.done.step, self.done.following
        return {
            "campaign": self.done.campaign.id,
            "step": None if step is None else step.says,
            "outcome": self.done.outcome or None,
            "irreversible": step is not None and step.irreversible,
            "next": None if step is None or following is None else following.says,
        }
