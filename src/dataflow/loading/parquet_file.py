"""Parquet: types as the file has them, rows a chunk at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import UsageError, display_path, first_line
from dataflow.loading.chunks import ROWS, BadRows, Chunk, require_names
from dataflow.loading.convert import spark_type
from dataflow.tables.schema.spark_types import SqlType

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


class ParquetFile:
    """A Parquet file.

    Attributes:
        path: The file.
        is_text: Whether it writes everything as text.
    """

    is_text = False

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def names(self) -> Sequence[str]:
        """Its columns."""
        return tuple(self.types)

    @cached_property
    def types(self) -> Mapping[str, SqlType]:
        """The types of its columns.

        Raises:
            UsageError: It is not a Parquet file, or has columns that a table can't have.
        """
        with self._opened() as file:
            fields = list(file.schema_arrow)
        require_names(self.path, [field.name for field in fields])
        found = {}
        for field in fields:
            try:
                found[field.name] = spark_type(field.type)
            except ValueError as error:
                raise UsageError(f"{display_path(self.path)}: column '{field.name}': {error}") from None
        return found

    def chunks(self, bad: BadRows) -> Iterator[Chunk]:
        """Yield its rows, numbered."""
        del bad
        number = 1
        with self._opened() as file:
            for batch in self._batches(file):
                lines = range(number, number + batch.num_rows)
                yield Chunk(dict(zip(batch.schema.names, batch.columns, strict=True)), lines)
                number += batch.num_rows

    def _batches(self, file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        try:
            yield from file.iter_batches(batch_size=ROWS)
        except (pa.ArrowException, OSError) as error:
            raise UsageError(f"{display_path(self.path)} is damaged: {first_line(error)}") from None

    def _opened(self) -> pq.ParquetFile:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.ParquetFile(self.path)
        except pa.ArrowException as error:
            raise UsageError(f"{display_path(self.path)} is not a Parquet file: {first_line(error)}") from None
