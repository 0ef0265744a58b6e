"""Selecting the few rows of a mock: each for a reason, no two the same."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataflow.mocks.model import MockColumn, Row, identity
from dataflow.tables.schema.spark_types import NUMBERS, SqlType

Path = tuple[str, ...]
Feature = tuple[str, Path, Any]

_WEIGHTS = {
    "null": 8.0,
    "least": 6.0,
    "greatest": 6.0,
    "tie": 5.0,
    "rare": 5.0,
    "zero": 4.0,
    "nan": 4.0,
    "empty": 4.0,
    "longest": 3.0,
}
_RARE = 0.01  # the share of all rows up to which a value is called rare
_RARE_AT_MOST = 3
_SAID = {"nan": "not a number", "tie": "tied"}
_ORDERED = NUMBERS | {"date", "timestamp", "timestamp_ntz"}  # the first of the alphabet means nothing
_REASONS_SHOWN = 3


@dataclass(frozen=True)
class SelectedRows:
    """Rows of a mock.

    Attributes:
        rows: In the order of their values.
        reasons: Why each of them is there, in words; empty for those that are there for variety.
    """

    rows: tuple[Row, ...]
    reasons: tuple[str, ...]


def select_rows(
    rows: Sequence[Row],
    columns: Sequence[MockColumn],
    count: int,
    *,
    counts: Mapping[Path, Mapping[Any, int]] | None = None,
    key: Sequence[str] = (),
) -> SelectedRows:
    """Choose the rows that matter most.

    Args:
        rows: Rows to choose from, in any order: the same set gives the same choice.
        columns: Their columns.
        count: How many at most.
        counts: How often a column's values occur in the whole table, where they are few: the rare ones matter.
        key: Columns that identify a row: no two chosen rows share them.
    """
    candidates = _distinct(rows, columns, key)
    selector = _RowSelector(candidates, columns, counts or {})
    found = sorted(selector.select(count))
    reasons = tuple(_words(selector.reasons.get(i, [])) for i in found)
    return SelectedRows(tuple(candidates[i] for i in found), reasons)


def _distinct(rows: Sequence[Row], columns: Sequence[MockColumn], key: Sequence[str]) -> list[Row]:
    """Return each row once, in the order of their values; of those that share a key the first."""
    ordered = sorted({identity(row): row for row in rows}.values(), key=lambda row: [sort_key(v) for v in row])
    places = [i for i, column in enumerate(columns) if column.name in key]
    if len(places) < len(key) or not places:
        return ordered
    return list({identity([row[i] for i in places]): row for row in reversed(ordered)}.values())[::-1]


def sort_key(value: Any) -> tuple[Any, ...]:
    """Return what any two values of a column can be ordered by: nulls last, NaN above all numbers."""
    match value:
        case None:
            return (2,)
        case float() if math.isnan(value):
            return (1,)
        case list():
            return (0, [sort_key(item) for item in value])
        case dict():
            return (0, [(sort_key(k), sort_key(v)) for k, v in value.items()])
        case dt.datetime():
            return (0, value.replace(tzinfo=None))
        case _:
            return (0, value)


class _RowSelector:
    """Selects rows one by one: the next one shows most that no selected row shows yet."""

    def __init__(
        self, rows: list[Row], columns: Sequence[MockColumn], counts: Mapping[Path, Mapping[Any, int]]
    ) -> None:
        self._rows = rows
        self._shows: list[dict[Feature, float]] = [{} for _ in rows]
        self.reasons: dict[int, list[Feature]] = {}
        self._leaves = [leaf for i, column in enumerate(columns) for leaf in _leaves(i, (column.name,), column.type)]
        self._ties: list[tuple[Feature, list[int]]] = []
        for path, type_, get in self._leaves:
            self._note(path, type_, [get(row) for row in rows], counts.get(path, {}))

    def select(self, count: int) -> list[int]:
        chosen: list[int] = []
        covered: set[Feature] = set()
        self._cover(chosen, covered, count, at_least=_WEIGHTS["longest"])
        for feature, pair in self._ties:
            missing = [i for i in pair if i not in chosen]
            if len(chosen) + len(missing) <= count:
                chosen += missing
                for i in pair:
                    self.reasons.setdefault(i, []).append(feature)
                    covered.update(self._shows[i])
        self._cover(chosen, covered, count, at_least=0.0)
        self._fill(chosen, count)
        return chosen

    def _cover(self, chosen: list[int], covered: set[Feature], count: int, *, at_least: float) -> None:
        """Choose rows as long as one of them shows something new that weighs at least so much."""
        left = {i: shows for i, shows in enumerate(self._shows) if i not in chosen}
        while len(chosen) < count and left:
            gains = {i: self._gain(shows, covered, at_least) for i, shows in left.items()}
            left = {i: shows for i, shows in left.items() if gains[i] > 0}
            if not left:
                return
            best = max(left, key=lambda i: (gains[i], -i))
            self.reasons.setdefault(best, []).extend(
                feature for feature in left[best] if feature not in covered and left[best][feature] >= at_least
            )
            chosen.append(best)
            covered.update(left.pop(best))

    @staticmethod
    def _gain(shows: Mapping[Feature, float], covered: set[Feature], at_least: float) -> float:
        return sum(weight for feature, weight in shows.items() if feature not in covered and weight >= at_least)

    def _fill(self, chosen: list[int], count: int) -> None:
        """Choose, of what is left, the rows with the most values that no chosen row has."""
        texts = [[identity(get(row)) for _, _, get in self._leaves] for row in self._rows]
        seen = [Counter(texts[i][j] for i in chosen) for j in range(len(self._leaves))]
        left = [i for i in range(len(self._rows)) if i not in set(chosen)]
        while len(chosen) < count and left:
            best = max(left, key=lambda i: (sum(1 / (1 + seen[j][text]) for j, text in enumerate(texts[i])), -i))
            left.remove(best)
            chosen.append(best)
            for j, text in enumerate(texts[best]):
                seen[j][text] += 1

    def _note(self, path: Path, type_: SqlType, values: list[Any], counts: Mapping[Any, int]) -> None:
        """Note what each row shows of a column."""
        for i, value in enumerate(values):
            for kind in _kinds(value):
                self._show(i, (kind, path, None))
        known = [i for i, v in enumerate(values) if v is not None and not (isinstance(v, float) and math.isnan(v))]
        if not known:
            return
        if type_.name in _ORDERED:
            for kind, extreme in (("least", min), ("greatest", max)):
                self._show_all(known, values, kind, path, extreme(values[i] for i in known))
        if type_.name in {"string", "array", "map"} and not counts:
            lengths = {i: len(values[i]) for i in known}
            self._show_all(known, lengths, "longest", path, max(lengths.values()))
        if counts:
            self._note_rare(path, values, known, counts)
        elif type_.name in NUMBERS | {"timestamp", "timestamp_ntz"}:
            self._note_tie(path, values, known)

    def _show_all(self, rows: list[int], values: Any, kind: str, path: Path, wanted: Any) -> None:
        for i in rows:
            if values[i] == wanted:
                self._show(i, (kind, path, None))

    def _note_rare(self, path: Path, values: list[Any], known: list[int], counts: Mapping[Any, int]) -> None:
        ranked = sorted(counts, key=lambda value: (counts[value], sort_key(value)))
        weights = {repr(value): 1.0 + 1.0 / (1 + rank) for rank, value in enumerate(ranked)}
        bound = _RARE * sum(counts.values())
        rare = {repr(value) for value in ranked[:_RARE_AT_MOST] if counts[value] <= bound}
        for i in known:
            counted = repr(_counted(values[i]))
            self._shows[i]["value", path, counted] = weights.get(counted, 1.0)
            if counted in rare:
                self._show(i, ("rare", path, counted))

    def _note_tie(self, path: Path, values: list[Any], known: list[int]) -> None:
        """Find the two rows of the greatest value that two rows have: what ranks first must rank alike."""
        by_value: dict[str, list[int]] = {}
        for i in sorted(known, key=lambda i: sort_key(values[i]), reverse=True):
            pair = by_value.setdefault(repr(values[i]), [])
            pair.append(i)
            if len(pair) == 2:
                self._ties.append((("tie", path, None), sorted(pair)))
                return

    def _show(self, row: int, feature: Feature) -> None:
        self._shows[row][feature] = _WEIGHTS[feature[0]]


def _kinds(value: Any) -> Iterator[str]:
    if value is None:
        yield "null"
    elif isinstance(value, float) and math.isnan(value):
        yield "nan"
    elif isinstance(value, str | list | dict | bytes):
        if not value:
            yield "empty"
    elif not isinstance(value, bool | dt.date) and value == 0:
        yield "zero"


def _leaves(position: int, path: Path, type_: SqlType) -> Iterator[tuple[Path, SqlType, Any]]:
    """Yield a column and, for a struct, the fields in it, each with what gets its value from a row."""
    inner = path[1:]

    def get(row: Row) -> Any:
        value: Any = row[position]
        for name in inner:
            value = None if value is None else value[name]
        return value

    yield path, type_, get
    for name, field in type_.fields:
        yield from _leaves(position, (*path, name), field)


def _counted(value: Any) -> Any:
    """Return a value as `notable_rows` counts it: timestamps as numbers."""
    match value:
        case dt.datetime():
            epoch = dt.datetime(1970, 1, 1, tzinfo=value.tzinfo)
            return (value - epoch) // dt.timedelta(microseconds=1)
        case dt.date():
            return (value - dt.date(1970, 1, 1)).days
        case _:
            return value


def _words(features: Sequence[Feature]) -> str:
    said: dict[str, list[str]] = {}
    for kind, path, _ in features:
        if kind in _WEIGHTS:
            said.setdefault(_SAID.get(kind, kind), []).append(".".join(path))
    parts = [f"{kind} {', '.join(dict.fromkeys(names))}" for kind, names in said.items()]
    return "; ".join(parts[:_REASONS_SHOWN])
