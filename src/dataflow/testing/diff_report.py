"""A difference between two tables as a text that shows the cells: `3 -> 2` is expected 3, actually 2."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dataflow.wording import plural

_SHOWN = 10
_WIDTH = 40
_LABEL = 12

Cell = tuple[Any, Any, bool]


@dataclass(frozen=True)
class DiffReport:
    """The differences between two tables.

    Attributes:
        actual: The name of the table.
        expected: The name of what it was compared with.
        columns: The columns' names.
        counts: How many rows there are, and how many there should be.
        differing: Rows that are there with other values: expected, actual, and whether equal.
        missing: Rows that should be there.
        unexpected: Rows that should not.
        key: The columns that identify a row, where they are known.
        remarks: Further remarks.
    """

    actual: str
    expected: str
    columns: Sequence[str]
    counts: tuple[int, int]
    differing: Sequence[tuple[Cell, ...]]
    missing: Sequence[tuple[Any, ...]]
    unexpected: Sequence[tuple[Any, ...]]
    key: Sequence[str] = ()
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class DiffStyle:
    """How differences are shown.

    Attributes:
        width: How many characters a line may have.
        colored: Whether what should be there is green, and what should not be red.
    """

    width: int = 120
    colored: bool = False

    def wanted(self, text: str) -> str:
        """Mark what should be there."""
        return f"\x1b[32m{text}\x1b[39m" if self.colored else text

    def unwanted(self, text: str) -> str:
        """Mark what should not be there."""
        return f"\x1b[31m{text}\x1b[39m" if self.colored else text

    def marked(self, label: str, text: str) -> str:
        """Mark a row that is missing or unexpected."""
        return {"missing": self.wanted, "unexpected": self.unwanted}.get(label, str)(text)

    def lines(self, lines: Sequence[str]) -> list[str]:
        """Take lines out of the colour that pytest gives to a whole message."""
        return [f"\x1b[0m{line}" for line in lines] if self.colored else [*lines]


def describe(difference: DiffReport, style: DiffStyle | None = None) -> str:
    """Return differences as text: a summary, then the first of the rows.

    They stand under the columns' names; where that is too wide for a line, each by itself with the cells that differ.
    """
    style = style or DiffStyle()
    first, *rest = _summary(difference)
    lines = list(_lines(difference))
    shown = _table(difference, lines[:_SHOWN], style) or [*_blocks(difference, style)]
    more = [f"… and {len(lines) - _SHOWN} more rows"] if len(lines) > _SHOWN else []
    remarks = [f"→ {remark}" for remark in difference.remarks]
    return "\n".join([first, *style.lines([*rest, "", *shown, *more, *remarks])])


def _summary(difference: DiffReport) -> Iterator[str]:
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
    return plural(count, "row")


# ---------------------------------------------------------------------------------------------- as a table


def _lines(difference: DiffReport) -> Iterator[tuple[str, Sequence[tuple[str, str | None]]]]:
    """Yield each row's label and cells: what it is, or what it should be and what it is."""
    for row in difference.differing:
        yield "differs", [(_short(e), None) if equal else (_cell(e), _cell(a)) for e, a, equal in row]
    for word, rows in (("missing", difference.missing), ("unexpected", difference.unexpected)):
        for row in sorted(rows, key=str):
            yield word, [(_short(value), None) for value in row]


def _table(
    difference: DiffReport, lines: Sequence[tuple[str, Sequence[tuple[str, str | None]]]], style: DiffStyle
) -> list[str]:
    """Return the rows below the columns' names, or nothing when that is too wide."""
    from rich.cells import cell_len

    cells = [["", *difference.columns], *([label, *map(_plain, row)] for label, row in lines)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    if sum(widths) + 2 * (len(widths) - 1) > style.width:
        return []
    rows = [cells[0], *([label, *(_marked(cell, label, style) for cell in row)] for label, row in lines)]
    return [
        "  ".join(
            cell + " " * (width - cell_len(plain)) for cell, plain, width in zip(row, bare, widths, strict=True)
        ).rstrip()
        for row, bare in zip(rows, cells, strict=True)
    ]


def _plain(cell: tuple[str, str | None]) -> str:
    return cell[0] if cell[1] is None else f"{cell[0]} -> {cell[1]}"


def _marked(cell: tuple[str, str | None], label: str, style: DiffStyle) -> str:
    if cell[1] is not None:
        return f"{style.wanted(cell[0])} -> {style.unwanted(cell[1])}"
    return style.marked(label, cell[0])


# ------------------------------------------------------------------------------------------- row by row


def _blocks(difference: DiffReport, style: DiffStyle) -> Iterator[str]:
    """Yield the first rows one after the other: of one that differs, its key and the cells that differ."""
    left = _SHOWN
    for row in difference.differing[:left]:
        named = [*zip(difference.columns, row, strict=True)]
        equal = [(name, e) for name, (e, _, same) in named if same]
        about = [pair for pair in equal if pair[0] in difference.key] or equal
        yield from _wrapped("differs", about, style, lines=1)
        for name, (e, a, same) in named:
            if not same:
                yield from _change(name, _cell(e), _cell(a), style)
    left -= len(difference.differing[:left])
    for label, rows in (("missing", difference.missing), ("unexpected", difference.unexpected)):
        for one in sorted(rows, key=str)[:left]:
            yield from _wrapped(label, [*zip(difference.columns, one, strict=True)], style)
        left -= len(rows[:left])


def _wrapped(label: str, cells: Sequence[tuple[str, Any]], style: DiffStyle, lines: int | None = None) -> Iterator[str]:
    text = ", ".join(f"{name}: {_short(value)}" for name, value in cells)
    options: dict[str, Any] = {} if lines is None else {"max_lines": lines, "placeholder": " …"}
    wrapped = textwrap.wrap(text, max(style.width - _LABEL, _WIDTH), break_on_hyphens=False, **options) or [""]
    for number, line in enumerate(wrapped):
        yield f"{'' if number else label:{_LABEL}}{style.marked(label, line)}".rstrip()


def _change(name: str, expected: str, actual: str, style: DiffStyle) -> Iterator[str]:
    """Show a cell that differs; one too long for a line from shortly before the first character that differs."""
    room = style.width - _LABEL - len(name) - 4
    if len(expected) + len(actual) + 4 <= room:
        yield f"{'':{_LABEL}}  {name}: {style.wanted(expected)} -> {style.unwanted(actual)}"
        return
    pairs = enumerate(zip(expected, actual, strict=False))
    same = next((place for place, (e, a) in pairs if e != a), min(len(expected), len(actual)))
    for sign, text in ((style.wanted("-"), expected), (style.unwanted("+"), actual)):
        yield f"{'':{_LABEL}}  {name}: {sign} {_around(text, same, max(room - 4, _WIDTH))}"


def _around(text: str, place: int, room: int) -> str:
    start = max(place - room // 3, 0) if len(text) > room else 0
    cut = text[start : start + room]
    return f"{'…' if start else ''}{cut}{'…' if start + room < len(text) else ''}"


# ----------------------------------------------------------------------------------------------- values


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
