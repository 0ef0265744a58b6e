"""INSERTs that give columns by position, while a migration has a table's columns on the move.

Spark takes fewer columns than a table has only where they are named: by a list, BY NAME, or a DataFrame's writer. An
INSERT by position that was right yesterday is still right today: the columns that move are left out of it, and what
publishes the rows fills them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from dataflow.jobs.statements import changes
from dataflow.tables.iceberg import jvm, load, properties
from dataflow.tables.moving import insert_columns, moving

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import DataFrame, SparkSession

_ARITY = "INSERT_COLUMN_ARITY_MISMATCH"


def is_arity(error: BaseException) -> bool:
    """Say whether a failure is that of an INSERT with too few or too many columns."""
    return _ARITY in str(error) or "not enough data columns" in str(error)


def inserting(spark: SparkSession, plan: JavaObject, run: Callable[[], DataFrame]) -> DataFrame:
    """Run a statement; where it is an INSERT by position that misses columns on the move, name those that it has.

    Args:
        spark: The session.
        plan: Spark's parse of the statement.
        run: Runs it as it is.
    """
    try:
        return run()
    except Exception as error:
        if not is_arity(error):
            raise
        for named in _named(spark, plan):
            try:
                return _run(spark, named)
            except Exception as again:
                if not is_arity(again) and "UNBOUND_SQL_PARAMETER" not in str(again):  # `args` are not at hand here
                    raise
        raise


def _run(spark: SparkSession, plan: JavaObject) -> DataFrame:
    from pyspark.sql.classic.dataframe import DataFrame

    return DataFrame(jvm(spark).org.apache.spark.sql.classic.Dataset.ofRows(spark._jsparkSession, plan), spark)


def _named(spark: SparkSession, plan: JavaObject) -> Iterator[JavaObject]:
    """Yield an INSERT with its columns named, in each way that it may be meant; nothing for other statements."""
    if plan.nodeName() == "UnresolvedWith":
        yield from (_copy(plan, child=inner) for inner in _named(spark, plan.child()))
        return
    if plan.nodeName() != "InsertIntoStatement" or plan.byName() or plan.userSpecifiedCols().size():
        return
    names = [change.name for change in changes(spark, plan) if change.name is not None]
    if not names:
        return
    table = ".".join(f"`{part}`" for part in names[0])
    moves = moving(properties(load(spark, ".".join(names[0]))))
    given = plan.partitionSpec()
    columns = [column for column in spark.table(table).columns if not given.contains(column)]
    to_seq = jvm(spark).org.apache.spark.api.python.PythonUtils.toSeq
    yield from (_copy(plan, userSpecifiedCols=to_seq(listed)) for listed in insert_columns(columns, moves))


def _copy(node: JavaObject, **changed: JavaObject) -> JavaObject:
    """Copy a case class with some of its fields changed, whatever others this version of Spark has."""
    fields = range(node.productArity())
    return node.copy(*(changed.get(str(node.productElementName(i)), node.productElement(i)) for i in fields))
