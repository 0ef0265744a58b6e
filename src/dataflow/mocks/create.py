"""Making a mock of a real table: without a JVM where its catalog allows, of rows that each show something."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, UsageError, display_path
from dataflow.mocks.masking import Mask, apply_masks, mask_key
from dataflow.mocks.model import Mock, Row, identity
from dataflow.mocks.rewrite import round_trips
from dataflow.mocks.row_selection import SelectedRows, select_rows
from dataflow.mocks.source_rows import MockRequest, Sessions, SourceRows, read_source
from dataflow.mocks.write import render_mock
from dataflow.wording import plural

if TYPE_CHECKING:
    from dataflow.workflow.project import Environment

_WIDTH = 78


@dataclass(frozen=True)
class MockResult:
    """A mock that was made, and how.

    Attributes:
        mock: The mock.
        text: Its file's text.
        masks: What is masked.
        looked_at: How many rows were read; None when Spark read them.
        total: How many rows the table has.
        complete: Whether all rows were read.
        left_out: How many notable rows don't fit into a mock.
        engine: `pyiceberg`, `sail` or `spark`.
        reasons: Why each row is there.
        head: The comment at the head of the file.
    """

    mock: Mock
    text: str
    masks: tuple[Mask, ...]
    looked_at: int | None
    total: int | None
    complete: bool
    left_out: int
    engine: str
    reasons: tuple[str, ...] = ()
    head: tuple[str, ...] = ()


def make_mock(
    environment: Environment,
    wanted: MockRequest,
    sessions: Sessions,
    *,
    report: Callable[[str], None] = lambda _: None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> MockResult:
    """Make a mock of a table; nothing is written.

    Args:
        environment: Where the table is.
        wanted: The requested mock.
        sessions: Opens Spark where it is needed.
        report: Receives a line about what takes a while.
        progress: Receives how many of how many rows were read.

    Raises:
        UsageError: There is no such table, column or rule, or the condition has a mistake.
        DataflowError: The table can't be read.
    """
    source = read_source(environment, wanted, sessions, report, progress)
    columns = tuple(column.column for column in source.columns)
    chosen = select_rows(source.rows, columns, wanted.rows, counts=source.counts, key=source.key)
    rows = apply_masks(chosen.rows, columns, source.masks, mask_key() if source.masks else b"")
    rows, reasons = _distinct_after_masking(rows, chosen, source)
    mock = Mock(Path(f"{source.name}.yaml"), source.name, columns, tuple(rows), source.key, source.partial)
    head = tuple(_head(wanted, source, len(rows)))
    text = render_mock(mock, head=head, remarks=reasons)
    if not round_trips(text, mock):
        raise DataflowError(
            f"{len(rows)} rows of {source.name} don't fit into a mock", "ask for fewer --rows or --columns"
        )
    return MockResult(
        mock, text, source.masks, source.looked_at, source.total, source.complete, source.left_out, source.engine,
        tuple(reasons), head,
    )  # fmt: skip


def _distinct_after_masking(
    rows: Sequence[Row], chosen: SelectedRows, source: SourceRows
) -> tuple[list[Row], list[str]]:
    """Leave out rows that masking has made equal to others, whole or in their key."""
    places = [i for i, column in enumerate(source.columns) if column.name in source.key]
    seen, kept, reasons = set(), [], []
    for row, reason in zip(rows, chosen.reasons, strict=True):
        same = identity([row[i] for i in places] if places else row)
        if same not in seen:
            seen.add(same)
            kept.append(row)
            reasons.append(reason)
    return kept, reasons


def _head(wanted: MockRequest, source: SourceRows, count: int) -> list[str]:
    paragraphs = []
    if wanted.where:
        paragraphs.append(f"Only rows where {' '.join(wanted.where.split())}.")
    if not source.complete:
        paragraphs.append(
            f"A sample: {source.looked_at:,} of {source.total:,} rows were looked at; --exact looks at all of them."
        )
    if source.masks:
        paragraphs.append(f"Masked: {', '.join(map(str, source.masks))}.")
    wrapped = [line for paragraph in paragraphs for line in textwrap.wrap(paragraph, _WIDTH, break_on_hyphens=False)]
    return [_first_line(source.name, count), *wrapped]


def append_rows(one: MockResult, other: MockResult, remark: str) -> MockResult:
    """Append the rows of another mock of the same table, with a remark on each; equal rows are left out."""
    known = set(map(identity, one.mock.rows))
    more = tuple(row for row in other.mock.rows if identity(row) not in known)
    mock = dataclasses.replace(one.mock, rows=(*one.mock.rows, *more))
    reasons = (*one.reasons, *(remark for _ in more))
    head = (_first_line(mock.table or "", len(mock.rows)), *one.head[1:])
    text = render_mock(mock, head=head, remarks=reasons)
    return dataclasses.replace(one, mock=mock, text=text, reasons=reasons, head=head)


def _first_line(table: str, count: int) -> str:
    return f"{plural(count, 'row')} of {table}, made by `dataflow mock create`."


def default_file(table: str, folder: Path) -> Path:
    """Return where a table's mock is expected: among a package's mocks, under the table's name."""
    parent = next((folder / each for each in ("src/mocks", "mocks") if (folder / each).is_dir()), folder / "mocks")
    return parent / f"{table}.yaml"


def check_free(file: Path, *, force: bool) -> None:
    """Check that a file may be written.

    Raises:
        UsageError: It exists and may not be overwritten, or it is a folder.
    """
    if file.is_dir():
        raise UsageError(f"{display_path(file)} is a folder", f"name a file: {display_path(file / 'mock.yaml')}")
    if file.exists() and not force:
        raise UsageError(f"{display_path(file)} exists already", "--force overwrites it")
