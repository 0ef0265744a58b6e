"""The lines of scripts that reference what changes: in the files here, or as they were deployed from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import display_path

if TYPE_CHECKING:
    from dataflow.lineage.query import LineageGraph
    from dataflow.lineage.script_texts import WorkflowScripts


@dataclass(frozen=True)
class ScriptLine:
    """A line of a script that references what changes.

    Attributes:
        file: The script, as it can be opened here; its path in its repository where it can't.
        number: Line, counted from 1; 0 where only a rendered text has it, whose lines are other ones.
        text: The text of the line.
        path: Its path in its repository.
        deployed: What it was deployed from, such as `bob/films at 1a2b3c4d`; empty for files on this machine.
    """

    file: str
    number: int
    text: str
    path: str = ""
    deployed: str = ""

    @property
    def here(self) -> str:
        """The place, as one would open it from the current folder."""
        return self._with_number(self.file if self.deployed else display_path(Path(self.file)))

    @property
    def in_repository(self) -> str:
        """The place in its repository, wherever that is."""
        return self._with_number(self.path or display_path(Path(self.file)))

    def _with_number(self, file: str) -> str:
        return f"{file}:{self.number}" if self.number else file


def lines_naming(
    workflow: str, table: str, columns: Iterable[str], lineage: LineageGraph, *, writes: bool
) -> tuple[ScriptLine, ...]:
    """Return the lines of a workflow's scripts that reference columns, or the table where there are none.

    Files on this machine are what people edit, and come first; what is deployed is read where those have no such line.

    Args:
        workflow: The workflow.
        table: The table.
        columns: The columns; empty for the table itself.
        lineage: The lineage, for the scripts.
        writes: Whether the workflow writes the table: its definition has audits and the primary key.
    """
    return next(iter(_lines_by_source(workflow, table, set(columns), lineage, writes=writes)), ())


def _lines_by_source(
    workflow: str, table: str, columns: set[str], lineage: LineageGraph, *, writes: bool
) -> Iterator[tuple[ScriptLine, ...]]:
    for source in lineage.scripts_of(workflow):
        found = {line: None for scripts in source for line in lines_of(scripts, table, columns, writes=writes)}
        if found:
            yield tuple(sorted(found, key=lambda line: (line.file, line.number)))


def lines_of(scripts: WorkflowScripts, table: str, columns: Collection[str], *, writes: bool) -> Iterator[ScriptLine]:
    """Yield the lines of scripts that reference what changes; of programs those that contain its name."""
    entry, wanted = scripts.entry, {column.lower() for column in columns}
    for mention in entry.references:
        named = mention.column.lower() in wanted if wanted else not mention.column
        if mention.table == table and named:
            yield line_at(scripts, mention.file, mention.line)
    definition = [entry.file] if writes and columns else []
    words = columns or {table.rpartition(".")[2]}
    for file in (*entry.programs, *definition):
        yield from _lines_with_words(scripts, file, words)


def select_star_lines(scripts: WorkflowScripts, table: str) -> tuple[ScriptLine, ...]:
    """Return the lines of scripts that select all columns of a table by position."""
    places = sorted({(it.file, it.line) for it in scripts.entry.select_stars if it.table == table})
    return tuple(line_at(scripts, file, number) for file, number in places)


def line_at(scripts: WorkflowScripts, file: str, number: int) -> ScriptLine:
    """Return a line of a script."""
    lines = scripts.text_of(file).splitlines()
    text = lines[number - 1].strip() if number <= len(lines) else ""
    return ScriptLine(file, number, text, scripts.path_of(file), scripts.deployed)


def _lines_with_words(scripts: WorkflowScripts, file: str, words: Iterable[str]) -> Iterator[ScriptLine]:
    word = re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\b")
    rendered = scripts.is_deployed and file == scripts.entry.file
    for number, line in enumerate(scripts.text_of(file).splitlines(), 1):
        if word.search(line):
            yield ScriptLine(file, 0 if rendered else number, line.strip(), scripts.path_of(file), scripts.deployed)
