"""Which days are to be run, from what changed in the sources and what marks remember; no table is looked at here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dataflow.tables.changed_days.day_values import DayRange
from dataflow.tables.changed_days.find import Change, ChangedDays
from dataflow.tables.high_water_mark import HighWater
from dataflow.wording import plural
from dataflow.workflow.changed_dates import ChangedQuestion, DatesFound

_NAMED = 2
NOT_DONE = "not done yet"


@dataclass(frozen=True)
class Source:
    """A source as a target has to look at it.

    Attributes:
        name: Its name, without the catalog.
        key: What marks call it.
        changed: What changed since the target's mark.
    """

    name: str
    key: str
    changed: ChangedDays


@dataclass(frozen=True)
class Target:
    """A table that is written, its mark, and what changed since in each source.

    Attributes:
        name: Its name, without the catalog.
        water: Its mark.
        sources: The sources; none where there is no mark to look from.
    """

    name: str
    water: HighWater
    sources: tuple[Source, ...] = ()


@dataclass
class _Wanted:
    """The days of one question, with why each is to be run."""

    question: ChangedQuestion
    last: dt.date
    undone: dict[dt.date, dict[str, None]] = field(default_factory=dict)
    changed: dict[dt.date, dict[str, None]] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    held_back: bool = False

    def add(self, days: Iterable[dt.date], why: str, *, undone: bool) -> None:
        """Add days up to the last one that may be run."""
        kind = self.undone if undone else self.changed
        for day in days:
            if day <= self.last:
                kind.setdefault(day, {})[why] = None

    @property
    def reasons(self) -> dict[dt.date, tuple[str, ...]]:
        """All days in order, each with its reasons."""
        days = sorted({*self.undone, *self.changed})
        return {day: (*self.undone.get(day, ()), *self.changed.get(day, ())) for day in days}


def choose_dates(
    question: ChangedQuestion, targets: Sequence[Target], marks: Mapping[str, dt.date]
) -> DatesFound:  # fmt: skip
    """Choose the days to run.

    Days that were never done come first, the oldest first; then those that changed, the newest first, until there are
    as many as a run may have. They are run in their order. Where each day depends on the one before, all from the
    earliest on are run.

    Args:
        question: What is asked.
        targets: The tables that are written.
        marks: Up to where sources are complete, by their names; those that say so.
    """
    wanted = _Wanted(question, min([question.yesterday, *marks.values()]))
    for target in targets:
        _add_target(wanted, target)
    for name, mark in marks.items():
        if mark < question.yesterday and mark == wanted.last:
            wanted.notes[f"{name} is complete up to {mark}: later days wait"] = None
    reasons = wanted.reasons
    chosen = _in_order(wanted) if question.in_order else _newest_changes(wanted)
    if left := len(reasons) - len(chosen):
        wanted.notes[f"{plural(left, 'day')} left for the next run: one takes {question.max} at most"] = None
    seen = {it.key: it.changed.head for target in targets for it in target.sources if it.changed.head is not None}
    return DatesFound(
        tuple(map(str, chosen)),
        {str(day): reasons[day] for day in chosen},
        tuple(wanted.notes),
        seen,
        {target.name: dict(target.water.sources) for target in targets},
        is_all=not left and not wanted.held_back,
    )


def _add_target(wanted: _Wanted, target: Target) -> None:
    question, water = wanted.question, target.water
    mark = water.day
    if mark is None:
        wanted.add(question.last_days, f"{target.name} has no mark: one of the last {_days(question)}", undone=True)
        return
    open_days = (mark + dt.timedelta(days=n) for n in range(1, (wanted.last - mark).days + 1))
    wanted.add((day for day in open_days if not _is_done(water, day)), NOT_DONE, undone=True)
    stale: dict[dt.date, dict[str, None]] = {}
    for source in target.sources:
        wanted.notes.update(dict.fromkeys(f"{source.name}: {note}" for note in source.changed.notes))
        if source.changed.lost is not None:
            wanted.notes[f"{source.name}: {source.changed.lost}: the last {_days(question)} instead"] = None
            why = f"one of the last {_days(question)}, as nobody can tell what changed in {source.name}"
            wanted.add(question.last_days, why, undone=False)
            lately = f"rows of it came to {source.name} in the last {_days(question)}, or in a file with such"
            wanted.add(source.changed.arrived, lately, undone=False)
            continue
        for day, whys in _stale(source, water, in_order=question.in_order):
            stale.setdefault(day, {}).update(dict.fromkeys(whys))
    for day, reasons in stale.items():
        wanted.held_back |= day > wanted.last and (day <= mark or _is_done(water, day))
        for why in reasons:
            wanted.add([day], why, undone=False)
    if question.in_order and wanted.changed:
        _follow(wanted, mark)


def _follow(wanted: _Wanted, mark: dt.date) -> None:
    """Add all days from the earliest changed one up to the mark."""
    first = min(wanted.changed)
    for n in range(1, (mark - first).days + 1):
        day = first + dt.timedelta(days=n)
        if day not in wanted.changed:
            wanted.add([day], f"follows {first}, which changed", undone=False)


def _stale(source: Source, water: HighWater, *, in_order: bool) -> Iterator[tuple[dt.date, list[str]]]:
    """Yield the days whose rows changed since they were computed, with what changed."""
    order = {snapshot: number for number, snapshot in enumerate(source.changed.snapshots)}
    before: list[Change] = []
    days = set(source.changed.days)
    if in_order and days:  # a day depends on those before it, and so on their changes
        last = max(water.day or min(days), *(_day(it) for it in (*water.ahead, min(days))))
        days |= set(DayRange(min(days), last).days())
    for day in sorted(days):
        own = list(source.changed.days.get(day, ()))
        read = water.read_for(day).get(source.key)
        done = order.get(read[1], len(order)) if read else len(order)
        changes = [it for it in own if order[it.snapshot] < done]
        if changes:
            yield day, _told(source.name, changes)
        elif in_order and any(order[it.snapshot] < done for it in before):
            yield day, [f"a day before it changed in {source.name}"]
        before += own


def _day(moment: dt.date) -> dt.date:
    return moment.date() if isinstance(moment, dt.datetime) else moment


def _told(source: str, changes: Sequence[Change]) -> list[str]:
    """Say what snapshots did to a day, the newest first."""
    told = [
        f"{_rows(it)} in snapshot {it.snapshot} of {source} at {it.at:%Y-%m-%d %H:%M} UTC" for it in changes[:_NAMED]
    ]
    more = len(changes) - _NAMED
    return [*told, f"and {plural(more, 'snapshot')} of {source} before"] if more > 0 else told


def _rows(change: Change) -> str:
    """Say how many rows came and went."""
    if change.came is None or change.went is None:
        return "rows may have changed"
    if change.came and change.went:
        return f"{plural(change.came, 'row')} took the place of {change.went:,}"
    return f"{plural(change.came, 'row')} came" if change.came else f"{plural(change.went, 'row')} went"


def _is_done(water: HighWater, day: dt.date) -> bool:
    """Say whether a day beyond the mark is finished already."""
    return day in water.ahead or bool(water.read_for(day))


def _days(question: ChangedQuestion) -> str:
    return plural(question.last, "day")


def _newest_changes(wanted: _Wanted) -> list[dt.date]:
    undone = sorted(wanted.undone)[: wanted.question.max]
    changed = sorted(wanted.changed.keys() - wanted.undone.keys(), reverse=True)
    return sorted([*undone, *changed[: wanted.question.max - len(undone)]])


def _in_order(wanted: _Wanted) -> list[dt.date]:
    return sorted({*wanted.undone, *wanted.changed})[: wanted.question.max]
