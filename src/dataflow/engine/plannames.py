"""Which columns a plan names, told from those that a star lists: Spark's print of an analysed plan shows both alike."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from dataflow.engine.planprint import Node, alias_of, ids_in

_BARE = re.compile(r"(?P<name>.+)#(?P<id>\d+)L?$")
_CAST = re.compile(r"cast\((?P<name>.+)#(?P<id>\d+)L? as [^#]+\) AS (?P=name)#(?P<made>\d+)L?$")
"""What Spark puts between a view and its query, and below a union, where types differ."""

_LISTING = frozenset(
    {
        "RelationV2",
        "View",
        "SubqueryAlias",
        "CTERelationRef",
        "UnionLoopRef",
        "Project",
        "Expand",
        "LogicalRDD",
    }
)
"""Nodes whose line lists all that they bring out, whoever wants it."""

_STAR = re.compile(
    r"(?:\b(?:select|distinct|all)|[,./]|(?<!count)\()\s*\*|\b(?:table|pivot|unpivot|merge)\b", re.IGNORECASE
)
"""Where a statement may have a list of columns that it does not spell."""

_VAGUE = re.compile(r"\|>|\bidentifier\s*\(|\bexecute\s+immediate\b", re.IGNORECASE)
"""Where a statement may ask for what does not stand in it."""


class Names:
    """Gathers what the nodes of a plan name; it is told of each node after those below.

    A projection that passes on all the columns of a table, in their order, is a star's (or that of `withColumn`, or of
    a join's USING): it names none of them. One that leaves some out is a list that somebody wrote. The statement's own
    text settles what it can.

    Args:
        sql: The statement; empty where it is none, or not all of what it asks stands in it.

    Attributes:
        ids: The ids that are named.
    """

    def __init__(self, sql: str = "") -> None:
        is_told = bool(sql) and not _VAGUE.search(sql)
        self._words = set(re.findall(r"\w+", sql.lower())) if is_told else None
        self._may_star = not is_told or bool(_STAR.search(sql))
        self.ids: set[str] = set()
        self._tables: dict[str, int] = {}
        self._called: dict[str, str] = {}
        self._numbers = itertools.count()

    def brings(self, columns: Sequence[tuple[str, str]]) -> None:
        """Take in the columns of a table, or of what is read like one, by name and id."""
        number = next(self._numbers)
        for name, id_ in columns:
            self._tables[id_] = number
            self._called[id_] = name

    def may_say(self, column: str) -> bool:
        """Say whether a column's name may stand in the statement."""
        return self._words is None or self._words.issuperset(re.findall(r"\w+", column.lower()))

    def see(self, node: Node) -> None:
        """Take in a node that only names what it uses."""
        if node.kind not in _LISTING:
            self.ids.update(ids_in(node.text))

    def project(self, items: Sequence[str], below: Sequence[str], node: Node) -> None:
        """Take in a projection: its items, the ids that come from below, and itself."""
        passed: dict[str, None] = {}
        others: list[str] = []
        used: set[str] = set()
        known = set(below)
        for item in items:
            bare, cast = _BARE.match(item), _CAST.match(item)
            if cast:
                passed[cast["id"]] = None
                self._same(cast["id"], cast["made"], cast["name"])
            elif bare and bare["id"] in known:
                passed[bare["id"]] = None
            else:
                others.append(item)
                used.update(ids_in(item)[:-1])
        self.ids |= used
        spared = {alias_of(item[: item.rfind("#")]).strip("`").lower() for item in others}
        child = node.children[0] if node.children else None
        joined = set(ids_in(child.text)) if child is not None and child.kind == "Join" else set[str]()
        used |= joined
        is_list = not self._may_star and not joined
        brought = self._by_table(below)
        for table, mine in self._by_table(passed).items():
            if is_list or not self._is_whole(brought[table], mine, spared, used):
                self.ids.update(mine)

    def _by_table(self, ids: Iterable[str]) -> dict[int, dict[str, None]]:
        found: dict[int, dict[str, None]] = defaultdict(dict)
        for id_ in ids:
            if id_ in self._tables:
                found[self._tables[id_]][id_] = None
        return found

    def _same(self, id_: str, made: str, name: str) -> None:
        if id_ in self._tables:
            self._tables[made], self._called[made] = self._tables[id_], name

    def _is_whole(
        self, here: Collection[str], mine: Collection[str], spared: Collection[str], used: Collection[str]
    ) -> bool:
        """Say whether a list is all of a table, in order, apart from what another item is made of, or is called like.

        A join's USING puts its own columns in front.
        """
        left_out = [id_ for id_ in here if id_ not in mine]
        if any(id_ not in used and self._called[id_].lower() not in spared for id_ in left_out):
            return False
        return [id_ for id_ in here if id_ in mine and id_ not in used] == [id_ for id_ in mine if id_ not in used]
