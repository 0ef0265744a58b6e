"""Column lineage out of Spark's own print of an analysed plan: one text a write, whoever runs the Spark.

Each attribute in such a print carries its id (`hours#16`), and each item of a list ends with the id that it defines
(`sum(hours#16) AS total#13`). That is all that lineage needs: which ids an id is made of, down to the relations'
own. The same print stands in the event log of a Spark that no listener of ours can reach.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dataflow.engine.planflow import NOTHING, RELATION, Flowing
from dataflow.engine.planprint import Node, ids_in, named_ids, names_of, tree
from dataflow.workflow.flow import Flow, Name, Written, with_names

_IDENTIFIER = re.compile(r"ResolvedIdentifier \S+, (?P<name>.+)$")
_ATTRIBUTE = re.compile(r"[^\s()'\"]+#(\d+)L?$")
_UNCHANGED = re.compile(r"if \(.*\) (?P<value>\S+) else (?P=value)$")  # what an UPDATE makes of columns that it leaves
_METADATA = re.compile(r"_(?:file|pos|spec_id|partition|deleted|row_id|last_updated_sequence_number|_row_\w+|_id)$")
_ABOUT = re.compile(
    r"\..+\.(?:(?:all_)?(?:entries|manifests|(?:data_|delete_)?files)|snapshots|history|partitions|refs"
    r"|metadata_log_entries|position_deletes|changes|snapshot_id_\d+|at_timestamp_\d+)$"
)
"""Iceberg's tables about a table, which nobody makes columns in, and a table as it was, which keeps those it had."""

_REF = re.compile(r"(?<=[^.]\.)([^.]+)\.(?:branch|tag)_[^.]+$")
"""A branch of a table, such as the one that a run's audits look at: its name is another each time."""

WRITES = frozenset(
    {
        "AppendData",
        "OverwriteByExpression",
        "OverwritePartitionsDynamic",
        "ReplaceData",
        "WriteDelta",
        "CreateTableAsSelect",
        "ReplaceTableAsSelect",
    }
)
"""Plans that write rows of a query into a table."""

_ROW_LEVEL = frozenset({"ReplaceData", "WriteDelta"})
"""MERGE, UPDATE and DELETE, which read their own target's rows to write them again."""


def writes_of(plan: str, catalog: str, instructions: Sequence[str] = (), sql: str = "") -> tuple[Written, ...]:
    """Find the writes in a plan's print, several for a multiple insert.

    Args:
        plan: `treeString` of an analysed plan, its lists not cut short.
        catalog: The catalog whose name is left out of tables' names.
        instructions: Of a MERGE, its instructions; its own print leaves them out.
        sql: The statement, where it was one.
    """
    sql = _whole(sql, plan)
    root = tree(plan)
    tops = [] if root is None else [root]
    if root is not None and root.kind in {"Union", "CommandResult"}:
        tops = [*root.inner, *root.children]
    return tuple(_written(top, catalog, instructions, sql) for top in tops if top.kind in WRITES)


def named_in(plan: str, catalog: str, sql: str = "") -> frozenset[Name]:
    """Return the columns that a query names which writes nothing.

    Args:
        plan: `treeString` of its analysed plan, its lists not cut short.
        catalog: The catalog whose name is left out of tables' names.
        sql: The statement, where it was one.
    """
    sql = _whole(sql, plan)
    root = tree(plan)
    if root is None:
        return frozenset()
    above = Node("", root.depth - 1, [root])
    try:
        names = _Write(above, catalog, (), sql).named()
    except (IndexError, ValueError):
        flows = _Write(above, catalog, (), sql).coarsely_written().flows
        names = frozenset((flow.source, flow.source_column) for flow in flows if flow.indirect)
    # A recursive query is planned in parts, whose relations may bring aggregates: `RelationV2[max(hours)#3]`.
    return frozenset(name for name in names if "(" not in name[1])


def _whole(sql: str, plan: str) -> str:
    """Return a statement if all that it asks stands in it: what a view asks does not."""
    return "" if "View (" in plan else sql


def _written(top: Node, catalog: str, instructions: Sequence[str], sql: str) -> Written:
    try:
        return _Write(top, catalog, instructions, sql).written()
    except (IndexError, ValueError):  # a literal whose brackets don't match, in a print that has no quotes
        return _Write(top, catalog, (), sql).coarsely_written()


class _Write(Flowing):
    """Follows one write's columns."""

    def __init__(self, top: Node, catalog: str, instructions: Sequence[str], sql: str) -> None:
        super().__init__(catalog, instructions, sql)
        self._top = top

    def written(self) -> Written:
        target, columns = self._target()
        below = [node for node in (*self._top.inner, *self._top.children) if node.kind != "ResolvedIdentifier"]
        row_level = self._top.kind in _ROW_LEVEL
        query = self._top.children[-1] if self._top.children else below[-1]
        for node in below:
            if node is not query:
                self._outputs(node)  # which rows a MERGE or DELETE looks at: its filters decide
        outputs = self._outputs(query)
        if columns is None:
            columns = names_of(query) or [""] * len(outputs)
        flows = {Flow(table) for table in self._tables}
        given = set()
        for column, id_ in _matched(columns, outputs, names_of(query) if row_level else None):
            flows |= self._flows_into(id_, column)
            if self._is_given(id_, (target, column) if row_level else None):
                given.add(column)
        for id_ in self._deciding:
            flows |= {Flow(flow.source, flow.source_column, "", True) for flow in self._flows_into(id_, "")}
        names = self._named()
        if row_level:
            own = {f for f in flows if f.source == target and f.source_column != f.target_column}
            names = frozenset(name for name in names if name[0] != target)
            said = {f.source_column for f in own if self._names.may_say(f.source_column)}
            names |= {(target, column) for column in said if not _METADATA.match(column)}
            flows = {flow for flow in flows if flow.source != target}
        told = frozenset(flow for flow in flows if not _METADATA.match(flow.source_column))
        (write,) = with_names([Written(target, told, frozenset(given))], names)
        return write

    def named(self) -> frozenset[Name]:
        """Return the columns that a query names."""
        for node in self._top.children:
            self._outputs(node)
        return self._named()

    def _named(self) -> frozenset[Name]:
        flows = {flow for id_ in self._names.ids | self._deciding for flow in self._flows_into(id_, "")}
        names = {(_REF.sub(r"\1", f.source), f.source_column) for f in flows if not _ABOUT.search(f.source)}
        return frozenset(name for name in names if self._names.may_say(name[1]) and not _METADATA.match(name[1]))

    def coarsely_written(self) -> Written:
        """Tell the tables read, and their columns that the plan names anywhere above them, without where they went."""
        target, columns = self._target()
        below = [node for child in (*self._top.inner, *self._top.children) for node in child.walk()]
        for node in below:
            if node.kind == "RelationV2":
                self._relation(node)
        named = {id_ for node in below if node.kind != "RelationV2" for id_ in ids_in(node.text)}
        flows = {Flow(table) for table in self._tables}
        flows |= {Flow(*leaf, "", True) for id_ in named for leaf in self._leaves.get(id_, ())}
        told = frozenset(flow for flow in flows if not _METADATA.match(flow.source_column))
        return Written(target, told, frozenset(columns or ()))

    def _target(self) -> tuple[str, list[str] | None]:
        if self._top.kind.endswith("AsSelect"):
            named = next((_IDENTIFIER.match(node.text) for node in (*self._top.inner, *self._top.children)), None)
            return self._plain(named["name"] if named else "?"), None
        relation = RELATION.search(self._top.text)
        if relation is None:
            return "?", None
        return self._plain(relation["name"]), [name for name, _ in named_ids(relation["columns"])]

    def _is_given(self, id_: str, own: tuple[str, str] | None) -> bool:
        """Say whether a write gave a column its values: a null that stands in for one that it left out is none.

        Args:
            id_: What goes into the column.
            own: For a write that reads its own rows again, the column as it was: that leaves it as it is.
        """
        seen, left = set[str](), [id_]
        while left:
            at = left.pop()
            if at in seen:
                continue
            seen.add(at)
            if (at not in self._leaves and at not in self._texts) or self._leaves.get(at, set()) - {own}:
                return True
            for text in self._texts.get(at, ()):
                unchanged = _UNCHANGED.match(text)
                value = unchanged["value"] if unchanged else text
                attribute = _ATTRIBUTE.match(value)
                if attribute:
                    left.append(attribute[1])
                elif own is not None or not NOTHING.match(value):
                    return True
        return False


def _matched(columns: Sequence[str], outputs: Sequence[str], names: Sequence[str] | None) -> Iterator[tuple[str, str]]:
    """Pair a table's columns with a query's outputs: by position, or by name where the query brings more."""
    if names is not None and len(names) == len(outputs):
        by_name = dict(zip(names, outputs, strict=True))
        yield from ((column, by_name[column]) for column in columns if column in by_name)
    else:
        yield from zip(columns, outputs, strict=False)
