"""Iceberg tables as Java objects: the few calls that Spark SQL has no words for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from dataflow.workflow import table_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession

T = TypeVar("T")

TOO_LATE = ("CommitFailedException",)
"""What stands in a failure that says that somebody else's commit came first."""

COMMIT_RETRIES = 40
"""How often a commit is tried: parallel dates meet at one catalog pointer."""


def jvm(spark: SparkSession) -> Any:
    """Return the driver's JVM: a classic session always has one, which PySpark's types don't say."""
    return spark._jvm


def java_class(spark: SparkSession, name: str) -> JavaObject:
    """Return a Java class by its whole name: py4j asks the JVM about each package on the way of a dotted one."""
    from py4j.java_gateway import JavaClass

    return JavaClass(name, jvm(spark)._gateway_client)


def load(spark: SparkSession, name: str) -> JavaObject:
    """Return the Iceberg table of that name, as the catalog has it now.

    The name is completed first: Iceberg would try its database as a catalog and fill the log with the failure.
    """
    parts = table_names.split(name)
    if len(parts) < 3:
        parts = (str(spark.conf.get("spark.sql.defaultCatalog")), *parts)
    whole = table_names.quoted_parts(parts)
    return jvm(spark).org.apache.iceberg.spark.Spark3Util.loadIcebergTable(spark._jsparkSession, whole)


def exists(spark: SparkSession, name: str) -> bool:
    """Say whether the catalog has a table of that name."""
    return bool(spark.catalog.tableExists(quoted(name)))


def list_tables(spark: SparkSession) -> list[str]:
    """Return all tables of the session's catalog as `database.table`, sorted."""
    spaces, left = list[str](), [""]
    while left:
        above = left.pop()
        rows = spark.sql(f"SHOW NAMESPACES IN {quoted(above)}" if above else "SHOW NAMESPACES").collect()
        found = [table_names.plain(str(row["namespace"])) for row in rows]
        spaces += found
        left += found
    tables = ((space, str(row["tableName"])) for space in spaces for row in _tables_in(spark, space))
    return sorted(table_names.joined((*table_names.split(space), table)) for space, table in tables)


def _tables_in(spark: SparkSession, space: str) -> list[Any]:
    return spark.sql(f"SHOW TABLES IN {quoted(space)}").collect()


def create_namespace(spark: SparkSession, name: str) -> None:
    """Make a database unless there is one; whoever else makes it at this moment is no failure."""
    name = quoted(name)
    if spark.catalog.databaseExists(name):
        return
    try:
        spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {name}")
    except Exception:  # Iceberg's JDBC catalog looks first and inserts later, and says so in its database's words
        if not spark.catalog.databaseExists(name):
            raise


def properties(table: JavaObject) -> dict[str, str]:
    """Return a table's properties."""
    return {str(key): str(value) for key, value in dict(table.properties()).items()}


def commit(spark: SparkSession, name: str, change: Callable[[JavaObject], T], again: Sequence[str] = TOO_LATE) -> T:
    """Change a table, starting again from its newest state when somebody else's commit came first.

    Iceberg repeats some commits by itself, but not those whose base has to be looked at again.

    Args:
        spark: The session.
        name: The table.
        change: Commits something to the table that it is given; may be called several times.
        again: What stands in the failures after which it is called again.
    """
    import tenacity

    loop = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: any(sign in str(error) for sign in again)),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=2),
        stop=tenacity.stop_after_attempt(COMMIT_RETRIES),
        reraise=True,
    )
    return loop(lambda: change(load(spark, name)))


def set_properties(
    spark: SparkSession,
    name: str,
    values: Mapping[str, str | None],
    allowed: Callable[[Mapping[str, str]], None] = lambda _: None,
) -> bool:
    """Set properties of a table in one commit, remove those given as None; say whether anything changed.

    Args:
        spark: The session.
        name: The table.
        values: The properties.
        allowed: Raises when the properties that the table has forbid it; looked at before each try.
    """

    def change(table: JavaObject) -> bool:
        current = properties(table)
        allowed(current)
        changed = {key: value for key, value in values.items() if current.get(key) != value}
        update = table.updateProperties()
        for key, value in changed.items():
            update.remove(key) if value is None else update.set(key, value)
        if changed:
            update.commit()
        return bool(changed)

    return commit(spark, name, change)


def column_types(spark: SparkSession, name: str) -> dict[str, str]:
    """Return the types of a table's columns as Spark SQL spells them, names inside them quoted."""
    fields = spark.table(quoted(name))._jdf.schema().fields()
    return {str(field.name()): str(field.dataType().sql()) for field in fields}


def column_names(spark: SparkSession, name: str) -> set[str]:
    """Return a table's columns and the fields inside them, as `column.field`, in lower case."""
    return set(field_paths(spark.table(quoted(name)).schema))


def field_paths(kind: Any, way: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the columns of a Spark schema and the fields inside them, as `column.field`, in lower case."""
    from pyspark.sql.types import ArrayType, MapType, StructType

    match kind:
        case StructType():
            for field in kind.fields:
                inner = (*way, field.name.lower())
                yield ".".join(inner)
                yield from field_paths(field.dataType, inner)
        case ArrayType():
            yield from field_paths(kind.elementType, (*way, "element"))
        case MapType():
            yield from field_paths(kind.valueType, (*way, "value"))


def head(table: JavaObject, ref: str = "main") -> int | None:
    """Return the snapshot that a branch points to, or None where it has none."""
    found = table.refs().get(ref)
    return None if found is None else int(found.snapshotId())


def quoted(name: str) -> str:
    """Quote a table's name for SQL, whatever is quoted in it already."""
    return table_names.quoted(name)
