"""A difference between two tables as a text that shows the cells: `3 -> 2` is expected 3, actually 2."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_SHOWN = 10
_WIDTH = 40

Cell = tuple[Any, Any, bool]


@dataclass(frozen=True)
class Difference:
    """What is different.

    Attributes:
        actual: What to call the table.
        expected: What to call that which it was compared with.
        columns: The columns' names.
        counts: How many rows there are, and how many there should be.
        differing: Rows that are there with other values: expected, actual, and whether equal.
        missing: Rows that should be there.
        unexpected: Rows that should not.
    """

    actual: str
    expected: str
    columns: Sequence[str]
    counts: tuple[int, int]
    differing: Sequence[tuple[Cell, ...]]
    missing: Sequence[tuple[Any, ...]]
    unexpected: Sequence[tuple[Any, ...]]


def describe(difference: Difference) -> str:
    """Write a difference down: a summary, then the first of the rows under the columns' names."""
    lines = list(_lines(difference))
    shown = _aligned([["", *difference.columns], *lines[:_SHOWN]])
    rest = [f"… and {len(lines) - _SHOWN} more rows"] if len(lines) > _SHOWN else []
    return "\n".join([*_summary(difference), "", *shown, *rest])


def _summary(difference: Difference) -> Iterator[str]:
    found, wanted = difference.counts
    yield f"{difference.actual} has {_rows(found)}, {difference.expected} has {_rows(wanted)}:"
    counts = {
        "differ (expected -> actual)": len(difference.differing),
        "missing": len(difference.missing),
        "unexpected": len(difference.unexpected),
        "equal": wanted - len(difference.differing) - len(difference.missing),
    }
    yield ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"


def _lines(difference: Difference) -> Iterator[list[str]]:
    for row in difference.differing:
        yield ["differs", *(_short(e) if equal else f"{_cell(e)} -> {_cell(a)}" for e, a, equal in row)]
    for word, rows in (("missing", difference.missing), ("unexpected", difference.unexpected)):
        for row in sorted(rows, key=str):
            yield [word, *map(_short, row)]


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    from rich.cells import cell_len, set_cell_size

    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(set_cell_size(cell, width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def _short(value: Any) -> str:
    text = _cell(value)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _cell(value: Any) -> str:
    match value:
        case None | bool() | str():  # as JSON has it: null, true, and text in quotes
            return json.dumps(value, ensure_ascii=False)
        case bytes():
            return value.hex()
        case list():
            return f"[{', '.join(map(_cell, value))}]"
        case dict():
            return f"{{{', '.join(f'{_cell(k)}: {_cell(v)}' for k, v in value.items())}}}"
        case _:
            return str(value)
