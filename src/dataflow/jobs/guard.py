"""What a script may write: the environment's own database, and inside `wap` the template's table alone.

SQL statements are judged by Spark's own parse of them, DataFrame writers by a thin wrapper around PySpark's
methods. It keeps mistakes from reaching others' tables; credentials keep out malice.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession

_ROWS = frozenset({"InsertIntoStatement", "DeleteFromTable", "UpdateTable", "MergeIntoTable"})
_REPLACING = frozenset({"ReplaceTable", "ReplaceTableAsSelect", "CreateTable", "CreateTableAsSelect"})
_active: contextvars.ContextVar[WriteGuard | None] = contextvars.ContextVar("write_guard", default=None)
_session: contextvars.ContextVar[SparkSession | None] = contextvars.ContextVar("job_session", default=None)


@dataclass(frozen=True)
class WriteGuard:
    """The tables that the running job may write.

    Attributes:
        catalog: The environment's catalog.
        database: The only database that may be written, or None for any that the catalog holds.
        environment: What to call the environment in a refusal.
        only_table: Inside `wap`: the template's table, `database.table`.
    """

    catalog: str
    database: str | None
    environment: str
    only_table: str | None = None

    def check(self, operation: str, name: tuple[str, ...]) -> None:
        """Refuse a write to a table that is not this job's to write.

        Args:
            operation: What is being done, a Spark plan's name or a writer's method.
            name: The table's name in parts, with or without the catalog.

        Raises:
            DataflowError: The write is not allowed.
        """
        parts = tuple(part.lower() for part in name)
        if parts and parts[0] == self.catalog.lower() and len(parts) > 1:
            parts = parts[1:]
        table = ".".join(parts)
        if self.only_table is not None:
            self._check_in_wap(operation, table)
        elif self.database is not None and len(parts) > 1 and parts[0] != self.database.lower():
            raise DataflowError(
                f"{operation} would write {table}, which is outside {self.database}, "
                f"the database of environment {self.environment}",
                "a plain run reaches your own sandbox only: use ${TARGET_DB}, or name another environment with --env",
                permanent=True,
            )

    def _check_in_wap(self, operation: str, table: str) -> None:
        if table != str(self.only_table).lower():
            raise DataflowError(
                f"{operation} inside wap would write {table}, without audits and straight to its readers",
                f"this template writes {self.only_table} alone: give {table} a wap template of its own",
                permanent=True,
            )
        if operation not in _ROWS:
            raise DataflowError(
                f"{operation} inside wap would reach readers of {table} before its audits",
                "inside wap only rows may be written (INSERT, DELETE, UPDATE, MERGE, or writeTo().overwrite…); "
                "move changes of the table itself to a job before it",
                permanent=True,
            )


@contextlib.contextmanager
def guarding(guard: WriteGuard, spark: SparkSession) -> Iterator[None]:
    """Hold the scripts that run in this thread to what the guard allows, and to the job's own session.

    Inside, `SparkSession.builder.getOrCreate()` gives the job's session (else rows would miss the run's branch),
    and `spark.stop()` does nothing (the session serves the jobs that follow).
    """
    _wrap_writers()
    tokens = _active.set(guard), _session.set(spark)
    try:
        yield
    finally:
        _active.reset(tokens[0])
        _session.reset(tokens[1])


def check_statement(plan: JavaObject) -> None:
    """Refuse a parsed SQL statement that writes what the active guard does not allow."""
    guard = _active.get()
    if guard is None:
        return
    if plan.nodeName() == "UnresolvedWith":
        plan = plan.child()
    if (name := written_table(plan)) is not None:
        guard.check(plan.nodeName(), name)


def written_table(plan: JavaObject) -> tuple[str, ...] | None:
    """Return the name in parts of the table that a parsed statement writes or changes; None for a query."""
    kind = plan.nodeName()
    if kind in {"CreateViewCommand", "UnresolvedWith"} or ".plans.logical." not in plan.getClass().getName():
        return None  # temporary views and session commands reach nobody else
    if kind == "InsertIntoStatement":
        return _parts(plan.table())
    if kind in {"CreateOrReplaceBranch", "DropBranch", "CreateOrReplaceTag", "DropTag"}:
        return _strings(plan.table())
    children = plan.children()
    return _parts(children.apply(0)) if children.size() and _is_command(plan) else None


def _is_command(plan: JavaObject) -> bool:
    first = str(plan.children().apply(0).nodeName())
    return first in {"UnresolvedIdentifier", "UnresolvedTable", "UnresolvedTableOrView"} or plan.nodeName() in _ROWS


def _parts(relation: JavaObject) -> tuple[str, ...] | None:
    kind = relation.nodeName()
    if kind == "SubqueryAlias":
        return _parts(relation.child())
    if kind == "UnresolvedIdentifier":
        return _strings(relation.nameParts())
    if kind in {"UnresolvedRelation", "UnresolvedTable", "UnresolvedTableOrView"}:
        return _strings(relation.multipartIdentifier())
    return None


def _strings(sequence: JavaObject) -> tuple[str, ...]:
    return tuple(str(sequence.apply(i)) for i in range(sequence.size()))


# --------------------------------------------------------------------------------- PySpark's own methods


def _wrap_writers() -> None:
    """Put the check before PySpark's writers, once; without an active guard they behave as ever."""
    from pyspark.sql import DataFrameWriter, DataFrameWriterV2, SparkSession

    if hasattr(SparkSession.sql, "__wrapped__"):
        return
    _wrap(SparkSession, "sql", _checking_sql)
    _wrap(SparkSession, "stop", _staying)
    _wrap(SparkSession.Builder, "getOrCreate", _giving_the_job_s)
    _wrap(DataFrameWriterV2, "__init__", _naming_its_table)
    _wrap(DataFrameWriter, "insertInto", _checking_name("InsertIntoStatement"))
    _wrap(DataFrameWriter, "saveAsTable", _checking_name("saveAsTable"))
    for method in ("append", "overwrite", "overwritePartitions"):
        _wrap(DataFrameWriterV2, method, _checking_writer("InsertIntoStatement"))
    for method in ("create", "replace", "createOrReplace"):
        _wrap(DataFrameWriterV2, method, _checking_writer(method))


_Method = Callable[..., Any]


def _wrap(owner: type, name: str, around: Callable[[_Method], _Method]) -> None:
    original = getattr(owner, name)
    setattr(owner, name, functools.wraps(original)(around(original)))


def _checking_sql(original: _Method) -> _Method:
    def sql(self: Any, sqlQuery: str, *args: Any, **kwargs: Any) -> Any:  # noqa: N803 - PySpark's own name
        if _active.get() is not None:
            check_statement(self._jsparkSession.sessionState().sqlParser().parsePlan(sqlQuery))
        return original(self, sqlQuery, *args, **kwargs)

    return sql


def _staying(original: _Method) -> _Method:
    def stop(self: Any) -> None:
        if _session.get() is None:
            original(self)

    return stop


def _giving_the_job_s(original: _Method) -> _Method:
    def get_or_create(self: Any) -> Any:
        return _session.get() or original(self)

    return get_or_create


def _naming_its_table(original: _Method) -> _Method:
    def init(self: Any, df: Any, table: str) -> None:
        original(self, df, table)
        self._dataflow_table = table  # the writer keeps the name in the JVM alone

    return init


def _checking_name(operation: str) -> Callable[[_Method], _Method]:
    def around(original: _Method) -> _Method:
        def write(self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
            _check(self._spark, operation, name)
            return original(self, name, *args, **kwargs)

        return write

    return around


def _checking_writer(operation: str) -> Callable[[_Method], _Method]:
    def around(original: _Method) -> _Method:
        def write(self: Any, *args: Any, **kwargs: Any) -> Any:
            _check(self._spark, operation, self._dataflow_table)
            return original(self, *args, **kwargs)

        return write

    return around


def _check(spark: Any, operation: str, name: str) -> None:
    guard = _active.get()
    if guard is not None:
        parsed = spark._jsparkSession.sessionState().sqlParser().parseMultipartIdentifier(name)
        guard.check(operation, _strings(parsed))
