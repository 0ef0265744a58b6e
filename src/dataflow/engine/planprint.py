"""Taking Spark's print of a plan apart: its tree, the lists on its lines, and the ids of attributes in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_ID = re.compile(r"#(\d+)L?\b")
_NAMED_ID = re.compile(r"(.*?)#(\d+)L?(?:, |$)")


@dataclass
class Node:
    """A node of a plan.

    Attributes:
        text: Its line, without what draws the tree.
        depth: How many steps in it stands.
        children: What it is made from.
        inner: The plans of its subqueries.
    """

    text: str
    depth: int
    children: list[Node] = field(default_factory=list)
    inner: list[Node] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """What it is, such as `Project`."""
        return re.split(r"[ \[(]", self.text, maxsplit=1)[0]

    def walk(self) -> Iterator[Node]:
        """Yield it and all that is below."""
        yield self
        for node in (*self.inner, *self.children):
            yield from node.walk()


def tree(plan: str) -> Node | None:
    """Read the tree off the lines' indentation: children stand one step in, a node's subqueries two."""
    path: list[Node] = []
    for line in plan.splitlines():
        lead = re.match(r"[ :+-]*(?:(?<=^)|(?<=  )|(?<=- ))", line)
        start = lead.end() if lead else 0
        if start % 3 or not line.strip():
            if path and line.strip():
                path[-1].text += f" {line.strip()}"  # a literal with a line break in it
            continue
        node = Node(line[start:], start // 3)
        while path and path[-1].depth >= node.depth:
            path.pop()
        if path:
            above = path[-1]
            (above.children if above.depth == node.depth - 1 else above.inner).append(node)
        path.append(node)
        root = path[0]
    return root if path else None


def alias_of(item: str) -> str:
    """Return what stands after the last ` AS ` that is outside of brackets."""
    depth = 0
    for at in range(len(item) - 1, -1, -1):
        depth += (item[at] in ")]") - (item[at] in "([")
        if depth == 0 and item.startswith(" AS ", at):
            return item[at + 4 :]
    return item


def without_alias(item: str) -> str:
    """Return what an item of a list is made of, without the name and the id that it gives to that."""
    head = item[: item.rfind("#")]
    alias = alias_of(head)
    return item if alias == head else head[: -len(f" AS {alias}")]


def number_of(node: Node) -> str:
    """Return the number of a common table expression."""
    found = re.search(r"\d+", node.text)
    return found[0] if found else ""


def instructions_of(printed: str) -> list[str]:
    """Split the print of a MERGE's list of instructions, `List(keep(…), discard(…))`."""
    return items_in(printed.removeprefix("List(").removesuffix(")"))


def ids_in(text: str) -> list[str]:
    """Return the ids of all attributes in a text, in order."""
    return _ID.findall(text)


def lists_in(text: str) -> list[str]:
    """Return what stands in each bracketed list of a line, outermost ones only."""
    found, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        if letter == "[":
            depth += 1
            if depth == 1:
                start = at + 1
        elif letter == "]":
            depth -= 1
            if depth == 0:
                found.append(text[start:at])
    if depth > 0:  # a literal opened one that nothing closes: the line's last bracket is the list's
        found.append(text[start : text.rfind("]")])
    return found


def items_in(listed: str) -> list[str]:
    """Split a list at its commas, not at those inside brackets; each item ends in an id or is a plain literal.

    Raises:
        ValueError: The brackets don't match: a literal has some, and stands without quotes.
    """
    items, depth, start = [], 0, 0
    for at, letter in enumerate(listed):
        depth += (letter in "([") - (letter in ")]")
        if depth < 0:
            break
        if letter == "," and depth == 0 and listed.startswith(", ", at):
            items.append(listed[start:at])
            start = at + 2
    if depth != 0:
        raise ValueError(f"brackets don't match in {listed}")
    return [*items, listed[start:]] if listed.strip() else []


def instruction(text: str) -> tuple[str, list[str]]:
    """Take a MERGE's instruction apart: its condition, and what it writes into each column.

    It is printed as `keep(Update, condition, values…)`, `split(condition, values…, values…)` or `discard(condition)`.
    """
    name, _, inside = text.partition("(")
    condition, *values = items_in(inside.removesuffix(")"))[1 if name == "keep" else 0 :]
    return condition, values


def named_ids(listed: str) -> list[tuple[str, str]]:
    """Return the names and ids of a list of plain attributes."""
    return _NAMED_ID.findall(listed)


def names_of(node: Node) -> list[str]:
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
