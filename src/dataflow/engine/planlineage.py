"""Column lineage out of Spark's own print of an analysed plan: one text a write, whoever runs the Spark.

Each attribute in such a print carries its id (`hours#16`), and each item of a list ends with the id that it defines
(`sum(hours#16) AS total#13`). That is all that lineage needs: which ids an id is made of, down to the relations'
own. The same print stands in the event log of a Spark that no listener of ours can reach.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from dataflow.engine.planprint import (
    Node,
    alias_of,
    ids_in,
    instruction,
    items_in,
    lists_in,
    named_ids,
    number_of,
    tree,
    without_alias,
)
from dataflow.workflow.flow import Flow, Written, plain_name

_PART = r"(?:`(?:``|[^`])+`|[^\s.,`\]]+)"
_RELATION = re.compile(rf"RelationV2\[(?P<columns>.*)\] (?P<name>{_PART}(?:\.{_PART})*)")
_IDENTIFIER = re.compile(r"ResolvedIdentifier \S+, (?P<name>.+)$")
_WINDOW = "windowspecdefinition("
_ATTRIBUTE = re.compile(r"[^\s()'\"]+#(\d+)L?$")
_UNCHANGED = re.compile(r"if \(.*\) (?P<value>\S+) else (?P=value)$")  # what an UPDATE makes of columns that it leaves
_NOTHING = re.compile(r"(?:cast\()*null(?: as [^()]+(?:\([\d, ]+\))?\))*$", re.IGNORECASE)
_RANKING = re.compile(r"(?:rank|dense_rank|percent_rank)\(")  # printed with what they order by as their arguments
_METADATA = re.compile(r"_(?:file|pos|spec_id|partition|deleted|row_id|last_updated_sequence_number|_row_\w+|_id)$")

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


def writes_of(plan: str, catalog: str, instructions: Sequence[str] = ()) -> tuple[Written, ...]:
    """Find the writes in a plan's print, several for a multiple insert.

    Args:
        plan: `treeString` of an analysed plan, its lists not cut short.
        catalog: The catalog whose name is left out of tables' names.
        instructions: Of a MERGE, its instructions; its own print leaves them out.
    """
    root = tree(plan)
    tops = [] if root is None else [root]
    if root is not None and root.kind in {"Union", "CommandResult"}:
        tops = [*root.inner, *root.children]
    return tuple(_written(top, catalog, instructions) for top in tops if top.kind in WRITES)


def _written(top: Node, catalog: str, instructions: Sequence[str]) -> Written:
    try:
        return _Write(top, catalog, instructions).written()
    except (IndexError, ValueError):  # a literal whose brackets don't match, in a print that has no quotes
        return _Write(top, catalog, ()).coarsely_written()


class _Write:
    """Follows one write's columns."""

    def __init__(self, top: Node, catalog: str, instructions: Sequence[str]) -> None:
        self._top = top
        self._catalog = catalog
        self._instructions = instructions
        self._made_of: dict[str, set[tuple[str, bool]]] = {}
        self._leaves: dict[str, set[tuple[str, str]]] = {}
        self._deciding: set[str] = set()
        self._tables: dict[str, None] = {}
        self._definitions: dict[str, list[str]] = {}
        self._texts: dict[str, list[str]] = {}

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
            columns = _names(query) or [""] * len(outputs)
        flows = {Flow(table) for table in self._tables}
        given = set()
        for column, id_ in _matched(columns, outputs, _names(query) if row_level else None):
            flows |= self._flows_into(id_, column)
            if self._is_given(id_, (target, column) if row_level else None):
                given.add(column)
        for id_ in self._deciding:
            flows |= {Flow(flow.source, flow.source_column, "", True) for flow in self._flows_into(id_, "")}
        if row_level:
            flows = {flow for flow in flows if flow.source != target}
        told = frozenset(flow for flow in flows if not _METADATA.match(flow.source_column))
        return Written(target, told, frozenset(given))

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
        relation = _RELATION.search(self._top.text)
        if relation is None:
            return "?", None
        return self._plain(relation["name"]), [name for name, _ in named_ids(relation["columns"])]

    def _flows_into(self, id_: str, column: str) -> set[Flow]:
        found: set[Flow] = set()
        seen: set[tuple[str, bool]] = set()
        left = [(id_, False)]
        while left:
            at = left.pop()
            if at in seen:
                continue
            seen.add(at)
            here, indirect = at
            found |= {Flow(table, name, column, indirect) for table, name in self._leaves.get(here, ())}
            left += [(below, indirect or further) for below, further in self._made_of.get(here, ())]
        return found

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
                elif own is not None or not _NOTHING.match(value):
                    return True
        return False

    # ------------------------------------------------------------------------------- what a node brings out

    def _outputs(self, node: Node) -> list[str]:
        """Return the ids that a node brings out, in order, and note on the way what they are made of."""
        subqueries = [id_ for inner in node.inner for id_ in self._outputs(inner)]
        if subqueries:
            for id_ in re.findall(r"(?:subquery|list|exists)#(\d+)", node.text):
                self._note(id_, subqueries)
        handler = _HANDLERS.get(node.kind)
        if handler is not None:
            return handler(self, node)
        children = [id_ for child in node.children for id_ in self._outputs(child)]
        made = [id_ for id_ in ids_in(node.text) if id_ not in children and id_ not in self._made_of]
        if not made or not node.children:
            return children
        lists = [ids for ids in map(ids_in, lists_in(node.text)) if ids]
        brought = lists[-1] if lists and set(lists[-1]) <= set(made) else list(dict.fromkeys(made))
        for id_ in brought:  # code that Spark can't look into: anything may come from anything
            self._note(id_, children)
        return brought

    def _relation(self, node: Node) -> list[str]:
        found = _RELATION.search(node.text)
        if found is None:
            return ids_in(node.text)
        table = self._plain(found["name"])
        self._tables[table] = None
        columns = named_ids(found["columns"])
        for name, id_ in columns:
            self._leaves.setdefault(id_, set()).add((table, name))
        return [id_ for _, id_ in columns]

    def _rows(self, node: Node) -> list[str]:
        return ids_in(node.text)

    def _alias(self, node: Node) -> list[str]:
        """See through a name; one that is not its table's own is a view's, which is read as well."""
        outputs = self._through(node)
        name = self._plain(node.text.partition(" ")[2])
        below = _RELATION.match(node.children[0].text) if node.children else None
        if "." in name and (below is None or self._plain(below["name"]) != name) and node.children[0].kind != "View":
            self._view(name, outputs, _names(node.children[0]))
        return outputs

    def _named_view(self, node: Node) -> list[str]:
        outputs = self._through(node)
        if found := re.match(r"View \((.+?), \[(.*)\]\)", node.text):
            name = self._plain(found[1])
            if "." in name:  # a temporary one has no database
                self._view(name, outputs, [column for column, _ in named_ids(found[2])])
        return outputs

    def _view(self, name: str, outputs: Sequence[str], columns: Sequence[str]) -> None:
        self._tables[name] = None
        for id_, column in zip(outputs, columns, strict=False):
            self._leaves.setdefault(id_, set()).add((name, column))

    def _project(self, node: Node) -> list[str]:
        below = self._through(node)
        return self._items(lists_in(node.text)[0], below)

    def _aggregate(self, node: Node) -> list[str]:
        below = self._through(node)
        *groups, made = lists_in(node.text)[:2]  # without groups there is one list alone
        self._deciding.update(id_ for listed in groups for id_ in ids_in(listed))
        return self._items(made, below)

    def _window(self, node: Node) -> list[str]:
        below = self._through(node)
        return [*below, *self._items(lists_in(node.text)[0], below)]

    def _items(self, listed: str, below: Sequence[str]) -> list[str]:
        outputs = []
        for item in items_in(listed):
            ids = ids_in(item)
            if not ids:
                continue
            *used, made = ids
            outputs.append(made)
            if made not in below:
                self._texts.setdefault(made, []).append(without_alias(item))
            if used and made not in below:
                before, window, after = item.partition(_WINDOW)
                decides = bool(window) and _RANKING.match(item) is not None
                self._note(made, ids_in(before) if window else used, indirect=decides)
                if window:
                    self._note(made, ids_in(after)[:-1], indirect=True)
        return outputs

    def _filter(self, node: Node) -> list[str]:
        outputs = self._through(node)
        self._deciding.update(ids_in(node.text))
        return outputs

    def _join(self, node: Node) -> list[str]:
        sides = [self._outputs(child) for child in node.children]
        self._deciding.update(ids_in(node.text))
        if node.text.startswith(("Join LeftSemi", "Join LeftAnti")):
            return sides[0]
        existence = re.match(r"Join ExistenceJoin\([^#]*#(\d+)", node.text)
        return [*sides[0], existence[1]] if existence else [id_ for side in sides for id_ in side]

    def _union(self, node: Node) -> list[str]:
        first, *others = [self._outputs(child) for child in node.children]
        for other in others:
            for id_, also in zip(first, other, strict=False):
                self._note(id_, [also])
                self._texts.setdefault(id_, []).append(f"also#{also}")
        return first

    def _set_operation(self, node: Node) -> list[str]:
        first, *others = [self._outputs(child) for child in node.children]
        self._deciding.update(first, *others)
        return first

    def _generate(self, node: Node) -> list[str]:
        below = self._through(node)
        made = ids_in(lists_in(node.text)[-1])
        for id_ in made:
            self._note(id_, [used for used in ids_in(node.text) if used not in made])
        return [*below, *made]

    def _expand(self, node: Node) -> list[str]:
        self._through(node)
        projections, made = lists_in(node.text)[:2]
        outputs = ids_in(made)
        for projection in items_in(projections):
            for id_, item in zip(outputs, items_in(projection[1:-1]), strict=False):
                self._note(id_, [used for used in ids_in(item) if used != id_])
        return outputs

    def _merge_rows(self, node: Node) -> list[str]:
        below = self._through(node)
        outputs = ids_in(lists_in(node.text)[0])
        rows: list[list[str]] = []
        for text in self._instructions:
            condition, values = instruction(text)
            self._deciding.update(ids_in(condition))
            rows += [values[at : at + len(outputs)] for at in range(0, len(values), len(outputs))]
            for id_, value in zip(outputs, values, strict=False):
                listed = not (text.startswith("keep(Insert") and _NOTHING.match(value))
                self._texts.setdefault(id_, []).extend([value] if listed else [])
        for position, id_ in enumerate(outputs):
            self._note(id_, [used for row in rows for used in ids_in(row[position])] if rows else below)
        return outputs

    def _with_cte(self, node: Node) -> list[str]:
        return [self._outputs(child) for child in node.children][-1]

    def _definition(self, node: Node) -> list[str]:
        outputs = self._through(node)
        self._definitions[number_of(node)] = outputs
        return outputs

    def _reference(self, node: Node) -> list[str]:
        outputs = ids_in(lists_in(node.text)[0])
        for id_, also in zip(outputs, self._definitions.get(number_of(node), ()), strict=False):
            self._note(id_, [also])
        return outputs

    def _through(self, node: Node) -> list[str]:
        return [id_ for child in node.children for id_ in self._outputs(child)]

    def _sorted(self, node: Node) -> list[str]:
        outputs = self._through(node)
        self._deciding.update(ids_in(node.text))
        return outputs

    def _note(self, id_: str, made_of: Iterable[str], *, indirect: bool = False) -> None:
        self._made_of.setdefault(id_, set()).update((used, indirect) for used in made_of if used != id_)

    def _plain(self, name: str) -> str:
        return plain_name(name, self._catalog)


_HANDLERS: Mapping[str, Callable[[_Write, Node], list[str]]] = {
    "RelationV2": _Write._relation,
    "SubqueryAlias": _Write._alias,
    "View": _Write._named_view,
    "Project": _Write._project,
    "Aggregate": _Write._aggregate,
    "Window": _Write._window,
    "Filter": _Write._filter,
    "Deduplicate": _Write._filter,
    "Join": _Write._join,
    "LateralJoin": _Write._join,
    "Union": _Write._union,
    "Intersect": _Write._set_operation,
    "Except": _Write._set_operation,
    "Generate": _Write._generate,
    "Expand": _Write._expand,
    "MergeRows": _Write._merge_rows,
    "WithCTE": _Write._with_cte,
    "CTERelationDef": _Write._definition,
    "CTERelationRef": _Write._reference,
    "Sort": _Write._sorted,
    "LogicalRDD": _Write._rows,
    "LocalRelation": _Write._rows,
}


def _matched(columns: Sequence[str], outputs: Sequence[str], names: Sequence[str] | None) -> Iterator[tuple[str, str]]:
    """Pair a table's columns with a query's outputs: by position, or by name where the query brings more."""
    if names is not None and len(names) == len(outputs):
        by_name = dict(zip(names, outputs, strict=True))
        yield from ((column, by_name[column]) for column in columns if column in by_name)
    else:
        yield from zip(columns, outputs, strict=False)


def _names(node: Node) -> list[str]:
    """Return the names of what a node brings out, where its own line tells them."""
    while node.kind in {"SubqueryAlias", "Filter", "Sort", "GlobalLimit", "LocalLimit", "Distinct", "Union", "WithCTE"}:
        if not node.children:
            return []
        node = node.children[-1] if node.kind == "WithCTE" else node.children[0]
    lists = lists_in(node.text)
    if not lists:
        return []
    listed = lists[1] if node.kind == "Aggregate" and len(lists) > 1 else lists[0]
    found = []
    for item in items_in(listed):
        head = item[: item.rfind("#")]
        found.append(alias_of(head).strip("`"))
    return found
