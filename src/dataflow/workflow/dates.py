"""The dates that a foreach may have: the last ones, a range, or those whose sources changed.

Editors show the docstrings and descriptions of these models: they are written for whoever edits the YAML.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from dataflow.workflow.strict_model import StrictModel
from dataflow.workflow.values import TableName, day

MAX_DATES = 10_000
"""How many dates one foreach may have."""

Day = Annotated[dt.date, BeforeValidator(day, json_schema_input_type=dt.date)]
"""A date, written as 2026-01-31."""


class LastDates(StrictModel):
    """The last days, ending yesterday."""

    last: int = Field(ge=1, le=MAX_DATES)


class DateRange(StrictModel):
    """A range of days, both ends included."""

    from_: Day = Field(alias="from")
    to: Day

    @model_validator(mode="after")
    def _runs_forwards(self) -> DateRange:
        if self.to < self.from_:
            raise ValueError(f"'to' ({self.to}) lies before 'from' ({self.from_})")
        if (self.to - self.from_).days >= MAX_DATES:
            raise ValueError(f"more than {MAX_DATES:,} days")
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


def _source(value: object) -> object:
    return {"table": value} if isinstance(value, str) else value


class ChangedDates(StrictModel):
    """The days of some tables that changed since this workflow last read them, and those that were never done.

    What was read is remembered by the high-water mark of the table that is written. Where it can't tell what changed,
    as after a rollback of the source, the last days are run instead.
    """

    changed: list[
        Annotated[ChangedSource, BeforeValidator(_source, json_schema_input_type=TableName | ChangedSource)]
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
