"""Reads `CREATE TABLE`: what a statement says, however it says it, for all that ask."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dataflow.tables.properties import PRIMARY_KEY
from dataflow.tables.schema.columns import Column, is_required, of_definition
from dataflow.tables.schema.transforms import plain_transform
from dataflow.workflow import table_names


@dataclass(frozen=True)
class CreateTable:
    """A `CREATE TABLE` that lists columns.

    Attributes:
        statement: The statement, as sqlglot has parsed it.
    """

    statement: Any

    @property
    def table(self) -> str:
        """The table's name, with as many parts as the statement gives it."""
        return table_names.joined(part.name for part in getattr(self.statement.this.this, "parts", ()))

    @property
    def is_query(self) -> bool:
        """Whether a query gives it its rows."""
        return bool(self.statement.expression)

    @functools.cached_property
    def definitions(self) -> tuple[Any, ...]:
        """The definitions of its columns; Hive declares some of them where the table is partitioned by them."""
        from sqlglot import exp

        listed = (*self.statement.this.expressions, *self._partitioned_by)
        return tuple(part for part in listed if isinstance(part, exp.ColumnDef))

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of its columns, in order."""
        return tuple(part.name for part in self.definitions)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Its columns, in order.

        Raises:
            UsageError: One has no type.
        """
        from sqlglot import exp

        untyped = [part for part in self.statement.this.expressions if isinstance(part, exp.Identifier)]
        return tuple(map(of_definition, (*self.definitions, *untyped)))

    @property
    def types(self) -> dict[str, str]:
        """Its columns' types by name, as Spark SQL spells them, `NOT NULL` behind those that are."""
        return {
            part.name: part.kind.sql("spark") + (" NOT NULL" if is_required(part) else "")
            for part in self.definitions
            if part.kind is not None
        }

    @property
    def partitioned_by(self) -> tuple[str, ...]:
        """Its partitioning, as Spark SQL spells it."""
        return tuple(part.sql("spark") for part in self._partitioned_by)

    @property
    def partition(self) -> tuple[str, ...]:
        """Its partitioning in the one spelling that tables are compared in, such as `date` or `bucket(16, id)`."""
        return tuple(map(_transform, self._partitioned_by))

    @property
    def properties(self) -> dict[str, str]:
        """Its table properties."""
        from sqlglot import exp

        found = self.statement.find_all(exp.Property)
        return {each.this.name: each.args["value"].name for each in found if each.args.get("value")}

    @property
    def comment(self) -> str | None:
        """What it says of the table; None where it says nothing."""
        from sqlglot import exp

        found = (each.this.name for each in self.statement.find_all(exp.SchemaCommentProperty))
        return next(found, self.properties.get("comment"))

    @property
    def primary_keys(self) -> tuple[tuple[str, ...], ...]:
        """The keys that its constraints declare, and the one of the property that a Metadata job writes."""
        from sqlglot import exp

        found = [tuple(column.name for column in each.expressions) for each in self.statement.find_all(exp.PrimaryKey)]
        found += [
            (part.name,)
            for part in self.definitions
            if any(isinstance(each.kind, exp.PrimaryKeyColumnConstraint) for each in part.constraints)
        ]
        said = self.properties.get(PRIMARY_KEY)
        return (*found, *([key_of(said)] if said is not None else []))

    @property
    def _partitioned_by(self) -> tuple[Any, ...]:
        from sqlglot import exp

        found = self.statement.find(exp.PartitionedByProperty)
        return () if found is None else tuple(getattr(found.this, "expressions", ()))


def create_table(statement: Any) -> CreateTable | None:
    """Return what a parsed statement creates; None where it is no `CREATE TABLE` with columns."""
    from sqlglot import exp

    is_one = isinstance(statement, exp.Create) and statement.kind == "TABLE" and isinstance(statement.this, exp.Schema)
    return CreateTable(statement) if is_one else None


def create_tables(script: str) -> Iterator[CreateTable]:
    """Yield what the statements of a script create.

    Raises:
        SqlglotError: It can't be read.
    """
    import sqlglot

    return filter(None, map(create_table, sqlglot.parse(script, read="spark")))


def key_of(text: str) -> tuple[str, ...]:
    """Return the columns of a key, out of the property that a Metadata job writes."""
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def _transform(part: Any) -> str:
    from sqlglot import exp

    if isinstance(part, exp.ColumnDef):
        return str(part.name).lower()
    if isinstance(part, exp.Cast):  # what sqlglot makes of date(ts)
        return plain_transform(f"date({part.this.sql(dialect='spark')})")
    return plain_transform(part.sql(dialect="spark"))
