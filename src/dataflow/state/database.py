"""The state database: SQLite in the Dataflow home for one person, PostgreSQL for a team.

Whoever keeps something in it registers tables in `metadata`: run records, lineage, campaigns, schedules. They are
created when the database is opened, so the modules that register them are imported before that.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import sqlalchemy as sa

from dataflow.errors import DataflowError, UsageError, first_line
from dataflow.home import home, private_file, subfolder
from dataflow.secret import learn_address, masked_data, without_credentials
from dataflow.state.utc import as_utc, now
from dataflow.system_errors import LOCK_TIMEOUT, hint_for
from dataflow.workflow.parameters import resolve_secrets

metadata = sa.MetaData()
_CREATE_ATTEMPTS = 20
_CONNECT_TIMEOUT = 30  # seconds; a plan goes on without it
_FILE = "state.db"
_HINT = (
    "check 'state:' in dataflow.yaml; PostgreSQL: `pip install 'dataflow-recipes[postgresql]'`, postgresql+psycopg://…"
)

_DAMAGED = "the file is damaged: move it away, and records begin anew; tables are not in it"


class UtcDateTime(sa.TypeDecorator[dt.datetime]):
    """A column of moments, in UTC on both ways: SQLite keeps no time zone, and PostgreSQL returns its session's."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:  # noqa: ARG002
        """Return what is stored."""
        return None if value is None else as_utc(value)

    def process_result_value(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:  # noqa: ARG002
        """Return what was stored."""
        return None if value is None else as_utc(value)


def default_address() -> str:
    """Return the state address that everyone has without a `dataflow.yaml`."""
    return f"sqlite:///{home() / _FILE}"


def is_made(address: str | None) -> bool:
    """Return whether a state address may hold anything: a SQLite file that is not there yet does not."""
    url = resolve_secrets(address) if address else default_address()
    path = url.partition(":///")[2].partition("?")[0]
    return not url.startswith("sqlite") or os.path.exists(path)  # noqa: PTH110


class StateDatabase:
    """The database at a state address; a context manager that closes it.

    Args:
        address: A SQLAlchemy URL; None is the SQLite file in the Dataflow home.

    Raises:
        DataflowError: The address can't be opened.
    """

    def __init__(self, address: str | None = None) -> None:
        url = learn_address(resolve_secrets(address)) if address else default_address()
        try:
            parsed = sa.make_url(url)
        except (sa.exc.ArgumentError, ValueError):  # it may hold a password anywhere in it
            raise UsageError("'state:' of the environment is not the address of a database", _HINT) from None
        try:
            self._make_place(parsed, is_default=not address)
            self.engine = sa.create_engine(parsed, json_serializer=_json, **_options(parsed))
            self._prepare(self.engine)
        except (sa.exc.SQLAlchemyError, ModuleNotFoundError, OSError) as error:
            cause = _cause(error)
            hint = _hint(cause) or (_HINT if address else "set DATAFLOW_HOME to a folder that you may write to")
            raise DataflowError(
                f"the run records at {without_credentials(url)} can't be opened: {cause}", hint
            ) from error

    def _make_place(self, url: sa.URL, *, is_default: bool) -> None:
        """Make what a file of SQLite needs around it."""
        if url.get_backend_name() == "sqlite" and url.database:
            os.makedirs(os.path.dirname(url.database) or ".", exist_ok=True)  # noqa: PTH103, PTH120
        if is_default:
            private_file(subfolder() / _FILE)  # SQLite's other files follow it

    def _prepare(self, engine: sa.Engine) -> None:
        """Make the tables and columns that are missing."""
        sa.event.listen(engine, "before_cursor_execute", _mask_parameters, retval=True)
        _create_tables(engine)
        _add_columns(engine)

    @contextlib.contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Lend a connection in a transaction.

        Raises:
            DataflowError: The database refuses something, or can't be reached; SQLAlchemy's error is its cause.
        """
        with translated_errors(), self.engine.begin() as connection:
            yield connection

    def insert(self, table: sa.Table, rows: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Add rows, all of them or none; raises as `begin` does."""
        if rows:
            with self.begin() as connection:
                connection.execute(table.insert(), rows)

    def rows(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        """Return the rows of a query, by column; raises as `begin` does."""
        with translated_errors(), self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def require_sound(self) -> None:
        """Read all of a SQLite file, as damage shows where it is read; of a server that is the server's work.

        Raises:
            DataflowError: It is damaged.
        """
        if self.engine.dialect.name != "sqlite":
            return
        with translated_errors(), self.engine.connect() as connection:
            (found,) = connection.execute(sa.text("PRAGMA quick_check(1)")).scalars()
        if found != "ok":
            raise DataflowError(f"the run records are damaged: {found.splitlines()[-1]}", _DAMAGED)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def clock(connection: sa.Connection) -> dt.datetime:
    """Return the database's time: of PostgreSQL its server's, whatever the machines think; SQLite's is this one's."""
    if connection.dialect.name == "postgresql":
        return as_utc(connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one())
    return now()


def _create_tables(engine: sa.Engine) -> None:
    """Make the tables that are missing; another process may make the same ones at this moment."""
    for left in reversed(range(_CREATE_ATTEMPTS)):
        try:
            metadata.create_all(engine)
            return
        except (sa.exc.OperationalError, sa.exc.ProgrammingError, sa.exc.IntegrityError) as error:
            if "is locked" in str(error):  # it was waited for
                raise
            missing = {table.name for table in metadata.sorted_tables} - {*sa.inspect(engine).get_table_names()}
            if missing and not left:
                raise


def _add_columns(engine: sa.Engine) -> None:
    """Add the columns that a database of an earlier version lacks; all of them may be empty."""
    inspector = sa.inspect(engine)
    for table in metadata.sorted_tables:
        there = {column["name"] for column in inspector.get_columns(table.name)}
        for column in table.columns:
            if column.name in there:
                continue
            kind = column.type.compile(engine.dialect)
            name = engine.dialect.identifier_preparer.quote(column.name)
            try:
                with engine.begin() as connection:
                    connection.execute(sa.text(f"ALTER TABLE {table.name} ADD COLUMN {name} {kind}"))
            except sa.exc.SQLAlchemyError:  # another process may just have done it
                if column.name not in {it["name"] for it in sa.inspect(engine).get_columns(table.name)}:
                    raise


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Turn an error of the database into one line.

    Raises:
        DataflowError: There is one.
    """
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        cause = _cause(error)
        raise DataflowError(f"the run records can't be reached any more: {cause}", _hint(cause)) from error


def _hint(cause: str) -> str | None:
    return _DAMAGED if "is malformed" in cause or "is not a database" in cause else hint_for(cause)


def _cause(error: BaseException) -> str:
    """Return the first line of an error, the driver's own where there is one."""
    return first_line(getattr(error, "orig", None) or error)


def _json(data: object) -> str:
    """Write data as JSON, its secrets masked: not every driver hands it on as text."""
    return json.dumps(masked_data(data))


def _mask_parameters(_: sa.Connection, __: object, statement: str, parameters: Any, *___: object) -> tuple[str, Any]:
    """Mask the secrets in what is about to be written."""
    return statement, masked_data(parameters)


def _options(url: sa.URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": LOCK_TIMEOUT}}
    if "connect_timeout" in url.query or url.get_backend_name() != "postgresql":
        return {"pool_pre_ping": True}
    return {"pool_pre_ping": True, "connect_args": {"connect_timeout": _CONNECT_TIMEOUT}}
