"""Impact analysis: the workflows that a change of a table affects, directly or downstream."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dataflow.lineage.graph import ColumnEdge, Node, has_unknown_columns, is_reference_only, qualified_name
from dataflow.lineage.model import Producer
from dataflow.lineage.show.labels import moment, origin_summary
from dataflow.migration.script_lines import ScriptLine, lines_naming, select_star_lines

if TYPE_CHECKING:
    from dataflow.lineage.query import LineageGraph
    from dataflow.lineage.store.reader import TargetColumns
    from dataflow.migration.changes import TableChange

_MAX_DEPTH = 100
"""The most steps to follow downstream."""


@dataclass(frozen=True)
class AffectedWorkflow:
    """A workflow that a change affects.

    Attributes:
        workflow: Its id.
        owner: Its owner; None where that is unknown.
        role: `reads` what changes, `may read` it (its columns are unknown), `writes` the table, or `downstream`;
            `takes all` where it selects all columns by position, see `select_star_users`.
        columns: The changed columns that it uses, or for `downstream` the columns derived from them.
        writes: The tables that it writes.
        known: Where that is known from, and how recent it is.
        file: Its definition.
        lines: The lines of its scripts that reference what changes.
    """

    workflow: str
    owner: str | None
    role: str
    columns: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    known: str = ""
    file: str | None = None
    lines: tuple[ScriptLine, ...] = ()


@dataclass
class _Usage:
    producers: list[Producer] = field(default_factory=list)
    columns: dict[str, None] = field(default_factory=dict)


def affected_by(table: str, changes: Sequence[TableChange], lineage: LineageGraph) -> list[AffectedWorkflow]:
    """Return the workflows that breaking changes affect: readers first, then writers, then downstream readers.

    Writers of the table are affected as well: they have to write the new column or table.
    """
    columns = {change.column for change in changes if not change.safe and change.column}
    whole = any(not change.safe and not change.column for change in changes)
    readers, unsure = _readers(table, columns, lineage, whole=whole)
    writers: dict[str, _Usage] = {}
    for source in lineage.sources:
        for producer, _ in source.writers({table}):
            writers.setdefault(producer.workflow, _Usage()).producers.append(producer)
    for found_here in (readers, unsure):
        for name in found_here.keys() & writers.keys():
            found_here[name].producers += writers[name].producers
    further = _downstream(table, columns, lineage, whole=whole)
    found = [
        *_affected("reads", readers),
        *_affected("may read", {name: each for name, each in unsure.items() if name not in readers}),
        *_affected("writes", {name: each for name, each in writers.items() if name not in readers}),
    ]
    direct = {each.workflow for each in found}
    found += _affected("downstream", {name: each for name, each in further.items() if name not in direct})
    return [_with_lines(each, table, columns, lineage) for each in found]


def select_star_users(table: str, lineage: LineageGraph) -> list[AffectedWorkflow]:
    """Return the workflows that select all columns of a table by position, and fail when it gets another column.

    Examples are `INSERT INTO t SELECT * FROM plays`, and a UNION of a star with a list of columns.

    Args:
        table: The table.
        lineage: The lineage; only the text of scripts knows of stars, here or in what is deployed.
    """
    found: dict[str, AffectedWorkflow] = {}
    deployed = () if lineage.deployed is None else lineage.deployed.readers(table)
    for scripts in (*lineage.scripts_here(), *deployed):
        lines, entry = select_star_lines(scripts, table), scripts.entry
        if lines and entry.workflow not in found:
            found[entry.workflow] = AffectedWorkflow(
                workflow=entry.workflow,
                owner=entry.owner or None,
                role="takes all",
                writes=tuple(entry.writes),
                known=origin_summary([scripts.producer], moment),
                file=entry.file,
                lines=lines,
            )
    return sorted(found.values(), key=lambda touched: touched.workflow)


def uses_column(table: str, column: str, taken: Iterable[ColumnEdge]) -> bool | None:
    """Return whether edges read a column of a table, or the table where none is given; None where that is unknown.

    A reference-only edge counts as a read, as the query fails without the column; it does not show what else is read.
    """
    mine = [flow for flow in taken if flow[0] == table]
    if not mine:
        return False
    if not column or column.lower() in {flow[1].lower() for flow in mine}:
        return True
    if any(map(has_unknown_columns, mine)):
        return None
    is_read = any(not flow[1] for flow in mine)
    return None if is_read and not any(flow[1] and not is_reference_only(flow) for flow in mine) else False


def writes_column(column: str, taken: Iterable[ColumnEdge], named: TargetColumns) -> bool | None:
    """Return whether edges into a table write a column, or audits require it; None where that is unknown.

    An empty column stands for the table as a whole, which each writer writes.
    """
    if not column:
        return True
    known = named.constant_columns.union(flow[2].lower() for flow in taken if flow[2])
    return True if column.lower() in known | named.required_columns else False if known else None


def _readers(
    table: str, columns: set[str], lineage: LineageGraph, *, whole: bool
) -> tuple[dict[str, _Usage], dict[str, _Usage]]:
    readers: dict[str, _Usage] = {}
    unsure: dict[str, _Usage] = {}
    sure: set[str] = set()
    for source in lineage.sources:
        for producer, taken in source.flows({table}, downstream=True):
            if producer.target == table:
                continue
            flows = list(taken)
            for column in columns or {""}:
                answer = uses_column(table, column, flows)
                if answer or whole:
                    mine = readers.setdefault(producer.workflow, _Usage())
                    mine.producers.append(producer)
                    mine.columns |= dict.fromkeys([column] if answer and column else [])
                elif answer is None:
                    unsure.setdefault(producer.workflow, _Usage()).producers.append(producer)
                elif not all(map(is_reference_only, flows)):
                    sure.add(producer.workflow)
    return readers, {name: found for name, found in unsure.items() if name not in sure}


def _downstream(table: str, columns: set[str], lineage: LineageGraph, *, whole: bool) -> dict[str, _Usage]:
    """Return the workflows downstream of the direct readers, with the derived columns that they use."""
    found: dict[str, _Usage] = {}
    starts: list[Node] = [(table, column) for column in columns]
    if whole:
        starts = [(table, "")]
    for start in starts:
        reached = lineage.traverse(start, downstream=True, depth=_MAX_DEPTH, through_rows=True)
        for node, edges in reached.edges.items():
            if node == start:
                continue
            for _, _, _, producer in edges:
                mine = found.setdefault(producer.workflow, _Usage())
                mine.producers.append(producer)
                mine.columns[qualified_name(node)] = None
    return found


def _affected(role: str, found: dict[str, _Usage]) -> list[AffectedWorkflow]:
    listed = []
    for workflow, each in sorted(found.items()):
        producers = list(dict.fromkeys(each.producers))
        newest = max(producers, key=lambda producer: producer.seen)
        listed.append(
            AffectedWorkflow(
                workflow=workflow,
                owner=next((p.owner for p in producers if p.owner), None),
                role=role,
                columns=tuple(each.columns),
                writes=tuple(dict.fromkeys(producer.target for producer in producers)),
                known=origin_summary(producers, moment),
                file=newest.file,
            )
        )
    return listed


def _with_lines(touched: AffectedWorkflow, table: str, columns: set[str], lineage: LineageGraph) -> AffectedWorkflow:
    if touched.role == "downstream":
        return touched
    writes = table in touched.writes
    return replace(touched, lines=lines_naming(touched.workflow, table, columns, lineage, writes=writes))
