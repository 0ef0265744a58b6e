"""The state database for who only looks: nothing is created, changed or locked in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.util import find_tables

from dataflow.errors import DataflowError
from dataflow.state.database import StateDatabase, is_made, metadata, translated_errors

_NOTHING = "sqlite://"  # a database in memory: of one that nobody has made yet


class ReadOnlyDatabase(StateDatabase):
    """A state database of which only is read what there is: a table that nobody has made yet has no rows.

    Args:
        address: A SQLAlchemy URL; None is the SQLite file in the Dataflow home.

    Attributes:
        is_nothing: Whether there was no database yet.

    Raises:
        DataflowError: The address can't be opened, or an earlier version made what is there.
    """

    def __init__(self, address: str | None = None) -> None:
        self.is_nothing = not is_made(address)
        super().__init__(_NOTHING if self.is_nothing else address)

    def has(self, table: sa.Table) -> bool:
        """Say whether a table is there."""
        return table.name in self._columns

    def rows(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        """Return the rows of a query, by column; raises as `begin` does."""
        tables = find_tables(query, include_joins=True, include_aliases=True, include_selects=True, check_columns=True)
        if not all(self.has(it) for it in tables if isinstance(it, sa.Table)):
            return []
        return super().rows(query)

    def _make_place(self, url: sa.URL, *, is_default: bool) -> None:
        pass

    def _prepare(self, engine: sa.Engine) -> None:
        if engine.dialect.name == "sqlite":
            sa.event.listen(engine, "connect", _forbid_writing)
        else:
            sa.event.listen(engine, "begin", _begin_reading)
        self._look(engine)

    def look(self) -> None:
        """Look again which tables there are; raises as the class does."""
        with translated_errors():
            self._look(self.engine)

    def _look(self, engine: sa.Engine) -> None:
        self._columns = _columns(engine)
        for table in metadata.sorted_tables:
            there = self._columns.get(table.name)
            missing = [] if there is None else [it.name for it in table.columns if it.name not in there]
            if missing:
                raise DataflowError(
                    f"an earlier version made these run records: {table.name} has no column '{missing[0]}'",
                    "`dataflow workflow runs` adds what is missing, where it may write",
                )


def _columns(engine: sa.Engine) -> Mapping[str, frozenset[str]]:
    found = sa.inspect(engine).get_multi_columns()
    return {name: frozenset(it["name"] for it in columns) for (_, name), columns in found.items()}


def _forbid_writing(connection: Any, _: object) -> None:
    connection.execute("PRAGMA query_only = ON")


def _begin_reading(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
