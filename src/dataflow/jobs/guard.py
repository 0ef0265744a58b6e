"""What a script may write: the environment's own database, and inside `wap` the template's table alone.

SQL statements are judged by Spark's own parse of them, DataFrame writers by a thin wrapper around PySpark's
methods. It keeps mistakes from reaching others' tables; credentials keep out malice.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError
from dataflow.jobs.positions import inserting, inserting_frame
from dataflow.jobs.statements import ROW_WRITES, changes, parsed, session_setting, strings

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession

_ROWS = frozenset(
    {
        "InsertIntoStatement",
        "DeleteFromTable",
        "UpdateTable",
        "MergeIntoTable",
        *ROW_WRITES,
    }
)
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
        require_own: Refuses a table, `database.table`, that another package made.
    """

    catalog: str
    database: str | None
    environment: str
    only_table: str | None = None
    require_own: Callable[[str], None] = lambda _: None

    @property
    def is_open(self) -> bool:
        """Whether everything may be written that the catalog's credentials allow."""
        return self.database is None and self.only_table is None

    def check(self, operation: str, name: tuple[str, ...] | None) -> None:
        """Refuse a write to a table that is not this job's to write, for where it lies or whose it is.

        Args:
            operation: What is being done, a Spark plan's name or a writer's method.
            name: The table's name in parts, with its database, and with or without the catalog; None where
                it can't be told.

        Raises:
            DataflowError: The write is not allowed.
        """
        table = self.check_place(operation, name)
        if self.only_table is None and not table.endswith("*"):
            self.require_own(table)

    def check_place(self, operation: str, name: tuple[str, ...] | None) -> str:
        """Refuse a write outside the environment, or inside `wap` past the template's table; return the table.

        Raises:
            DataflowError: The table does not lie where this job may write, or can't be told.
        """
        if name is None:
            raise DataflowError(
                f"what {operation} would change can't be told before it runs",
                "write it as plain INSERT, DELETE, UPDATE, MERGE or DDL statements that name their tables",
                permanent=True,
            )
        parts = tuple(part.lower() for part in name)
        if parts[0] == self.catalog.lower() and len(parts) > 1:
            parts = parts[1:]
        table = ".".join(parts)
        if self.only_table is not None:
            self._check_in_wap(operation, table)
        elif self.database is not None and parts[:-1] != (self.database.lower(),):
            raise DataflowError(
                f"{operation} would write {table}, which is outside {self.database}, "
                f"the database of environment {self.environment}",
                "use ${TARGET_DB}: a plain run reaches your own sandbox only unless --env names another environment, "
                "a branch's deployment only its own database",
                permanent=True,
            )
        return table

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


def active_guard() -> WriteGuard | None:
    """Return what the code that runs in this thread is held to."""
    return _active.get()


def check_statement(spark: SparkSession, plan: JavaObject) -> None:
    """Refuse a parsed SQL statement that changes what the active guard does not allow, or nobody knows what."""
    guard = _active.get()
    if guard is None or guard.is_open:
        return
    for change in changes(spark, plan):
        name = change.name
        guard.check(change.operation, completed(spark, name) if name is not None else None)
    if (setting := session_setting(plan)) is not None:
        check_setting(guard, setting)


def completed(spark: SparkSession, name: tuple[str, ...]) -> tuple[str, ...]:
    """Put the current database before a table that is named without one."""
    if len(name) > 1:
        return name
    current = spark._jsparkSession.sessionState().catalogManager().currentNamespace()
    return (*(str(part) for part in current), *name)


def check_setting(guard: WriteGuard, setting: str) -> None:
    """Refuse to change a setting, `*` for all of them, that keeps the rows on the run's branch.

    Raises:
        DataflowError: It does.
    """
    if guard.only_table is not None and (setting == "*" or setting.startswith("spark.wap")):
        raise DataflowError(
            f"inside wap the setting {setting} can't be changed: the rows would go straight to readers",
            "leave the branch to the template",
            permanent=True,
        )


# --------------------------------------------------------------------------------- PySpark's own methods


def _wrap_writers() -> None:
    """Put the check before PySpark's writers, once; without an active guard they behave as ever."""
    from pyspark.sql import DataFrameWriter, DataFrameWriterV2, SparkSession
    from pyspark.sql.conf import RuntimeConfig

    if hasattr(SparkSession.sql, "__wrapped__"):
        return
    _wrap(SparkSession, "sql", _checking_sql)
    _wrap(SparkSession, "stop", _staying)
    _wrap(RuntimeConfig, "set", _checking_setting)
    _wrap(RuntimeConfig, "unset", _checking_setting)
    _wrap(threading.Thread, "start", _taking_the_guard_along)
    _wrap(SparkSession.Builder, "getOrCreate", _giving_the_job_s)
    _wrap(DataFrameWriterV2, "__init__", _naming_its_table)
    _wrap(DataFrameWriter, "insertInto", _checking_insert)
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
    def sql(self: Any, sqlQuery: str, args: Any = None, **kwargs: Any) -> Any:  # noqa: N803 - PySpark's own name
        if _active.get() is None:
            return original(self, sqlQuery, args, **kwargs)
        from pyspark.sql.sql_formatter import SQLStringFormatter

        formatter = SQLStringFormatter(self)
        try:  # what is given for `{name}` is put in first, as PySpark does
            statement = formatter.format(sqlQuery, **kwargs) if kwargs else sqlQuery
            plan = parsed(self, statement)
            check_statement(self, plan)
            return inserting(self, plan, lambda: original(self, statement, args), statement, args)
        finally:
            formatter.clear()

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


def _checking_insert(original: _Method) -> _Method:
    def insert(self: Any, tableName: str, overwrite: bool | None = None) -> None:  # noqa: N803 - PySpark's own name
        _check(self._spark, "InsertIntoStatement", tableName)
        if _active.get() is None:
            original(self, tableName, overwrite)
        else:
            inserting_frame(self, tableName, lambda: original(self, tableName, overwrite))

    return insert


def _checking_writer(operation: str) -> Callable[[_Method], _Method]:
    def around(original: _Method) -> _Method:
        def write(self: Any, *args: Any, **kwargs: Any) -> Any:
            _check(self._spark, operation, self._dataflow_table)
            return original(self, *args, **kwargs)

        return write

    return around


def _checking_setting(original: _Method) -> _Method:
    def change(self: Any, key: str, *args: Any, **kwargs: Any) -> Any:
        if (guard := _active.get()) is not None:
            check_setting(guard, key)
        return original(self, key, *args, **kwargs)

    return change


def _taking_the_guard_along(original: _Method) -> _Method:
    def start(self: Any) -> None:
        if _active.get() is not None:  # a thread of the script's own is held to the same
            self.run = functools.partial(contextvars.copy_context().run, self.run)
        original(self)

    return start


def _check(spark: Any, operation: str, name: str) -> None:
    guard = _active.get()
    if guard is not None and not guard.is_open:
        found = spark._jsparkSession.sessionState().sqlParser().parseMultipartIdentifier(name)
        guard.check(operation, completed(spark, strings(found)))
