"""What a SQL statement, or any other plan, changes, by Spark's own parse or analysis of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession

_PLANS = "org.apache.spark.sql.catalyst.plans.logical"
_COMMANDS = (f"{_PLANS}.Command", f"{_PLANS}.ParsedStatement")
_CHANGING = ("Call", "ExecuteImmediate", "CompoundBody", "UnresolvedExecuteImmediate")
"""Plans that change something, or may, though Spark does not class them as commands."""

_READING = ("Show", "Describe", "Explain")
_OF_THE_SESSION = (
    *_READING,
    "SetCommand",
    "ResetCommand",
    "SetCatalog",
    "SetNamespace",
    "SetVariable",
    "CreateVariable",
    "DropVariable",
    "CacheTable",
    "UncacheTable",
    "ClearCache",
    "Refresh",
    "CreateTempViewUsing",
    "AddJar",
    "AddFile",
)
"""Commands whose effect ends with the session."""


@dataclass(frozen=True)
class TableChange:
    """A table or database that a statement changes, beyond its session.

    Attributes:
        operation: The plan's name, such as `InsertIntoStatement`.
        name: The table, or a database followed by `*`, in parts as written; None where it is unknown.
    """

    operation: str
    name: tuple[str, ...] | None


def parsed(spark: SparkSession, statement: str) -> JavaObject:
    """Return Spark's parse of a statement."""
    return spark._jsparkSession.sessionState().sqlParser().parsePlan(statement)


def completed(spark: SparkSession, name: tuple[str, ...]) -> tuple[str, ...]:
    """Put the current database before a table that is named without one."""
    if len(name) > 1:
        return name
    current = spark._jsparkSession.sessionState().catalogManager().currentNamespace()
    return (*(str(part) for part in current), *name)


def changes(spark: SparkSession, plan: JavaObject) -> Iterator[TableChange]:
    """Yield what a parsed statement changes; nothing for a query and for what ends with the session."""
    if str(plan.nodeName()).startswith(_OF_THE_SESSION):
        return
    if plan.nodeName() == "PlanWithUnresolvedIdentifier":  # INSERT INTO IDENTIFIER(...): a name put together later
        yield TableChange("IDENTIFIER", None)
    for node in nodes(plan):
        if changes_something(spark, node) and not _is_temporary_view(node):
            kind = str(node.nodeName())
            found: list[tuple[str, ...] | None] = [*_targets(node)]
            yield from (TableChange(kind, name) for name in found or [None])


def is_reading(plan: JavaObject) -> bool:
    """Return whether a command only shows something."""
    return str(plan.nodeName()).startswith(_READING)


def changes_something(spark: SparkSession, node: JavaObject) -> bool:
    """Return whether a plan's node is a command rather than a part of a query."""
    from py4j.java_gateway import is_instance_of

    gateway = spark.sparkContext._gateway
    return str(node.nodeName()).startswith(_CHANGING) or any(is_instance_of(gateway, node, kind) for kind in _COMMANDS)


def strings(sequence: JavaObject) -> tuple[str, ...]:
    """Turn Scala's sequence of strings into Python's."""
    return tuple(str(sequence.apply(i)) for i in range(sequence.size()))


def nodes(plan: JavaObject) -> Iterator[JavaObject]:
    """Yield a plan and all that it contains, the branches of a multiple insert among them."""
    yield plan
    children = plan.children()
    for position in range(children.size()):
        yield from nodes(children.apply(position))


def _is_temporary_view(node: JavaObject) -> bool:
    return node.nodeName() == "CreateViewCommand" and "Temp" in str(node.viewType().toString())


def _targets(node: JavaObject) -> Iterator[tuple[str, ...]]:
    """Yield the names of what a command changes; none where its plan is not understood."""
    kind = str(node.nodeName())
    if kind.startswith(_CHANGING):
        return
    target = _own_table(node)
    if target is None and node.children().size():
        target = _parts(node.children().apply(0))
    if target is not None:
        yield target
        if kind == "RenameTable":
            yield strings(node.newName())


def _own_table(node: JavaObject) -> tuple[str, ...] | None:
    """Return what a command keeps under `table`: a plan in Spark's commands, a list of names in Iceberg's."""
    methods = node.getClass().getMethods()
    returned = {
        str(m.getReturnType().getName()) for m in methods if m.getName() == "table" and not m.getParameterCount()
    }
    if not returned:
        return None
    return strings(node.table()) if any("Seq" in name for name in returned) else _parts(node.table())


def _parts(relation: JavaObject) -> tuple[str, ...] | None:
    match str(relation.nodeName()):
        case "SubqueryAlias":
            found = _parts(relation.child())
        case "UnresolvedIdentifier":
            found = strings(relation.nameParts())
        case "UnresolvedNamespace":
            found = (*strings(relation.multipartIdentifier()), "*")
        case "UnresolvedRelation" | "UnresolvedTable" | "UnresolvedTableOrView" | "UnresolvedView":
            found = strings(relation.multipartIdentifier())
        case "ResolvedNamespace":
            found = (str(relation.catalog().name()), *strings(relation.namespace()), "*")
        case "ResolvedIdentifier" | "ResolvedTable" | "ResolvedPersistentView":
            found = _identified(relation.catalog(), relation.identifier())
        case "DataSourceV2Relation" if relation.identifier().isDefined():
            found = _identified(relation.catalog().get(), relation.identifier().get())
        case _:
            found = None
    return found


def _identified(catalog: JavaObject, identifier: JavaObject) -> tuple[str, ...]:
    return (str(catalog.name()), *(str(part) for part in identifier.namespace()), str(identifier.name()))
