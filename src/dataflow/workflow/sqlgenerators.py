"""What functions that make rows bring out: their columns, as far as they are known without types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from dataflow.workflow.sqlrelations import Column, Leaf, Node

_EXPLODING = frozenset({"explode", "explode_outer", "posexplode", "posexplode_outer", "variant_explode"})
_BY_FIELDS = frozenset({"inline", "inline_outer"})
_NAMED = frozenset({"stack", "json_tuple", "variant_explode_outer", "range"})
GENERATORS = _EXPLODING | _BY_FIELDS | _NAMED

ValueOf = Callable[[Node], set[Leaf]]


def name_of_function(node: Node) -> str:
    """Return what a function is called, in lower case; empty for what is none."""
    from sqlglot import exp

    if isinstance(node, exp.Anonymous):
        return str(node.name).lower()
    return node.sql_name().lower() if isinstance(node, exp.Func) else ""


def is_generator(node: Node) -> bool:
    """Say whether an expression makes rows."""
    return name_of_function(node) in GENERATORS


def generated(function: Node, names: Sequence[str], value: ValueOf) -> list[Column]:
    """Return the columns that a function which makes rows brings out.

    Args:
        function: The function.
        names: What the query calls them; empty where it leaves that to Spark.
        value: Tells what an argument is made of.
    """
    name = name_of_function(function)
    arguments = list(function.iter_expressions())
    if name == "stack":
        return _stacked(arguments, names, value)
    leaves = {leaf for argument in arguments for leaf in value(argument)}
    if names:
        return [Column(each, set(leaves)) for each in names]
    if name == "range":
        return [Column("id", leaves)]
    if name == "json_tuple":
        return [Column(f"c{number}", set(leaves)) for number in range(len(arguments) - 1)]
    return [Column("", leaves, many=True)]  # an array's one column, a map's two, a struct's fields


def _stacked(arguments: Sequence[Node], names: Sequence[str], value: ValueOf) -> list[Column]:
    """Take `stack(rows, a, b, …)`: the values go row by row, so that each column gets every so-manieth."""
    from sqlglot import exp

    rows, *values = arguments
    if not (isinstance(rows, exp.Literal) and rows.this.isdigit() and int(rows.this)):
        leaves = {leaf for each in values for leaf in value(each)}
        return [Column(name, set(leaves)) for name in names] or [Column("", leaves, many=True)]
    width = -(-len(values) // int(rows.this)) or 1
    called: Mapping[int, str] = dict(enumerate(names))
    return [
        Column(called.get(at, f"col{at}"), {leaf for each in values[at::width] for leaf in value(each)})
        for at in range(width)
    ]
