"""When a deployed workflow runs by itself: at the moments of a schedule, or once tables have a new day."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, model_validator

from dataflow.workflow.strict_model import StrictModel
from dataflow.workflow.values import TableName


class Trigger(StrictModel):
    """When a deployed workflow runs: at the moments of `cron`, when `tables` have a new day, or both."""

    cron: str | None = Field(None, description="Minute, hour, day of month, month, day of week: `0 3 * * *`.")
    timezone: str = Field("UTC", description="Time zone of the schedule, such as `Europe/Berlin`.")
    tables: list[TableName] = Field(
        [], description="Tables that make it due once a day of theirs changed and all of them have that day."
    )

    @model_validator(mode="after")
    def _says_when(self) -> Trigger:
        if self.cron is None and not self.tables:
            raise ValueError("needs 'cron', 'tables' or both")
        return self

    @property
    def text(self) -> str:
        """When it runs, in words."""
        return trigger_text(self.cron, self.timezone, self.tables)


def trigger_text(cron: str | None, timezone: str, tables: Sequence[str]) -> str:
    """Say when a workflow runs: `0 3 * * * UTC; when prod.plays and prod.titles have a new day`."""
    *others, last = tables or ("",)
    named = f"{', '.join(others)} and {last}" if others else last
    parts = [f"{cron} {timezone}"] if cron else []
    return "; ".join([*parts, *([f"when {named} {'have' if others else 'has'} a new day"] if tables else [])])
