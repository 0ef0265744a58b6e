"""Tables of catalogs that only Spark speaks to, as PyIceberg has them: metadata and files come through the JVM."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile
from pyiceberg.table import Table

from dataflow.tables import iceberg
from dataflow.tables.iceberg import java_class
from dataflow.tables.reader.catalog_tables import parsed_metadata, table_to_read
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession


def find_table(spark: SparkSession, name: str) -> Table | None:
    """Load a table of a session's catalog, or return None if it does not exist."""
    if not iceberg.exists(spark, name):
        return None
    loaded = iceberg.load(spark, name)
    metadata = loaded.operations().current()
    text = str(java_class(spark, "org.apache.iceberg.TableMetadataParser").toJson(metadata))
    return table_to_read(
        table_names.split(name),
        parsed_metadata(name, text),
        str(metadata.metadataFileLocation()),
        _JvmFileIO(spark, loaded.io()),
        str(spark.conf.get("spark.sql.defaultCatalog")),
    )


class _JvmFileIO(FileIO):
    """Reads files as the JVM's table does, with its credentials; writes nothing."""

    def __init__(self, spark: SparkSession, files: JavaObject) -> None:
        super().__init__({})
        self._files = files
        self._streams = java_class(spark, "org.apache.commons.io.IOUtils")

    def new_input(self, location: str) -> InputFile:
        return _JvmFile(location, self._files, self._streams)

    def new_output(self, location: str) -> OutputFile:
        raise io.UnsupportedOperation(f"{location}: read only")

    def delete(self, location: str | InputFile | OutputFile) -> None:
        raise io.UnsupportedOperation(f"{location}: read only")


class _JvmFile(InputFile):
    def __init__(self, location: str, files: JavaObject, streams: JavaObject) -> None:
        super().__init__(location)
        self._file = files.newInputFile(location)
        self._streams = streams

    def __len__(self) -> int:
        return int(self._file.getLength())

    def exists(self) -> bool:
        return bool(self._file.exists())

    def open(self, seekable: bool = True) -> InputStream:  # noqa: ARG002 - all of it is at hand
        from py4j.protocol import Py4JJavaError

        try:
            stream = self._file.newStream()
            try:
                content: Any = self._streams.toByteArray(stream)
            finally:
                stream.close()
        except Py4JJavaError as error:
            raise OSError(f"{self.location}: {error.java_exception.getMessage()}") from error
        return io.BytesIO(bytes(content))
