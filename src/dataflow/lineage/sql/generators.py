"""The columns of generator functions, as far as they are known without types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from dataflow.lineage.sql.relations import Leaf, Node, QueryColumn

_EXPLODING = frozenset({"explode", "explode_outer", "posexplode", "posexplode_outer", "variant_explode"})
_BY_FIELDS = frozenset({"inline", "inline_outer"})
_NAMED = frozenset({"stack", "json_tuple", "variant_explode_outer", "range"})
GENERATORS = _EXPLODING | _BY_FIELDS | _NAMED

ValueOf = Callable[[Node], set[Leaf]]


def name_of_function(node: Node) -> str:
    """Return the name of a function in lower case; empty for other expressions."""
    from sqlglot import exp

    if isinstance(node, exp.Anonymous):
        return str(node.name).lower()
    return node.sql_name().lower() if isinstance(node, exp.Func) else ""


def is_generator(node: Node) -> bool:
    """Return whether an expression is a generator function."""
    return name_of_function(node) in GENERATORS


def generator_columns(function: Node, names: Sequence[str], value: ValueOf) -> list[QueryColumn]:
    """Return the columns of a generator function.

    Args:
        function: The function.
        names: The aliases of the columns; empty for the names that Spark chooses.
        value: Returns the sources of an argument.
    """
    name = name_of_function(function)
    arguments = list(function.iter_expressions())
    if name == "stack":
        return _stacked(arguments, names, value)
    if (made := _literal_columns(name, arguments, value)) is not None:
        return [
            replace(column, name=called) for column, called in zip(made, names or _column_names(made), strict=False)
        ]
    leaves = {leaf for argument in arguments for leaf in value(argument)}
    if names:
        return [QueryColumn(each, set(leaves)) for each in names]
    if name == "range":
        return [QueryColumn("id", leaves)]
    if name == "json_tuple":
        return [QueryColumn(f"c{number}", set(leaves)) for number in range(len(arguments) - 1)]
    return [QueryColumn("", leaves, is_wildcard=True)]  # an array's one column, a map's two, a struct's fields


def _column_names(columns: Sequence[QueryColumn]) -> list[str]:
    return [column.name for column in columns]


def _literal_columns(name: str, arguments: Sequence[Node], value: ValueOf) -> list[QueryColumn] | None:
    """Return a column for each part of structs and maps that the query creates; None for other arguments."""
    from sqlglot import exp

    (argument, *_) = arguments or [None]
    if name in _BY_FIELDS and isinstance(argument, exp.Array):
        rows = [fields_of(row, value) for row in argument.expressions]
        if rows and all(rows):
            columns = zip(*rows, strict=False)
            return [QueryColumn(c[0][0], {leaf for _, leaves in c for leaf in leaves}) for c in columns]
    if name in {"explode", "explode_outer"} and isinstance(argument, exp.VarMap | exp.Map):
        keys, values = argument.args.get("keys"), argument.args.get("values")
        if keys is not None and values is not None:
            return [QueryColumn("key", value(keys)), QueryColumn("value", value(values))]
    return None


def fields_of(struct: Node, value: ValueOf) -> tuple[tuple[str, frozenset[Leaf]], ...]:
    """Return the fields of a struct that a query creates, in order; none for other expressions."""
    from sqlglot import exp

    if not isinstance(struct, exp.Struct) or any(part.is_star for part in struct.expressions):
        return ()
    found = []
    for number, part in enumerate(struct.expressions, 1):
        named = isinstance(part, exp.PropertyEQ | exp.Alias)
        inner = part.expression if isinstance(part, exp.PropertyEQ) else part.this if named else part
        name = part.this.name if isinstance(part, exp.PropertyEQ) else part.alias_or_name
        found.append((name or f"col{number}", frozenset(value(inner))))
    return tuple(found)


def _stacked(arguments: Sequence[Node], names: Sequence[str], value: ValueOf) -> list[QueryColumn]:
    """Return the columns of `stack(rows, a, b, …)`: the values fill row by row."""
    from sqlglot import exp

    rows, *values = arguments
    if not (isinstance(rows, exp.Literal) and rows.this.isdigit() and int(rows.this)):
        leaves = {leaf for each in values for leaf in value(each)}
        return [QueryColumn(name, set(leaves)) for name in names] or [QueryColumn("", leaves, is_wildcard=True)]
    width = -(-len(values) // int(rows.this)) or 1
    called: Mapping[int, str] = dict(enumerate(names))
    return [
        QueryColumn(called.get(at, f"col{at}"), {leaf for each in values[at::width] for leaf in value(each)})
        for at in range(width)
    ]
