"""The dates that a foreach may have, which may be hours, weeks or months: the last ones, a range, or what changed.

Editors show the docstrings and descriptions of these models: they are written for whoever edits the YAML.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, InstanceOf, Tag, ValidationInfo, model_validator

from dataflow.workflow.periods import Cadence, Period
from dataflow.workflow.strict_model import StrictModel
from dataflow.workflow.values import FIRST_DAY, LAST_DAY, TableName

MAX_DATES = 10_000
"""How many dates one foreach may have."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def _period(value: object, info: ValidationInfo) -> object:
    """Read a period of the definition's cadence."""
    cadence = _cadence_in(info.context)
    found = cadence.read(value) if isinstance(value, str) else value if isinstance(value, Period) else None
    if found is None:
        if cadence is Cadence.DAILY and isinstance(value, str) and _DATE.fullmatch(value):
            raise ValueError("should be a date that exists")
        raise ValueError(f"should be {cadence.named} such as {cadence.example}")
    if not found.is_usable:
        raise ValueError(f"should be a {cadence.unit} from {FIRST_DAY} to {LAST_DAY}")
    return found


def context_of(cadence: Cadence) -> dict[str, Any]:
    """Return what validators are told of a definition."""
    return {"cadence": cadence}


def _cadence_in(context: Any) -> Cadence:
    """Return the cadence that validators were told of; daily, where they were told none."""
    found = (context or {}).get("cadence", Cadence.DAILY)
    return Cadence(found)


_Written = Annotated[str, Field(pattern=r"^\d{4}-(\d{2}(-\d{2}([T ]\d{2}.*)?)?|W\d{2})$", examples=["2026-01-31"])]
PeriodText = Annotated[InstanceOf[Period], BeforeValidator(_period, json_schema_input_type=_Written)]
"""A day, written as 2026-01-31; or an hour, a week or a month, as the definition's cadence is."""


class LastDates(StrictModel):
    """The last days, ending yesterday; or the last hours, weeks or months, ending with the last whole one."""

    last: int = Field(ge=1, le=MAX_DATES)


class DateRange(StrictModel):
    """A range of days, hours, weeks or months, as the definition's cadence is; both ends included."""

    from_: PeriodText = Field(alias="from")
    to: PeriodText

    @model_validator(mode="after")
    def _runs_forwards(self) -> DateRange:
        if self.to < self.from_:
            raise ValueError(f"'to' ({self.to.label}) lies before 'from' ({self.from_.label})")
        if self.from_.count_to(self.to) > MAX_DATES:
            raise ValueError(f"more than {MAX_DATES:,} {self.to.cadence.unit}s")
        return self


class ChangedSource(StrictModel):
    """A table whose changed days are wanted, and how its rows tell their day.

    By itself, a table's day is the column of time that it is partitioned by. A table that is partitioned by arrival
    names the column of the day as `day`. It may name that of the arrival as `column`: where snapshots can't tell what
    changed, the days of the rows that arrived lately are run beside the last ones.
    """

    table: TableName
    column: str | None = Field(
        None, description="The column of time that it is partitioned by: the day, or beside `day` the time of arrival."
    )
    day: str | None = Field(None, description="The column that says which day a row belongs to.")
    timezone: str | None = Field(
        None, description="Time zone in which days of instants are cut; that of the first trigger if omitted, else UTC."
    )

    @model_validator(mode="after")
    def _names_different_columns(self) -> ChangedSource:
        if self.column is not None and self.day is not None and self.column.lower() == self.day.lower():
            raise ValueError(f"'column' and 'day' are both {self.day}: name one of them")
        return self

    @property
    def day_column(self) -> str | None:
        """The column of the day, where it is named."""
        return self.day or self.column

    @property
    def arrival_column(self) -> str | None:
        """The column of the time at which rows arrive, where it is another than that of the day."""
        return self.column if self.day is not None else None


def as_source(value: object) -> object:
    """Read a source, which may be the name of its table alone."""
    return {"table": value} if isinstance(value, str) else value


class ChangedDates(StrictModel):
    """The days of some tables that changed since this workflow last read them, and those that were never done.

    Of an hourly, weekly or monthly definition, the hours, weeks or months in which something changed.

    What was read is remembered by the high-water mark of the table that is written. Where it can't tell what changed,
    as after a rollback of the source, the last days are run instead.
    """

    changed: list[
        Annotated[ChangedSource, BeforeValidator(as_source, json_schema_input_type=TableName | ChangedSource)]
    ] = Field(min_length=1, description="The sources, each a table's name; or a mapping that names its column.")
    from_: Literal["earliest changed"] | None = Field(
        None, alias="from", description="Run all days from the earliest changed one on, in order, each after the other."
    )
    last: int = Field(3, ge=1, le=MAX_DATES, description="Days to run where nobody can tell what changed.")
    max: int = Field(30, ge=1, le=MAX_DATES, description="The most days of one run; the next run goes on.")

    @property
    def in_order(self) -> bool:
        """Whether each day depends on the one before."""
        return self.from_ is not None


def _kind_of_dates(value: object) -> str:
    if isinstance(value, dict) and "changed" in value:
        return "changed"
    return "last" if isinstance(value, dict) and not {"from", "to"} & value.keys() else "range"


Dates = Annotated[
    Annotated[LastDates, Tag("last")] | Annotated[DateRange, Tag("range")] | Annotated[ChangedDates, Tag("changed")],
    Discriminator(_kind_of_dates),
]
"""The dates of a foreach."""
