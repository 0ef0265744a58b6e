"""The calendar of a table: which days, weeks or months it has rows of, which are complete, and which are missing."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.tables.changed_days.find import day_column
from dataflow.tables.changed_days.present import PresentPeriods, present_periods
from dataflow.tables.high_water_mark import HighWater
from dataflow.workflow.periods import Cadence, Period

if TYPE_CHECKING:
    from pyiceberg.table import Table

_WINDOW = {Cadence.HOURLY: 24 * 35, Cadence.DAILY: 371, Cadence.WEEKLY: 106, Cadence.MONTHLY: 60}
"""How many periods are shown: 53 weeks of days, five of hours, two years of weeks, five of months."""


class State(StrEnum):
    """What is known of a period."""

    COMPLETE = "complete"
    ROWS = "has rows"
    MAYBE = "may have rows"
    EMPTY = "complete, no rows"
    MISSING = "missing"
    AFTER = "not yet"
    BEFORE = "before the first"


@dataclass(frozen=True)
class Cell:
    """A day, a week or a month in the calendar.

    Attributes:
        label: What people call it.
        start: The day that it begins on.
        state: What is known of it.
        rows: How many rows it has; None where that is unknown.
        parts: Of a day in a table of hours how many of its hours have rows or are complete; None of others.
    """

    label: str
    start: dt.date
    state: State
    rows: int | None
    parts: int | None = None


@dataclass(frozen=True)
class Calendar:
    """The calendar of a table.

    Attributes:
        unit: What a cell stands for: a day, a week or a month.
        cadence: The periods that the table is made of.
        column: The column that says which of them a row belongs to.
        cells: The cells, in order.
        first: The first period of all that the table has, by its label; None of an empty table.
        last: The last one.
        missing: How many cells of the window are missing.
        gaps: The first and the last of each row of cells that are missing, by their labels, and how many they are.
        notes: What is to be known of the counts, in words.
    """

    unit: str
    cadence: Cadence
    column: str
    cells: tuple[Cell, ...]
    first: str | None
    last: str | None
    missing: int
    gaps: tuple[tuple[str, str, int], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def columns_of_weeks(self) -> tuple[tuple[Cell | None, ...], ...]:
        """The days in weeks from Monday to Sunday; None where a week is in the window in part."""
        if self.unit != "day" or not self.cells:
            return ()
        padded: list[Cell | None] = [*[None] * self.cells[0].start.weekday(), *self.cells]
        padded += [None] * (-len(padded) % 7)
        return tuple(tuple(padded[at : at + 7]) for at in range(0, len(padded), 7))


def calendar(table: Table, water: HighWater, today: dt.date) -> Calendar:
    """Return the calendar of a table.

    Args:
        table: The table, as PyIceberg has it.
        water: Its high-water mark.
        today: The day that is not over yet.

    Raises:
        DataflowError: Nobody can tell which column is the day of a row, or a manifest can't be read.
    """
    cadence = water.mark.cadence if water.mark is not None else _cadence_of(table)
    until = max([it for it in (water.mark, *water.ahead) if it is not None and it.cadence is cadence], default=None)
    found = present_periods(table, cadence, _WINDOW[cadence], today=cadence.at(today), until=until)
    states = dict(_states(found, water))
    cells = tuple(_days_of_hours(found, states) if cadence is Cadence.HOURLY else _cells(found, states))
    return Calendar(
        "day" if cadence is Cadence.HOURLY else cadence.unit,
        cadence,
        found.column,
        cells,
        found.first.label if found.first is not None else None,
        found.last.label if found.last is not None else None,
        sum(it.state is State.MISSING for it in cells),
        tuple(_gaps(cells)),
        tuple(_notes(found)),
    )


def _cadence_of(table: Table) -> Cadence:
    """Return the periods of a table without a mark: those that it is partitioned by."""
    column = day_column(table.metadata, ".".join(table.name()[-2:]))
    transforms = {str(it.transform) for it in table.spec().fields if it.source_id == column.id}
    if "hour" in transforms:
        return Cadence.HOURLY
    return Cadence.MONTHLY if transforms and transforms <= {"month", "year"} else Cadence.DAILY


def _states(found: PresentPeriods, water: HighWater) -> Iterator[tuple[Period, State]]:
    """Yield what is known of each period of the window; gaps lie between the first and the last that are known."""
    known = [*found.rows, *water.ahead, *([water.mark] if water.mark is not None else [])]
    first, last = min(found.rows, default=None), max(known, default=None)
    for period in found.window:
        is_complete = period in water.ahead or (water.mark is not None and period <= water.mark)
        if period in found.rows:
            rows = found.rows[period]
            yield period, State.COMPLETE if is_complete else State.MAYBE if rows is None else State.ROWS
        elif period in water.ahead:
            yield period, State.EMPTY
        elif first is None or period < first:
            yield period, State.BEFORE if last is None or period <= last else State.AFTER
        elif is_complete:
            yield period, State.EMPTY
        else:
            yield period, State.MISSING if last is not None and period < last else State.AFTER


def _cells(found: PresentPeriods, states: Mapping[Period, State]) -> Iterator[Cell]:
    for period, state in states.items():
        yield Cell(period.label, period.date, state, found.rows.get(period, 0))


def _days_of_hours(found: PresentPeriods, states: Mapping[Period, State]) -> Iterator[Cell]:
    """Yield the days of a table of hours, each with the hours that it has."""
    by_day: dict[dt.date, list[Period]] = {}
    for period in states:
        by_day.setdefault(period.date, []).append(period)
    for day, hours in by_day.items():
        of = [states[it] for it in hours]
        rows = [found.rows.get(it, 0) for it in hours]
        known = [number for number in rows if number is not None]
        there = sum(it not in {State.MISSING, State.AFTER, State.BEFORE} for it in of)
        yield Cell(day.isoformat(), day, _of_parts(of), sum(known) if len(known) == len(rows) else None, there)


def _of_parts(states: Sequence[State]) -> State:
    """Return what is known of a day by what is known of its hours."""
    inside: list[State] = [it for it in states if it is not State.BEFORE]
    if not inside or all(it is State.AFTER for it in inside):
        return states[0]
    if State.MISSING in inside:
        return State.MISSING
    order = (State.AFTER, State.ROWS, State.MAYBE, State.COMPLETE, State.EMPTY)
    worst = next(it for it in order if it in inside)
    return State.ROWS if worst is State.AFTER else worst


def _gaps(cells: Sequence[Cell]) -> Iterator[tuple[str, str, int]]:
    for state, group in itertools.groupby(cells, key=lambda it: it.state):
        if state is State.MISSING:
            found = list(group)
            yield found[0].label, found[-1].label, len(found)


def _notes(found: PresentPeriods) -> Iterator[str]:
    if not found.is_whole:
        yield "the table has more files than were looked at: days may have more rows"
    if found.has_deletes:
        yield "rows that delete files take away are counted"
    if found.is_instant and found.cadence is not Cadence.HOURLY:
        yield f"{found.cadence.unit}s are those of UTC"
    if None in found.rows.values():
        yield "some files hold several days: of each of them nobody can tell the rows without reading data"


def try_calendar(table: Table, water: HighWater, today: dt.date) -> tuple[Calendar | None, str]:
    """Return the calendar, or why there is none."""
    try:
        return calendar(table, water, today), ""
    except DataflowError as error:
        return None, str(error)
