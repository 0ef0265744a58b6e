"""Rewriting a mock file in place: only what changes is written, and comments stay with their rows and columns.

The text is edited where it changes, by the positions that libyaml reports, rather than dumped anew: a round trip
through a dumper would set the cells of a table one space apart, and lose comments above rows.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from dataflow.errors import DefinitionError
from dataflow.mocks.load import load_mock, read_mock
from dataflow.mocks.model import Mock, Row, identity
from dataflow.mocks.write import column_line, header_line, is_table, mapping_lines, render_mock, table_lines
from dataflow.mocks.yaml_text import cell_text, type_text
from dataflow.workflow.yamlfile import YamlFile, read_text, read_yaml

_BREAK = re.compile(r"[\x85\u2028\u2029]|\r(?!$)")
"""Line ends of YAML that are none elsewhere."""


@dataclass
class _Block:
    """A row or a column of the file: the comments above it, its own lines, and the comment at its end."""

    above: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    remark: str = ""


def rewritten_mock(file: Path, new: Mock) -> str:
    """Return a mock file's text with other rows or columns, its comments kept.

    Args:
        file: The file as it stands.
        new: The new contents; table, key and flags are taken from the file.

    Raises:
        DefinitionError: The file can't be read as a mock.
        ValueError: A value can't stand in a mock.
    """
    words = read_yaml(file)
    old = read_mock(words)
    lines = read_text(file).split("\n")
    text = _edited(words, lines, old, new)
    if text is None or not round_trips(text, new):
        head = [line.removeprefix("#").strip() for line in _head(lines)]
        kept = dataclasses.replace(new, table=old.table, key=old.key, partial=old.partial, duplicates=old.duplicates)
        text = render_mock(kept, head=head)
    return text


def round_trips(text: str, mock: Mock) -> bool:
    """Say whether a text reads back as the rows and columns that it was made of."""
    with TemporaryDirectory(prefix="dataflow-") as folder:
        file = Path(folder) / "mock.yaml"
        file.write_text(text, encoding="utf-8", newline="")
        try:
            found = load_mock(file)
        except DefinitionError:
            return False
    return found.columns == mock.columns and identity(found.rows) == identity(mock.rows)


def _head(lines: Sequence[str]) -> list[str]:
    found = []
    for line in lines:
        if not line.startswith("#"):
            break
        found.append(line)
    return found


def _edited(words: YamlFile, lines: list[str], old: Mock, new: Mock) -> str | None:
    """Return the text with both blocks edited, or None where its lines don't show the structure."""
    if any(_BREAK.search(line) for line in lines):
        return None
    columns, rows = words.keys["columns",].line, words.keys["rows",].line
    spans = [(words.keys["columns", c.name].line, words.value_place(("columns", c.name)).line) for c in old.columns]
    blocks = {columns: (spans, _columns), rows: (_row_spans(words, lines, len(old.rows)), _rows)}
    for start in sorted(blocks, reverse=True):  # from below, so that the lines above keep their numbers
        spans, edit = blocks[start]
        if not _one_below_another(spans, start):
            return None
        items = _items(words, lines, spans, start)
        end = spans[-1][1] if spans else start
        below = edit(words, items, old, new)
        if edit is _rows and not (spans and new.rows):
            return None  # `rows: []` has no lines to go by
        lines[start:end] = [line for item in items for line in (*item.above, *item.lines)] + below
    return "\n".join(lines)


def _row_spans(words: YamlFile, lines: Sequence[str], count: int) -> list[tuple[int, int]]:
    """Return the first and last line of each row; libyaml lets a mapping end where the next thing begins."""
    spans = []
    for i in range(count):
        place = words.value_place(("rows", i))
        last = place.line + place.written.count("\n")
        while last > place.line and _is_between(lines[last - 1] if last <= len(lines) else "", i, last, words):
            last -= 1
        spans.append((place.line, last))
    return spans


def _is_between(line: str, row: int, number: int, words: YamlFile) -> bool:
    following = words.values.get(("rows", row + 1))
    return not line.strip() or line.lstrip().startswith("#") or (following is not None and number >= following.line)


def _one_below_another(spans: Sequence[tuple[int, int]], start: int) -> bool:
    before = start
    for first, last in spans:
        if first <= before:
            return False
        before = last
    return True


def _items(words: YamlFile, lines: Sequence[str], spans: Sequence[tuple[int, int]], start: int) -> list[_Block]:
    items, before = [], start
    for i, (first, last) in enumerate(spans):
        item = _Block(above=list(lines[before : first - 1]), lines=list(lines[first - 1 : last]))
        place = words.values.get(("rows", i)) if start == words.keys["rows",].line else None
        if place is not None and first == last and place.written[:1] in {"[", "{"}:
            item.remark = lines[first - 1][place.column - 1 + len(place.written) :].strip()
        items.append(item)
        before = last
    return items


def _columns(words: YamlFile, items: list[_Block], old: Mock, new: Mock) -> list[str]:
    """Put in what is new, take out what is gone, change types; return comments that are left over."""
    known = dict(zip((column.name for column in old.columns), items, strict=True))
    types = {column.name: column.type for column in old.columns}
    for name, item in known.items():
        wanted = next((column.type for column in new.columns if column.name == name), None)
        if wanted is not None and wanted != types[name]:
            place = words.value_place(("columns", name))
            line = item.lines[-1]
            at = place.column - 1
            item.lines[-1] = line[:at] + type_text(wanted) + line[at + len(place.written) :]
    placed = [known.get(column.name) or _Block(lines=[column_line(column)]) for column in new.columns]
    gone = [line for name, item in known.items() if name not in {c.name for c in new.columns} for line in item.above]
    items[:] = placed
    return [line for line in gone if line.strip()]


def _rows(words: YamlFile, items: list[_Block], old: Mock, new: Mock) -> list[str]:
    """Put the new rows in the place of the old ones; return the comments of rows at the end that are gone."""
    mappings = isinstance(words.data["rows"][0], dict) if items else not is_table(new.columns, new.rows)
    fresh = _fresh_lines(new, mappings=mappings)
    placed: list[_Block] = []
    waiting: list[str] = []  # comments of rows that are gone go to the next one
    for before, after in _paired_rows(old, new):
        item = _Block() if before is None else items[before]
        if after is None:
            waiting += [*item.above, *_inside(item)]
            continue
        lines = None if before is None else _edited_mapping(words, item, before, new, new.rows[after])
        if lines is None:
            remark = f"  {item.remark}" if item.remark else ""
            lines = [*_inside(item), *fresh[after][:-1], fresh[after][-1] + remark]
        placed.append(_Block([*waiting, *item.above], lines))
        waiting = []
    names = [[column.name for column in mock.columns] for mock in (old, new)]
    for item in placed[:1]:
        above = [header_line(names[1]) if line == header_line(names[0]) else line for line in item.above]
        item.above = above
    items[:] = placed
    return waiting


def _inside(item: _Block) -> list[str]:
    """Return the comments between the lines of a row."""
    return [line for line in item.lines[1:] if line.lstrip().startswith("#")]


def _edited_mapping(words: YamlFile, item: _Block, number: int, new: Mock, row: Row) -> list[str] | None:
    """Change the values of a row that is a mapping where they stand; None where that can't be done."""
    written = words.data["rows"][number]
    values = {column.name: (value, column.type) for column, value in zip(new.columns, row, strict=True)}
    if not isinstance(written, dict) or written.keys() - values.keys():
        return None
    if any(value is not None for name, (value, _) in values.items() if name not in written):
        return None
    lines = list(item.lines)
    top = words.value_place(("rows", number)).line
    places = [(words.value_place(("rows", number, name)), *values[name]) for name in written]
    for place, value, type_ in sorted(places, key=lambda found: (-found[0].line, -found[0].column)):
        text = cell_text(value, type_)
        if "\n" in place.written:
            return None
        at = place.column - 1
        line = lines[place.line - top]
        lines[place.line - top] = line[:at] + text + line[at + len(place.written) :]
    return lines


def _fresh_lines(mock: Mock, *, mappings: bool) -> Sequence[list[str]]:
    if mappings:
        return [mapping_lines(mock.columns, row) for row in mock.rows]
    return [[line] for line in table_lines([column.type for column in mock.columns], mock.rows)]


def _paired_rows(old: Mock, new: Mock) -> list[tuple[int | None, int | None]]:
    """Pair old rows with new ones by the columns that both have, in the order of the new rows."""
    shared = [column.name for column in old.columns if column in new.columns]
    before, after = _projected(old, shared), _projected(new, shared)
    found: list[tuple[int | None, int | None]] = []
    for _, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        both = min(b - a, d - c)
        found += [(a + i, c + i) for i in range(both)]
        found += [(i, None) for i in range(a + both, b)]
        found += [(None, i) for i in range(c + both, d)]
    return found


def _projected(mock: Mock, names: Sequence[str]) -> list[str]:
    places: Mapping[str, int] = {column.name: i for i, column in enumerate(mock.columns)}
    return [identity([row[places[name]] for name in names]) for row in mock.rows]
