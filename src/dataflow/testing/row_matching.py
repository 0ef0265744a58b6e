"""Which rows of two tables are the same: each belongs to one of the other side, floating point within a tolerance.

What is exact about a row (texts, whole numbers, nulls, the shape of what is nested) is hashed. Rows that share it are
told apart by their floating point numbers alone: cut into groups where the sorted numbers leave a gap wider than the
tolerance, and matched within these.

What it guarantees: a pair is within the tolerance in every number; and as many rows are paired as can be, whichever of
several close ones each is paired with. Only in a group of more than `_EDGES_AT_MOST` close pairs that differ in two
numbers or more are rows paired in the order of their values instead: nothing unequal passes for equal there either, but
a pairing may be missed, which the result reports.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Row = tuple[Any, ...]
Pairs = list[tuple[int, int]]
Vector = tuple[float, ...]

_EDGES_AT_MOST = 1_000_000
_NUMBER = "a number within the tolerance"


@dataclass(frozen=True)
class Tolerance:
    """How much two equal floating point values may differ; one of the two limits is enough.

    Attributes:
        rtol: Relatively to the greater of the two; below 1.
        atol: Absolutely; the only one that lets anything pass for 0.0.
    """

    rtol: float = 1e-9
    atol: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.rtol < 1:
            raise ValueError(f"rtol is a share from 0 to below 1, not {self.rtol}")
        if not 0 <= self.atol < math.inf:
            raise ValueError(f"atol is a number from 0, not {self.atol}")

    def close(self, one: float, other: float) -> bool:
        """Say whether two numbers are equal within the tolerance."""
        return math.isclose(one, other, rel_tol=self.rtol, abs_tol=self.atol)


@dataclass(frozen=True)
class Matched:
    """Which rows are equal.

    Attributes:
        pairs: Their numbers, on the expected and on the actual side.
        exact: Whether no other pairing has more of them.
    """

    pairs: Pairs
    exact: bool = True


def match(expected: Sequence[Row], actual: Sequence[Row], tolerance: Tolerance) -> Matched:
    """Pair the rows that are equal, each with one."""
    floats: set[Row] = set()
    for row in (*expected, *actual):
        _note_floats([*row], (), floats)
    groups: dict[Hashable, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    vectors: tuple[list[Vector], list[Vector]] = ([], [])
    for side, rows in enumerate((expected, actual)):
        for number, row in enumerate(rows):
            vector: list[float] = []
            groups[_exact([*row], (), floats, vector)][side].append(number)
            vectors[side].append(tuple(vector))
    matcher = _Matcher(*vectors, tolerance)
    for wanted, found in groups.values():
        if wanted and found:
            matcher.match(wanted, found)
    return Matched(matcher.pairs, matcher.exact)


def equal(expected: Any, actual: Any, tolerance: Tolerance) -> bool:
    """Say whether two values are equal."""
    if not isinstance(expected, float | list | dict) and not isinstance(actual, float | list | dict):
        return isinstance(expected, bool) == isinstance(actual, bool) and bool(expected == actual)
    return bool(match([(expected,)], [(actual,)], tolerance).pairs)


def hashable(value: Any) -> Hashable:
    """Return what two values share only if they are equal to the last bit, apart from the order in a map."""
    return _exact(value, (), frozenset(), [])


# ------------------------------------------------------------------------------------ what is exact, and what is not


def _note_floats(value: Any, path: Row, found: set[Row]) -> None:
    """Note where floating point values stand: a whole number there is one of them, and elsewhere it is exact."""
    match value:
        case float():
            found.add(path)
        case list() if path:
            for item in value:
                _note_floats(item, (*path, None), found)
        case list():
            for i, item in enumerate(value):
                if isinstance(item, float | list | dict):
                    _note_floats(item, (i,), found)
        case dict():
            for key, item in value.items():
                _note_floats(item, (*path, hashable(key)), found)


def _exact(  # noqa: PLR0911  # one for each kind of value
    value: Any, path: Row, floats: set[Row] | frozenset[Row], vector: list[float]
) -> Hashable:
    """Return all of a value that is exact, and add what is not to a vector."""
    match value:
        case bool():
            return bool, value  # to Python, True is 1
        case float() | int() | Decimal() if path in floats:
            return _number(value, vector)
        case float():
            return float, repr(value + 0.0)  # NaN is itself, -0.0 is 0.0
        case list():
            inside = enumerate(value)
            return list, tuple(_exact(it, (*path, None) if path else (i,), floats, vector) for i, it in inside)
        case dict():
            keys = {hashable(key): item for key, item in value.items()}
            order = sorted(keys, key=_order)
            return dict, tuple((key, _exact(keys[key], (*path, key), floats, vector)) for key in order)
        case Hashable():
            return value
        case _:
            return repr(value)


def _number(value: float | Decimal, vector: list[float]) -> Hashable:
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond all floating point ones
        return value
    if not math.isfinite(number):
        return float, repr(number)
    vector.append(number)
    return _NUMBER


def _order(key: Hashable) -> tuple[str, Any]:
    return ("", key) if isinstance(key, int | Decimal) else (type(key).__name__, repr(key))


# ------------------------------------------------------------------------------------------------ numbers that are near


class _Matcher:
    """Pairs rows that are equal but for their floating point numbers."""

    def __init__(self, expected: Sequence[Vector], actual: Sequence[Vector], tolerance: Tolerance) -> None:
        self._expected, self._actual = expected, actual
        self._close = tolerance.close
        self.pairs: Pairs = []
        self.exact = True

    def match(self, wanted: list[int], found: list[int]) -> None:
        """Pair rows of which nothing but the numbers differs."""
        count = len(self._expected[wanted[0]])
        for some, others in self._groups(wanted, found, count):
            varied = [d for d in range(count) if not self._is_flat(some, others, d)]
            if not varied:
                self.pairs += zip(some, others, strict=False)
            elif len(varied) == 1:
                self._along(some, others, varied[0])
            else:
                self._by_flow(some, others)

    def _groups(self, wanted: list[int], found: list[int], count: int) -> Iterator[tuple[list[int], list[int]]]:
        """Cut rows into groups, between which no two are close, until no number cuts them any more."""
        waiting = [(wanted, found, 0, 0)]
        while waiting:
            some, others, dimension, uncut = waiting.pop()
            if not some or not others:
                continue
            if uncut == count:
                yield some, others
                continue
            parts = self._cut(some, others, dimension)
            uncut = uncut + 1 if len(parts) == 1 else 1
            waiting += [(*part, (dimension + 1) % count, uncut) for part in parts]

    def _cut(self, some: list[int], others: list[int], d: int) -> list[tuple[list[int], list[int]]]:
        """Cut where a number is not close to the next: then none below is close to any above."""
        merged = [(self._expected[i][d], 0, i) for i in some] + [(self._actual[j][d], 1, j) for j in others]
        merged.sort()
        parts: list[tuple[list[int], list[int]]] = [([], [])]
        before = merged[0][0]
        for value, side, number in merged:
            if value != before and not self._close(before, value):
                parts.append(([], []))
            parts[-1][side].append(number)
            before = value
        return parts

    def _is_flat(self, some: list[int], others: list[int], d: int) -> bool:
        """Say whether the numbers of all rows are close to one another."""
        values = [*(self._expected[i][d] for i in some), *(self._actual[j][d] for j in others)]
        return self._close(min(values), max(values))

    def _along(self, some: list[int], others: list[int], d: int) -> None:
        """Pair along one number: what is close to it is an interval that moves with it, so the first is the best."""
        wanted = sorted(some, key=lambda i: self._expected[i][d])
        found = sorted(others, key=lambda j: self._actual[j][d])
        i = j = 0
        while i < len(wanted) and j < len(found):
            one, other = self._expected[wanted[i]][d], self._actual[found[j]][d]
            if self._close(one, other):
                self.pairs.append((wanted[i], found[j]))
                i, j = i + 1, j + 1
            elif one < other:
                i += 1
            else:
                j += 1

    def _by_flow(self, some: list[int], others: list[int]) -> None:
        """Pair rows that differ in several numbers: as many as flow from one side to the other, equal ones together."""
        wanted, found = _alike(some, self._expected), _alike(others, self._actual)
        flow = _Flow([len(it) for it in wanted.values()], [len(it) for it in found.values()])
        self.exact &= flow.run(self._near(list(wanted), list(found)))
        sources, sinks = list(wanted.values()), list(found.values())
        for (i, j), count in flow.amounts.items():
            for _ in range(count):
                self.pairs.append((sources[i].pop(), sinks[j].pop()))

    def _near(self, wanted: list[Vector], found: list[Vector]) -> Iterator[tuple[int, list[int]]]:
        """Yield each vector's number, and those of the vectors close to it, all in ascending order."""
        first = 0
        for i, one in enumerate(wanted):
            while first < len(found) and found[first][0] < one[0] and not self._close(one[0], found[first][0]):
                first += 1
            near = []
            for j in range(first, len(found)):
                other = found[j]
                if all(map(self._close, one, other)):
                    near.append(j)
                elif other[0] > one[0] and not self._close(one[0], other[0]):
                    break
            yield i, near


def _alike(rows: list[int], vectors: Sequence[Vector]) -> dict[Vector, list[int]]:
    groups: dict[Vector, list[int]] = {}
    for number in sorted(rows, key=lambda it: (vectors[it], -it)):
        groups.setdefault(vectors[number], []).append(number)
    return groups


class _Flow:
    """The greatest flow from sources to sinks, by augmenting paths after a first greedy round."""

    def __init__(self, supply: list[int], demand: list[int]) -> None:
        self._supply, self._demand = supply, demand
        self._edges: list[list[int]] = []
        self._back: list[set[int]] = [set() for _ in demand]
        self.amounts: dict[tuple[int, int], int] = defaultdict(int)

    def run(self, edges: Iterator[tuple[int, list[int]]]) -> bool:
        """Let flow what can; say whether no more could."""
        count = 0
        for source, sinks in edges:
            for sink in sinks:
                self._push([(source, sink)], min(self._supply[source], self._demand[sink]))
            count += len(sinks)
            if count <= _EDGES_AT_MOST:
                self._edges.append(sinks)
        if count > _EDGES_AT_MOST:
            return not any(self._supply) or not any(self._demand)
        for source in range(len(self._edges)):
            while self._supply[source] and (path := self._path(source)):
                spare = [self.amounts[i, j] for i, j in path[1::2]]
                self._push(path, min(self._supply[source], self._demand[path[-1][1]], *spare))
        return True

    def _push(self, path: list[tuple[int, int]], amount: int) -> None:
        """Send an amount along a path, whose every second edge is one to be taken back."""
        if not amount:
            return
        for place, (source, sink) in enumerate(path):
            self.amounts[source, sink] += -amount if place % 2 else amount
            (self._back[sink].add if self.amounts[source, sink] else self._back[sink].discard)(source)
        self._supply[path[0][0]] -= amount
        self._demand[path[-1][1]] -= amount

    def _path(self, source: int) -> list[tuple[int, int]]:
        """Find a shortest way to a sink that takes more: edges there, and others taken back, in turn."""
        came: dict[int, tuple[int, int | None]] = {}  # each sink: from which source, and by which sink that was reached
        waiting: deque[tuple[int, int | None]] = deque([(source, None)])
        seen = {source}
        while waiting:
            at, by = waiting.popleft()
            for sink in self._edges[at]:
                if sink in came:
                    continue
                came[sink] = at, by
                if self._demand[sink]:
                    return _way(came, sink)
                for other in self._back[sink] - seen:
                    seen.add(other)
                    waiting.append((other, sink))
        return []


def _way(came: dict[int, tuple[int, int | None]], sink: int) -> list[tuple[int, int]]:
    way: list[tuple[int, int]] = []
    at: int | None = sink
    while at is not None:
        source, before = came[at]
        way.append((source, at))
        if before is not None:
            way.append((source, before))
        at = before
    return way[::-1]
