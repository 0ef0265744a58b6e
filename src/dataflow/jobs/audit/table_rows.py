"""The rows of a table as audits ask about them: columns by their names, values as literals of a column's type."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, did_you_mean
from dataflow.jobs.audit.literals import literal
from dataflow.workflow import table_names
from dataflow.workflow.audits.base import AuditColumn

if TYPE_CHECKING:
    from pyspark.sql.types import DataType, StructType

    from dataflow.jobs.audit.results import AuditedRows
    from dataflow.workflow.values import Scalar


@dataclass(frozen=True)
class TableRows:
    """What one audit may ask about; an `AuditContext`.

    Attributes:
        audit: What messages call the audit.
        rows: The rows under audit.
        schema: Their columns.
        history: Row counts of the last published runs, newest first.
    """

    audit: str
    rows: AuditedRows
    schema: StructType
    history: Sequence[int]

    @property
    def source(self) -> str:
        """The rows as the FROM and WHERE of a query, to which further conditions can be added."""
        return self.rows.source

    def column(self, name: str) -> AuditColumn:
        """Find a column, or a struct's field as `column.field`, as Spark does: without regard to case.

        A column whose own name has a dot in it comes first.

        Raises:
            DataflowError: There is none; the message names the nearest.
        """
        found = _within(self.schema, (name,)) or _within(self.schema, table_names.split(name))
        if found is None:
            valid = {path for path, _ in _fields(self.schema)}
            near = did_you_mean(name, sorted(valid))
            raise DataflowError(f"audit {self.audit}: {self.rows.table} has no column '{name}'{near}")
        path, type_ = found
        dotted = ".".join(path)
        return AuditColumn(
            dotted,
            table_names.quoted_parts(path),
            type_.typeName() in {"float", "double"},
            functools.partial(self._literal, dotted, type_),
        )

    def _literal(self, column: str, type_: DataType, value: Scalar) -> str:
        try:
            return literal(value, type_)
        except ValueError as error:
            raise DataflowError(f"audit {self.audit}, column {column}: {error}") from None


def _within(schema: StructType, path: Sequence[str]) -> tuple[tuple[str, ...], DataType] | None:
    """Return a field of a schema as the schema writes it, with its type."""
    from pyspark.sql.types import StructType

    first, *rest = path
    for field in schema.fields:
        if field.name.lower() != first.lower():
            continue
        if not rest:
            return (field.name,), field.dataType
        inner = _within(field.dataType, rest) if isinstance(field.dataType, StructType) else None
        return None if inner is None else ((field.name, *inner[0]), inner[1])
    return None


def _fields(schema: StructType, above: tuple[str, ...] = ()) -> Iterator[tuple[str, DataType]]:
    """Yield the columns of a schema and the fields of its structs."""
    from pyspark.sql.types import StructType

    for field in schema.fields:
        yield ".".join((*above, field.name)), field.dataType
        if isinstance(field.dataType, StructType):
            yield from _fields(field.dataType, (*above, field.name))
