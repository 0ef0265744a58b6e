"""Which ids a plan's ids are made of: what Spark's print says, node by node, from the relations up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from dataflow.engine.plannames import Names
from dataflow.engine.planprint import (
    Node,
    ids_in,
    instruction,
    items_in,
    lists_in,
    named_ids,
    names_of,
    number_of,
    without_alias,
)
from dataflow.workflow.flow import Flow, plain_name

_PART = r"(?:`(?:``|[^`])+`|[^\s.,`\]]+)"
RELATION = re.compile(rf"RelationV2\[(?P<columns>.*)\] (?P<name>{_PART}(?:\.{_PART})*)")
_WINDOW = "windowspecdefinition("
_RANKING = re.compile(r"(?:rank|dense_rank|percent_rank)\(")  # printed with what they order by as their arguments
NOTHING = re.compile(r"(?:cast\()*null(?: as [^()]+(?:\([\d, ]+\))?\))*$", re.IGNORECASE)


class Flowing:
    """Follows columns through the nodes of a plan.

    Args:
        catalog: The catalog whose name is left out of tables' names.
        instructions: Of a MERGE, its instructions; its own print leaves them out.
        sql: The statement, where it is known and all stands in it.
    """

    def __init__(self, catalog: str, instructions: Sequence[str], sql: str) -> None:
        self._catalog = catalog
        self._instructions = instructions
        self._made_of: dict[str, set[tuple[str, bool]]] = {}
        self._leaves: dict[str, set[tuple[str, str]]] = {}
        self._deciding: set[str] = set()
        self._tables: dict[str, None] = {}
        self._definitions: dict[str, list[str]] = {}
        self._texts: dict[str, list[str]] = {}
        self._names = Names(sql)

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

    def _outputs(self, node: Node) -> list[str]:
        """Return the ids that a node brings out, in order, and note on the way what they are made of."""
        if node.kind == "CommandResult":  # it ran already, and was told of by itself
            return []
        subqueries = [id_ for inner in node.inner for id_ in self._outputs(inner)]
        if subqueries:
            for id_ in re.findall(r"(?:subquery|list|exists)#(\d+)", node.text):
                self._note(id_, subqueries)
        self._names.see(node)
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
        found = RELATION.search(node.text)
        if found is None:
            return ids_in(node.text)
        table = self._plain(found["name"])
        self._tables[table] = None
        columns = named_ids(found["columns"])
        self._names.brings(columns)
        for name, id_ in columns:
            self._leaves.setdefault(id_, set()).add((table, name))
        return [id_ for _, id_ in columns]

    def _rows(self, node: Node) -> list[str]:
        return ids_in(node.text)

    def _alias(self, node: Node) -> list[str]:
        """See through a name; one that is not its table's own is a view's, which is read as well."""
        outputs = self._through(node)
        name = self._plain(node.text.partition(" ")[2])
        below = RELATION.match(node.children[0].text) if node.children else None
        if "." in name and (below is None or self._plain(below["name"]) != name) and node.children[0].kind != "View":
            self._view(name, outputs, names_of(node.children[0]))
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
        listed = lists_in(node.text)[0]
        self._names.project(items_in(listed), below, node)
        if node.children and node.children[0].kind == "UnionLoop":  # only here are its columns spelled
            used = [ids_in(item)[0] for item in items_in(listed)]
            self._rename(used, below)
        return self._items(listed, below)

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

    def _distinct(self, node: Node) -> list[str]:
        outputs = self._through(node)
        self._deciding.update(outputs)
        return outputs

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
                listed = not (text.startswith("keep(Insert") and NOTHING.match(value))
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
        columns = named_ids(lists_in(node.text)[0])
        self._names.brings(columns)
        outputs = [id_ for _, id_ in columns]
        self._rename(outputs, self._definitions.get(number_of(node), ()))
        return outputs

    def _loop(self, node: Node) -> list[str]:
        """Take a recursive query: what it begins with, which its other part goes on from."""
        anchor, *others = node.children
        outputs = self._outputs(anchor)
        self._definitions[f"loop {number_of(node)}"] = outputs
        for other in others:
            self._rename(outputs, self._outputs(other))
        return outputs

    def _loop_reference(self, node: Node) -> list[str]:
        outputs = ids_in(lists_in(node.text)[0])
        self._rename(outputs, self._definitions.get(f"loop {number_of(node)}", ()))
        return outputs

    def _rename(self, outputs: Sequence[str], below: Sequence[str]) -> None:
        for id_, also in zip(outputs, below, strict=False):
            self._note(id_, [also])

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


_HANDLERS: Mapping[str, Callable[[Flowing, Node], list[str]]] = {
    "RelationV2": Flowing._relation,
    "SubqueryAlias": Flowing._alias,
    "View": Flowing._named_view,
    "Project": Flowing._project,
    "Aggregate": Flowing._aggregate,
    "Window": Flowing._window,
    "Filter": Flowing._filter,
    "Deduplicate": Flowing._filter,
    "Distinct": Flowing._distinct,
    "RepartitionByExpression": Flowing._sorted,
    "RebalancePartitions": Flowing._sorted,
    "Join": Flowing._join,
    "LateralJoin": Flowing._join,
    "Union": Flowing._union,
    "Intersect": Flowing._set_operation,
    "Except": Flowing._set_operation,
    "Generate": Flowing._generate,
    "Expand": Flowing._expand,
    "MergeRows": Flowing._merge_rows,
    "WithCTE": Flowing._with_cte,
    "CTERelationDef": Flowing._definition,
    "CTERelationRef": Flowing._reference,
    "UnionLoop": Flowing._loop,
    "UnionLoopRef": Flowing._loop_reference,
    "Sort": Flowing._sorted,
    "LogicalRDD": Flowing._rows,
    "LocalRelation": Flowing._rows,
}
