"""When a deployed workflow runs by itself: at the moments of a schedule, or once tables have a new day.

Editors show the docstrings and descriptions of these models: they are written for whoever edits the YAML.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from dataflow.workflow.strict_model import StrictModel
from dataflow.workflow.values import Duration, TableName

_LONGEST_JITTER = 86400.0
_UNITS = (("d", 86400), ("h", 3600), ("m", 60))


def one_or_list(value: object) -> str:
    """Say which of two ways a value is written in: by itself, or as a list."""
    return "list" if isinstance(value, list) else "one"


_Crons = Annotated[
    Annotated[str, Tag("one")] | Annotated[list[str], Field(min_length=1), Tag("list")], Discriminator(one_or_list)
]


class Trigger(StrictModel):
    """When a deployed workflow runs: at the moments of `cron`, when `tables` have a new day, or both."""

    cron: _Crons | None = Field(
        None,
        description="Minute, hour, day of month, month, day of week: `0 3 * * *`. Of several, in a list, each runs.",
    )
    timezone: str = Field("UTC", description="Time zone of the schedule, such as `Europe/Berlin`.")
    jitter: Duration | None = Field(
        None,
        description="A delay of at most so much, always the same for a workflow, so that not all begin at once.",
    )
    tables: list[TableName] = Field(
        [], description="Tables that make it due once a day of theirs changed and all of them have that day."
    )

    @model_validator(mode="after")
    def _says_when(self) -> Trigger:
        if self.cron is None and not self.tables:
            raise ValueError("needs 'cron', 'tables' or both")
        if self.jitter is not None and self.cron is None:
            raise ValueError("'jitter' delays the moments of 'cron': add 'cron', or leave 'jitter' out")
        if self.jitter is not None and self.jitter > _LONGEST_JITTER:
            raise ValueError(f"'jitter' should be a day at most, not {duration_text(self.jitter)}")
        return self

    @property
    def crons(self) -> tuple[str, ...]:
        """Its schedules."""
        return () if self.cron is None else (self.cron,) if isinstance(self.cron, str) else tuple(self.cron)

    @property
    def text(self) -> str:
        """When it runs, in words."""
        return "; ".join(self.texts)

    @property
    def texts(self) -> list[str]:
        """When each of its schedules runs it, and when its tables do, in words."""
        found = [trigger_text(cron, self.timezone, (), self.jitter or 0) for cron in self.crons]
        return [*found, *([trigger_text(None, self.timezone, self.tables)] if self.tables else [])]


Triggers = Annotated[
    Annotated[Trigger, Tag("one")] | Annotated[list[Trigger], Field(min_length=1), Tag("list")],
    Discriminator(one_or_list),
]
"""What makes a workflow due: one trigger, or a list, each of which does by itself."""


class ParallelRuns(StrictModel):
    """Several moments run at the same time."""

    parallel: int = Field(ge=1, le=64, description="How many runs may be at work at the same time.")


def _named_or_parallel(value: object) -> str:
    return "parallel" if isinstance(value, dict) else "named"


NamedStrategy = Literal["latest only", "sequential"]

RunStrategy = Annotated[
    Annotated[NamedStrategy, Tag("named")] | Annotated[ParallelRuns, Tag("parallel")],
    Discriminator(_named_or_parallel),
]
"""What becomes of the moments that came while nobody looked, or while a run was at work."""


def each_trigger(given: Trigger | Sequence[Trigger] | None) -> tuple[Trigger, ...]:
    """Return the triggers of a definition, however they are written."""
    return () if given is None else (given,) if isinstance(given, Trigger) else tuple(given)


def trigger_routes(data: Any) -> list[tuple[str | int, ...]]:
    """Return where the triggers of a definition stand, as its data has them."""
    given = data.get("trigger") if isinstance(data, dict) else None
    if isinstance(given, list):
        return [("trigger", number) for number in range(len(given))]
    return [("trigger",)] if isinstance(given, dict) else []


def trigger_text(cron: str | None, timezone: str, tables: Sequence[str], jitter: float = 0) -> str:
    """Say when a workflow runs: `0 3 * * * UTC; when prod.plays and prod.titles have a new day`."""
    *others, last = tables or ("",)
    named = f"{', '.join(others)} and {last}" if others else last
    delay = f", jitter {duration_text(jitter)}" if jitter else ""
    parts = [f"{cron} {timezone}{delay}"] if cron else []
    return "; ".join([*parts, *([f"when {named} {'have' if others else 'has'} a new day"] if tables else [])])


def strategy_text(strategy: NamedStrategy | int) -> str:
    """Say what becomes of moments that were missed, as a definition has it."""
    return strategy if isinstance(strategy, str) else f"parallel: {strategy}"


def duration_text(seconds: float) -> str:
    """Write a duration as a definition has it: `10m`."""
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= size and seconds % size == 0), ("s", 1))
    return f"{seconds / size:g}{unit}"
