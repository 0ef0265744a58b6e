"""What user code may write: a scope, given to each session that it gets.

Spark's JVM enforces the scope, by the catalog and the rules of `jvm/src`, whatever way a write takes; this module has
the scopes, and the sessions that jobs get with them.
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
"""The Spark setting with the scope of sessions that have none of their own."""

VARIABLE = "DATAFLOW_SCOPE"
"""The environment variable with the scope of a program that starts a Spark of its own; it wins over settings."""

_session: contextvars.ContextVar[SparkSession | None] = contextvars.ContextVar("job_session", default=None)


@dataclass(frozen=True)
class WriteScope:
    """What a session may write; reading is free.

    Attributes:
        reach: How far: everything, a database (or any, where none is named), one table on one branch, or nothing.
        catalog: The only catalog that may be written.
        environment: The environment's name in a refusal.
        database: The only database, with `database`.
        package: The uuid of the package that writes; tables of another package are refused. None for any package.
        table: The only table, `database.table`, with `table`.
        branch: The branch of it that is written.
        keep: Whether the code may change rows that are there, by MERGE, UPDATE and DELETE.
        exports: Folders and formats that may be written beside tables.
        reason: With `nothing`: why, as the end of a sentence.
        hint: What to do instead.
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

    def on_branch(self, table: str, branch: str, *, keep: bool) -> WriteScope:
        """Return this scope narrowed to one table's branch."""
        return dataclasses.replace(self, reach="table", table=table, branch=branch, keep=keep)

    def as_json(self, notes: Path | None = None) -> str:
        """Return the scope as the JVM reads it.

        Args:
            notes: The file that refusals are written to, for a JVM that can't be asked.
        """
        fields = {
            **{name: value for name, value in dataclasses.asdict(self).items() if value not in (None, ())},
            "database": table_names.split(self.database) if self.database else None,
            "table": table_names.split(self.table) if self.table else None,
            "closed": [str(home())],
            **({"notes": str(notes)} if notes else {}),
        }
        return json.dumps(fields, sort_keys=True)


READING = WriteScope("nothing", reason="an audit only reads", hint="write in a job of the workflow")
"""For audits in user SQL and Python."""

EVERYTHING = WriteScope("all")
"""For the engine's own sessions: audits, publishing, migrations, mocks, the demo source."""


def write_scope(environment: Environment, identity: Identity | None = None) -> WriteScope:
    """Return what code may write in an environment: in an isolated one its database alone, which no --param widens.

    Args:
        environment: The environment, its parameters resolved.
        identity: The package whose code it is; None for no package's.
    """
    return WriteScope(
        "database",
        environment.catalog_name,
        environment.name,
        database=environment.params.get("TARGET_DB") if environment.isolated else None,
        package=identity.uuid if identity and environment.isolated else None,  # a shared table may have several writers
        exports=environment.exports,
    )


def user_scope(environment: Environment, *, write: bool) -> WriteScope:
    """Return what a notebook, or another tool, may write: the sandbox's database, and elsewhere nothing.

    Args:
        environment: The environment, its parameters as they are written.
        write: Whether it may write all that the catalog's login may write, because somebody asked for it.
    """
    if write:
        return EVERYTHING
    if not environment.isolated:
        return WriteScope(
            "nothing",
            reason=f"a session on {environment.name} reads only",
            hint="write through a workflow; or ask for it: dataflow.session(…, write=True), env --spark-conf --write",
        )
    database = environment.params.get("TARGET_DB", "").replace("${dataflow.user}", current_user())
    return write_scope(dataclasses.replace(environment, params={**environment.params, "TARGET_DB": database}))


def open_session(spark: SparkSession, scope: WriteScope) -> SparkSession:
    """Open a session in the JVM of another one, with a scope of its own."""
    return _opened(spark, scope)[0]


def _opened(spark: SparkSession, scope: WriteScope) -> tuple[SparkSession, str]:
    session = spark.newSession()
    return session, str(jvm(spark).dataflow.guard.Scopes.open(session._jsparkSession, scope.as_json()))


@contextlib.contextmanager
def scoped_session(spark: SparkSession, scope: WriteScope) -> Iterator[SparkSession]:
    """Lend user code a session of its own with a scope, which ends with the block.

    Inside, `SparkSession.builder.getOrCreate()` returns that session, and `stop()` does nothing.

    Raises:
        DataflowError: A write was refused, whether or not the code caught the refusal.
    """
    _patch_pyspark()
    session, token = _opened(spark, scope)
    scopes = jvm(spark).dataflow.guard.Scopes
    held = _session.set(session)
    before = jvm(spark).SparkSession.getActiveSession()
    jvm(spark).SparkSession.setActiveSession(session._jsparkSession)
    try:
        yield session
    except Exception as error:
        if refusal_in(error) is None and (refused := _first_refusal(scopes, token)) is not None:
            raise refused from error
        raise
    else:
        if (refused := _first_refusal(scopes, token)) is not None:
            raise refused
    finally:
        _session.reset(held)
        with contextlib.suppress(Exception):  # a JVM that died has nothing left to hold
            scopes.end(token)
            if before.isDefined():
                jvm(spark).SparkSession.setActiveSession(before.get())


@contextlib.contextmanager
def scoped_variables(scope: WriteScope, folder: Path) -> Iterator[dict[str, str]]:
    """Lend the environment variables that give a scope to a program with a Spark of its own.

    Args:
        scope: What the program may write.
        folder: A folder that is private to this user, for as long as the program runs.

    Raises:
        DataflowError: A write was refused, whether or not the program caught the refusal.
    """
    notes = folder / "refused"
    try:
        yield {VARIABLE: scope.as_json(notes)}
    except DataflowError as error:
        if (refused := _written_refusal(notes)) is not None and refused.message not in error.message:
            raise refused from error
        raise
    if (refused := _written_refusal(notes)) is not None:
        raise refused


def _written_refusal(notes: Path) -> DataflowError | None:
    """Return the first refusal in a file as a failure."""
    if not notes.exists():
        return None
    reason, hint = json.loads(notes.read_text("utf-8").splitlines()[0])
    return DataflowError(reason, hint, permanent=True)


def _first_refusal(scopes: Any, token: str) -> DataflowError | None:
    """Return the first refusal of a scope as a failure."""
    with contextlib.suppress(Exception):
        for reason, hint in scopes.of(token).refusals():
            return DataflowError(str(reason), str(hint), permanent=True)
    return None


# ------------------------------------------------------------------------------ which session a script gets


def _patch_pyspark() -> None:
    """Patch PySpark, once, to return the job's session to the job's code; outside of jobs nothing changes."""
    from pyspark.sql import SparkSession

    if hasattr(SparkSession.stop, "__wrapped__"):
        return
    _wrap(SparkSession, "stop", _patch_stop)
    _wrap(SparkSession.Builder, "getOrCreate", _patch_get_or_create)
    # PySpark keeps one for all threads, that of the last job.
    original = SparkSession.getActiveSession
    setattr(SparkSession, "getActiveSession", staticmethod(lambda: _session.get() or original()))  # noqa: B010
    _wrap(threading.Thread, "start", _patch_thread_start)


_Method = Callable[..., Any]


def _wrap(owner: type, name: str, around: Callable[[_Method], _Method]) -> None:
    original = getattr(owner, name)
    setattr(owner, name, functools.wraps(original)(around(original)))


def _patch_stop(original: _Method) -> _Method:
    """Let a job's code stop no session: it is the run's."""

    def stop(self: Any) -> None:
        if _session.get() is None:
            original(self)

    return stop


def _patch_get_or_create(original: _Method) -> _Method:
    """Return the job's session to the job's code."""

    def get_or_create(self: Any) -> Any:
        return _session.get() or original(self)

    return get_or_create


def _patch_thread_start(original: _Method) -> _Method:
    """Give a thread that a job's code starts the job's session."""

    def start(self: Any) -> None:
        if _session.get() is not None:
            self.run = functools.partial(contextvars.copy_context().run, self.run)
        original(self)

    return start
