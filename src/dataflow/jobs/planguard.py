"""The write guard for compiled code: a check rule in Spark's analyzer, which sees every plan before it runs.

What a jar does goes through no Python, so neither PySpark's methods nor the text of its statements can be watched.
Spark gives each analysed plan to the rules that were added to its extensions; ours calls back here by py4j.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from dataflow.errors import DataflowError
from dataflow.jobs.guard import WriteGuard, active_guard, check_setting
from dataflow.jobs.statements import changes_something, resolved_changes, session_setting

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession

_BRANCH = "spark.wap.branch"
_held: dict[str, WriteGuard] = {}
_refused: dict[str, DataflowError] = {}
_installing = threading.Lock()


def install(spark: SparkSession) -> None:
    """Add the rule to a session's extensions, once; it holds for the sessions that are opened from it later.

    Args:
        spark: The root session of a JVM.
    """
    from pyspark.java_gateway import ensure_callback_server_started

    gateway: Any = spark.sparkContext._gateway
    with _installing:
        if "_dataflow_rule" in vars(gateway):  # getattr would ask the JVM
            return
        ensure_callback_server_started(gateway)  # type: ignore[no-untyped-call]
        spark._jsparkSession.extensions().injectCheckRule(_Rules(spark))
        gateway._dataflow_rule = True


@contextlib.contextmanager
def holding(guard: WriteGuard | None, spark: SparkSession) -> Iterator[None]:
    """Hold whatever runs in a session to what the guard allows.

    Raises:
        DataflowError: Something was refused, whatever the code that was stopped by it made of that.
    """
    if guard is None:
        yield
        return
    session = str(spark._jsparkSession.sessionUUID())
    _held[session] = guard
    try:
        yield
    except Exception as error:
        if refusal := _refused.pop(session, None):
            raise refusal from error
        raise
    finally:
        del _held[session]
    if refusal := _refused.pop(session, None):
        raise refusal


class _Function:
    """A `scala.Function1` in Python."""

    class Java:
        """Tells py4j which interface this is."""

        implements: ClassVar[list[str]] = ["scala.Function1"]


class _Rules(_Function):
    """Makes the rule of a session that is being opened."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark

    def apply(self, session: JavaObject) -> _Rule:
        guard = active_guard()  # of a session that a job opens by itself
        return _Rule(self._spark, session, guard)


class _Rule(_Function):
    """Looks at each analysed plan of one session."""

    def __init__(self, spark: SparkSession, session: JavaObject, inherited: WriteGuard | None) -> None:
        self._spark = spark
        self._session = session
        self._id = str(session.sessionUUID())
        self._inherited = inherited

    def apply(self, plan: JavaObject) -> None:
        guard = _held.get(self._id) or (self._inherited if _held else None)
        if guard is None or guard.is_open or not changes_something(self._spark, plan):
            return
        try:
            self._check(guard, plan)
        except DataflowError as error:
            for session, holder in _held.items():
                if holder is guard:
                    _refused.setdefault(session, error)
            raise

    def _check(self, guard: WriteGuard, plan: JavaObject) -> None:
        for change in resolved_changes(plan):
            guard.check(change.operation, change.name)
            if guard.only_table is not None and not self._session.conf().getOption(_BRANCH).isDefined():
                raise DataflowError(
                    f"{change.operation} inside wap went through a session of its own, past the run's branch",
                    "write with the session that `run` is given",
                    permanent=True,
                )
        if (setting := session_setting(plan)) is not None:
            check_setting(guard, setting)
