"""What people's code may write: a scope, given to each session that it gets.

The scope is held to in Spark's JVM, by the catalog and the rules of `jvm/src`, whatever way a write takes; here stands
what a scope says, and how a job gets a session with it.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import functools
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dataflow.errors import DataflowError
from dataflow.home import home
from dataflow.spark.errors import refusal_in
from dataflow.tables.iceberg import jvm
from dataflow.workflow import table_names
from dataflow.workflow.identity import current_user

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.workflow.identity import Identity
    from dataflow.workflow.project import Environment

SETTING = "spark.dataflow.scope"
"""Where a Spark context says what its sessions may write that were given nothing else."""

VARIABLE = "DATAFLOW_SCOPE"
"""The same for a program that starts a Spark of its own; no setting of the program's wins over it."""

_session: contextvars.ContextVar[SparkSession | None] = contextvars.ContextVar("job_session", default=None)


@dataclass(frozen=True)
class Scope:
    """What a session may write; reading is free.

    Attributes:
        reach: How far: everything, a database (or any, where none is named), one table on one branch, or nothing.
        catalog: The only catalog that may be written.
        environment: What to call the environment in a refusal.
        database: The only database, with `database`.
        package: The uuid of the package that writes; tables that carry another's are refused. None for whoever's.
        table: The only table, `database.table`, with `table`.
        branch: The branch of it that is written.
        keep: Whether the code works on rows that are there, so that MERGE, UPDATE and DELETE of some rows pass.
        exports: Folders and formats that may be written beside tables.
        reason: With `nothing`: why, to stand behind "and".
        hint: The way out.
    """

    reach: Literal["all", "database", "table", "nothing"]
    catalog: str = ""
    environment: str = ""
    database: str | None = None
    package: str | None = None
    table: str | None = None
    branch: str | None = None
    keep: bool = False
    exports: tuple[str, ...] = ()
    reason: str | None = None
    hint: str | None = None

    def on_branch(self, table: str, branch: str, *, keep: bool) -> Scope:
        """Return this scope narrowed to one table's branch."""
        return dataclasses.replace(self, reach="table", table=table, branch=branch, keep=keep)

    def as_json(self, notes: Path | None = None) -> str:
        """Write the scope as the JVM reads it.

        Args:
            notes: The file that keeps what is refused, for a JVM that can't be asked.
        """
        told = {
            **{name: value for name, value in dataclasses.asdict(self).items() if value not in (None, ())},
            "database": table_names.split(self.database) if self.database else None,
            "table": table_names.split(self.table) if self.table else None,
            "closed": [str(home())],
            **({"notes": str(notes)} if notes else {}),
        }
        return json.dumps(told, sort_keys=True)


READING = Scope("nothing", reason="an audit only reads", hint="write in a job of the workflow")
"""Audits in people's own SQL and Python."""

EVERYTHING = Scope("all")
"""The engine's own sessions: audits, publishing, migrations, mocks, the demo source."""


def scope_of(environment: Environment, identity: Identity | None = None) -> Scope:
    """Return what code may write in an environment: where it is isolated its database alone, which no --param widens.

    Args:
        environment: The environment, its parameters resolved.
        identity: The package whose code it is; None for no package's.
    """
    return Scope(
        "database",
        environment.catalog_name,
        environment.name,
        database=environment.params.get("TARGET_DB") if environment.isolated else None,
        package=identity.uuid if identity and environment.isolated else None,  # a shared table may have several writers
        exports=environment.exports,
    )


def scope_for_people(environment: Environment, *, write: bool) -> Scope:
    """Return what a notebook, or another tool, may write: the sandbox's database, and elsewhere nothing.

    Args:
        environment: The environment, its parameters as they are written.
        write: Whether it may write all that the catalog's login may write, because somebody asked for it.
    """
    if write:
        return EVERYTHING
    if not environment.isolated:
        return Scope(
            "nothing",
            reason=f"a session on {environment.name} reads only",
            hint="write through a workflow; or ask for it: dataflow.session(…, write=True), env --spark-conf --write",
        )
    database = environment.params.get("TARGET_DB", "").replace("${dataflow.user}", current_user())
    return scope_of(dataclasses.replace(environment, params={**environment.params, "TARGET_DB": database}))


def open_session(spark: SparkSession, scope: Scope) -> SparkSession:
    """Open a session in the JVM of another one, with a scope of its own."""
    return _opened(spark, scope)[0]


def _opened(spark: SparkSession, scope: Scope) -> tuple[SparkSession, str]:
    session = spark.newSession()
    return session, str(jvm(spark).dataflow.guard.Scopes.open(session._jsparkSession, scope.as_json()))


@contextlib.contextmanager
def scoped(spark: SparkSession, scope: Scope) -> Iterator[SparkSession]:
    """Lend people's code a session of its own, held to a scope; when the block ends, so does what it may write.

    Inside, `SparkSession.builder.getOrCreate()` gives that session, and `stop()` does nothing: it is not the code's
    to stop.

    Raises:
        DataflowError: Something was refused, whatever the code that was stopped by it made of that.
    """
    _wrap_sessions()
    session, token = _opened(spark, scope)
    scopes = jvm(spark).dataflow.guard.Scopes
    held = _session.set(session)
    before = jvm(spark).SparkSession.getActiveSession()
    jvm(spark).SparkSession.setActiveSession(session._jsparkSession)
    try:
        yield session
    except Exception as error:
        if refusal_in(error) is None and (refused := _refused(scopes, token)) is not None:
            raise refused from error
        raise
    else:
        if (refused := _refused(scopes, token)) is not None:
            raise refused
    finally:
        _session.reset(held)
        with contextlib.suppress(Exception):  # a JVM that died has nothing left to hold
            scopes.end(token)
            if before.isDefined():
                jvm(spark).SparkSession.setActiveSession(before.get())


@contextlib.contextmanager
def scoped_apart(scope: Scope, folder: Path) -> Iterator[dict[str, str]]:
    """Lend the variables that hold a program to a scope which starts a Spark of its own.

    Args:
        scope: What it may write.
        folder: A folder of this user's alone, for as long as the program runs.

    Raises:
        DataflowError: Something was refused, whatever the program that was stopped by it made of that.
    """
    notes = folder / "refused"
    try:
        yield {VARIABLE: scope.as_json(notes)}
    except DataflowError as error:
        if (refused := _noted(notes)) is not None and refused.message not in error.message:
            raise refused from error
        raise
    if (refused := _noted(notes)) is not None:
        raise refused


def _noted(notes: Path) -> DataflowError | None:
    """Return the first refusal that a file keeps as a failure."""
    if not notes.exists():
        return None
    reason, hint = json.loads(notes.read_text("utf-8").splitlines()[0])
    return DataflowError(reason, hint, permanent=True)


def _refused(scopes: Any, token: str) -> DataflowError | None:
    """Return the first refusal of a scope as a failure."""
    with contextlib.suppress(Exception):
        for reason, hint in scopes.of(token).refusals():
            return DataflowError(str(reason), str(hint), permanent=True)
    return None


# ------------------------------------------------------------------------------ which session a script gets


def _wrap_sessions() -> None:
    """Have PySpark hand a job's code the job's session, once; outside of jobs nothing changes."""
    from pyspark.sql import SparkSession

    if hasattr(SparkSession.stop, "__wrapped__"):
        return
    _wrap(SparkSession, "stop", _staying)
    _wrap(SparkSession.Builder, "getOrCreate", _giving_the_job_s)
    # PySpark keeps one in Python for all threads, that of whichever job came last.
    original = SparkSession.getActiveSession
    setattr(SparkSession, "getActiveSession", staticmethod(lambda: _session.get() or original()))  # noqa: B010
    _wrap(threading.Thread, "start", _taking_the_session_along)


_Method = Callable[..., Any]


def _wrap(owner: type, name: str, around: Callable[[_Method], _Method]) -> None:
    original = getattr(owner, name)
    setattr(owner, name, functools.wraps(original)(around(original)))


def _staying(original: _Method) -> _Method:
    def stop(self: Any) -> None:
        if _session.get() is None:
            original(self)

    return stop


def _giving_the_job_s(original: _Method) -> _Method:
    def get_or_create(self: Any) -> Any:
        return _session.get() or original(self)

    return get_or_create


def _taking_the_session_along(original: _Method) -> _Method:
    def start(self: Any) -> None:
        if _session.get() is not None:
            self.run = functools.partial(contextvars.copy_context().run, self.run)
        original(self)

    return start
