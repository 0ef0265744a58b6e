"""Writes that give a value to each column, while a migration has a table's columns on the move.

Spark takes fewer columns than a table has only where they are named: by a list, BY NAME, or a DataFrame's writeTo. An
INSERT by position and a MERGE of all columns that were right yesterday are still right today: the columns that move are
left out of them, and what publishes the rows fills them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from dataflow.jobs.statements import ROW_WRITES, bound, changes, strings
from dataflow.tables.iceberg import jvm, load, properties
from dataflow.tables.moving import meant_columns, moving, optional

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import DataFrame, DataFrameWriter, SparkSession

_FEWER = ("INSERT_COLUMN_ARITY_MISMATCH", "not enough data columns")
_Result = TypeVar("_Result")


def is_arity(error: BaseException) -> bool:
    """Say whether a failure is that of an INSERT with too few or too many columns."""
    return any(sign in str(error) for sign in _FEWER)


def inserting(
    spark: SparkSession,
    plan: JavaObject,
    run: Callable[[], DataFrame],
    statement: str = "",
    args: Mapping[str, Any] | Sequence[Any] | None = None,
) -> DataFrame:
    """Run a statement; where it misses columns on the move, name those that it has.

    Args:
        spark: The session.
        plan: Spark's parse of the statement.
        run: Runs it as it is.
        statement: The statement, where it has arguments.
        args: Values for its `:name` or `?`.
    """
    return _trying(
        run,
        lambda: _named(spark, bound(spark, statement, args) if args else plan),
        lambda found: _rows(spark, found),
    )


def inserting_frame(writer: DataFrameWriter, table: str, run: Callable[[], None]) -> None:
    """Run a DataFrame's `insertInto`; where it misses columns on the move, name those that it has.

    Args:
        writer: The DataFrame's writer, its mode set.
        table: The table.
        run: Runs it as it is.
    """
    spark = writer._spark
    _trying(
        run, lambda: _named(spark, writer._jwrite.insertIntoCommand(table)), lambda found: _run(spark, found) and None
    )


def _trying(
    run: Callable[[], _Result], named: Callable[[], JavaObject | None], again: Callable[[JavaObject], _Result]
) -> _Result:
    try:
        return run()
    except Exception as error:
        if not (is_arity(error) or "UNRESOLVED_COLUMN" in str(error)):
            raise
        plan = named()
        if plan is None:
            raise
        return again(plan)


def _run(spark: SparkSession, plan: JavaObject) -> JavaObject:
    return jvm(spark).org.apache.spark.sql.classic.Dataset.ofRows(spark._jsparkSession, plan)


def _rows(spark: SparkSession, plan: JavaObject) -> DataFrame:
    from pyspark.sql.classic.dataframe import DataFrame

    return DataFrame(_run(spark, plan), spark)


def _named(
    spark: SparkSession, plan: JavaObject, around: Callable[[JavaObject], JavaObject] = lambda inner: inner
) -> JavaObject | None:
    """Return a write with its columns named; None where that is not what it lacks, or several could be meant.

    Args:
        spark: The session.
        plan: The write.
        around: Puts what stands around the write, its common table expressions, around a part of it.
    """
    kind = str(plan.nodeName())
    if kind == "UnresolvedWith":
        return _named(spark, plan.child(), lambda inner: around(_copy(plan, child=inner)))
    table = next((".".join(change.name) for change in changes(spark, plan) if change.name is not None), "")
    named = None
    if kind == "InsertIntoStatement" and not plan.byName() and not plan.userSpecifiedCols().size():
        spec = plan.partitionSpec()
        query = _rows(spark, around(plan.query()))
        listed = _meant(spark, table, query.columns, lambda column: not _has_value(spec, column))
        named = listed and _copy(plan, userSpecifiedCols=_seq(spark, listed))
    elif kind in ROW_WRITES and not plan.isByName():
        query = _rows(spark, around(plan.query()))
        listed = _meant(spark, table, query.columns)
        named = listed and _copy(plan, query=query.toDF(*listed)._jdf.queryExecution().logical(), isByName=True)
    elif kind == "MergeIntoTable":
        named = _merge(spark, plan, table, around)
    return around(named) if named else None


def _has_value(spec: JavaObject, column: str) -> bool:
    found = spec.get(column)
    return bool(found.isDefined() and found.get().isDefined())


def _meant(
    spark: SparkSession, table: str, given: Sequence[str], only: Callable[[str], bool] = lambda _: True
) -> list[str] | None:
    """Return which of a table's columns a write by position means; `only` says which of them it may."""
    moves = _moves(spark, table)
    return meant_columns(filter(only, _columns(spark, table)), moves, given) if moves else None


def _merge(
    spark: SparkSession, plan: JavaObject, table: str, around: Callable[[JavaObject], JavaObject]
) -> JavaObject | None:
    """Return a MERGE whose stars are those of the table's columns that its source has; None where all have to be."""
    free = optional(_moves(spark, table))
    if not free:
        return None
    source = plan.sourceTable()
    given = {column.lower() for column in _rows(spark, around(source)).columns}
    columns = _columns(spark, table)
    kept = [column for column in columns if column.lower() in given or column.lower() not in free]
    if kept == columns:
        return None
    named = _names(source)
    return _copy(
        plan,
        matchedActions=_starless(spark, plan.matchedActions(), kept, named),
        notMatchedActions=_starless(spark, plan.notMatchedActions(), kept, named),
    )


def _starless(spark: SparkSession, actions: JavaObject, columns: Sequence[str], source: Sequence[str]) -> JavaObject:
    catalyst = jvm(spark).org.apache.spark.sql.catalyst
    made, attribute = catalyst.plans.logical, catalyst.analysis.UnresolvedAttribute
    found = []
    for action in (actions.apply(i) for i in range(actions.size())):
        # A target's column and a source's have the same name: the value is the source's.
        pairs = [
            made.Assignment(attribute(_seq(spark, [column])), attribute(_seq(spark, [*source, column])))
            for column in columns
        ]
        match str(action.getClass().getSimpleName()):
            case "UpdateStarAction":
                found.append(made.UpdateAction(action.condition(), _seq(spark, pairs), False))
            case "InsertStarAction":
                found.append(made.InsertAction(action.condition(), _seq(spark, pairs)))
            case _:
                found.append(action)
    return _seq(spark, found)


def _names(source: JavaObject) -> tuple[str, ...]:
    """Return what stands before the columns of a MERGE's source: its alias, or its own name."""
    if source.nodeName() == "SubqueryAlias":
        return (str(source.alias()),)
    return strings(source.multipartIdentifier()) if source.nodeName() == "UnresolvedRelation" else ()


def _moves(spark: SparkSession, table: str) -> dict[str, str | None]:
    try:
        return moving(properties(load(spark, table)))
    except Exception:  # no table of Iceberg's: Spark's own failure says more
        return {}


def _columns(spark: SparkSession, table: str) -> list[str]:
    return spark.table(".".join(f"`{part}`" for part in table.split("."))).columns


def _seq(spark: SparkSession, values: Sequence[Any]) -> JavaObject:
    return jvm(spark).org.apache.spark.api.python.PythonUtils.toSeq(list(values))


def _copy(node: JavaObject, **changed: Any) -> JavaObject:
    """Copy a case class with some of its fields changed, whatever others this version of Spark has."""
    fields = range(node.productArity())
    return node.copy(*(changed.get(str(node.productElementName(i)), node.productElement(i)) for i in fields))
