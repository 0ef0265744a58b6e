"""A session on Sail as far as Dataflow's own code asks for one: `sql`, `table`, temporary views, rows.

It stands where a `SparkSession` does in audits and comparisons. What it does not know is Spark's: whatever asks for it
is told so by `SparkDecides`.
"""

from __future__ import annotations

import datetime as dt
import decimal
import itertools
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from dataflow.sail.answer import names_of, require_types, require_values, with_ranges
from dataflow.sail.judgement import SparkDecides, TableUse, judge
from dataflow.sail.kinds import kind_of_column
from dataflow.sail.mends import mended
from dataflow.sail.relations import rewritten
from dataflow.sail.rows import spark_rows, spark_table
from dataflow.sail.server import SailError
from dataflow.workflow import table_names

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Row
    from pyspark.sql.types import StructType

    from dataflow.sail.names import Schema
    from dataflow.sail.server import Sail
    from dataflow.sail.tables import Pins

Parts = tuple[str, ...]


class SailSession:
    """Queries over tables that are held as Arrow, and over those of a catalog.

    Args:
        sail: The server.
        pins: The tables of an environment; None where there are none but those that are given.
        refused: Makes what is raised where only Spark may answer.
        is_trusting: Whether every query is run; else only those that are known to be answered as by Spark.
    """

    def __init__(
        self,
        sail: Sail,
        pins: Pins | None = None,
        *,
        refused: Callable[[str], BaseException] = SparkDecides,
        is_trusting: bool = False,
    ) -> None:
        self.sail = sail
        self.refused = refused
        self._pins = pins
        self._is_trusting = is_trusting
        self._tables: dict[Parts, tuple[str, pa.Table]] = {}
        self._pinned: dict[tuple[Parts, str | None, bool], tuple[str, Schema]] = {}
        self._numbers = itertools.count()

    def sql(self, query: str) -> SailFrame:
        """Return the rows of a query.

        Raises:
            SparkDecides: Only Spark may answer it.
            SailError: It fails.
        """
        text = query.strip()
        try:
            wanted, names = self._chosen(text)
            found = spark_table(self.sail.query(wanted))
            return SailFrame(self, found if names is None else found.rename_columns(names))
        except SparkDecides as reason:
            raise self.refused(str(reason)) from None
        except SailError as error:
            if self.refused is SparkDecides:
                raise
            raise self.refused(error.message) from error

    def table(self, name: str) -> SailFrame:
        """Return a table's rows."""
        held = self._tables.get(_key(table_names.split(name)))
        return SailFrame(self, held[1]) if held else self.sql(f"SELECT * FROM {name}")

    @property
    def catalog(self) -> SailSession:
        """What drops views, as PySpark has it."""
        return self

    def dropTempView(self, name: str) -> None:  # noqa: N802 - as PySpark has it
        """Forget a view."""
        self._tables.pop(_key(table_names.split(name)), None)

    def hold(self, name: str, rows: pa.Table) -> None:
        """Let queries read rows under a name of one or more parts, which may be taken already.

        Raises:
            SailError: Sail can't take them.
        """
        view = f"dataflow_held_{next(self._numbers)}"
        self.sail.show_rows(view, rows)
        self._tables[_key(table_names.split(name))] = (view, rows)

    def name_views(self) -> None:
        """Let PySpark's own client read what is held: under the names themselves, which have one part.

        Raises:
            SparkDecides: One has more.
        """
        for parts, (view, _) in self._tables.items():
            if len(parts) > 1:
                raise SparkDecides(f"PySpark's client finds no {table_names.joined(parts)} in Sail")
            self.sail.show_view(parts[0], view)

    def held(self, name: str) -> pa.Table | None:
        """Return the rows under a name; None where there are none."""
        found = self._tables.get(_key(table_names.split(name)))
        return None if found is None else found[1]

    def columns_of(self, name: str) -> list[str]:
        """Return the columns of a table or a view.

        Raises:
            SparkDecides: There is none, or only Spark can look.
        """
        _, schema = self._shown(TableUse(0, 0, table_names.split(name), None, False, False))
        return list(schema)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise self.refused(f"`spark.{name}` is Spark's alone")

    def _chosen(self, query: str) -> tuple[str, list[str] | None]:
        """Return a query as Sail is given it: with what is known to make it answer as Spark, where that is known.

        And behind it what its columns are called, where that is not what Sail calls them.
        """
        if not self._is_trusting:
            return self._judged(query)
        try:
            return self._judged(query)
        except SparkDecides:
            return self._own(query), None

    def _own(self, query: str) -> str:
        return rewritten(query, {name: view for name, (view, _) in self._tables.items()})

    def _judged(self, query: str) -> tuple[str, list[str] | None]:
        """Return a query that reads views in place of tables, once it is known to be answered as by Spark."""
        judged = judge(query)
        found = [self._shown(use) for use in judged.tables]
        schemas = with_ranges(judged, [schema for _, schema in found])
        views = [view for view, _ in found]
        around = require_types(judged, schemas)
        require_values(self.sail, judged, schemas, views)
        names = names_of(self.sail, judged, views) if around and judged.has_unnamed else None
        return mended(judged, views, around), names

    def _shown(self, use: TableUse) -> tuple[str, Schema]:
        if use.version is None and (held := self._tables.get(_key(use.parts))):
            return held[0], kinds_of(held[1])
        if self._pins is None:
            raise SparkDecides(f"there is no table {table_names.joined(use.parts)} here")
        key = (use.parts, use.version, use.is_moment)
        if key not in self._pinned:
            table = self._pins.pin(use)
            view = f"dataflow_pinned_{next(self._numbers)}"
            self._pins.show(self.sail, view, table)
            self._pinned[key] = view, table.schema
        return self._pinned[key]


class SailFrame:
    """The rows of a query, as Dataflow's own code asks a `DataFrame` for them; they are there already."""

    def __init__(self, session: SailSession, rows: pa.Table) -> None:
        self.session = session
        self._rows = rows

    def toArrow(self) -> pa.Table:  # noqa: N802 - as PySpark has it
        """Return them as an Arrow table."""
        return self._rows

    @property
    def columns(self) -> list[str]:
        """The names of their columns."""
        return list(self._rows.schema.names)

    @property
    def schema(self) -> StructType:
        """Their columns, as PySpark describes them."""
        from pyspark.sql.pandas.types import from_arrow_schema

        return from_arrow_schema(self._rows.schema)

    def collect(self) -> list[Row]:
        """Return them as PySpark's rows."""
        return spark_rows(self._rows)

    def count(self) -> int:
        """Return how many there are."""
        return int(self._rows.num_rows)

    def limit(self, number: int) -> SailFrame:
        """Return the first of them."""
        return SailFrame(self.session, self._rows.slice(0, number))

    def toDF(self, *names: str) -> SailFrame:  # noqa: N802 - as PySpark has it
        """Return them with other names of columns."""
        return SailFrame(self.session, self._rows.rename_columns(list(names)))

    def selectExpr(self, *expressions: str) -> SailFrame:  # noqa: N802 - as PySpark has it
        """Return `string(column)` of columns.

        Raises:
            SparkDecides: It is anything else.
        """
        import pyarrow as pa

        wanted = [it.removeprefix("string(").removesuffix(")") for it in expressions]
        if any(
            f"string({name})" != it or name not in self.columns for name, it in zip(wanted, expressions, strict=True)
        ):
            raise self.session.refused("`selectExpr` is Spark's alone")
        columns = [pa.array(map(_text, self._rows.column(name).to_pylist()), pa.string()) for name in wanted]
        return SailFrame(self.session, pa.Table.from_arrays(columns, names=list(expressions)))

    def createTempView(self, name: str) -> None:  # noqa: N802 - as PySpark has it
        """Let queries read them under a name."""
        self.session.hold(name, self._rows)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise self.session.refused(f"`{name}` of a DataFrame is Spark's alone")


def kinds_of(rows: pa.Table) -> dict[str, str]:
    """Return the kinds of an Arrow table's columns, as `kinds.py` has them."""
    return {field.name: kind_of_column(_iceberg_type(field.type)) for field in rows.schema}


def _iceberg_type(type_: pa.DataType) -> object:
    """Return what Iceberg calls a type, as far as kinds are told apart."""
    import pyarrow as pa

    if pa.types.is_map(type_):
        return {"type": "map", "key": _iceberg_type(type_.key_type), "value": _iceberg_type(type_.item_type)}
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return {"type": "list", "element": _iceberg_type(type_.value_type)}
    if pa.types.is_struct(type_):
        fields = [{"name": it.name, "required": not it.nullable, "type": _iceberg_type(it.type)} for it in type_]
        return {"type": "struct", "fields": fields}
    if pa.types.is_decimal(type_):
        return f"decimal({type_.precision}, {type_.scale})"
    if pa.types.is_timestamp(type_):
        return "timestamptz" if type_.tz else "timestamp"
    names: Mapping[str, str] = {
        "bool": "boolean", "int32": "int", "int64": "long", "float": "float", "double": "double", "string": "string",
        "binary": "binary", "date32[day]": "date",
    }  # fmt: skip
    return names.get(str(type_), "other")


def _key(parts: Parts) -> Parts:
    """Return a name as Spark compares it."""
    return tuple(it.lower() for it in parts)


def _text(value: Any) -> str | None:
    """Return a value as Spark writes it in a text."""
    return None if value is None else _written(value)


def _written(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case float():
            return _float_text(value)
        case bytes():
            return value.decode("utf-8", "replace")
        case decimal.Decimal():
            return f"{value:f}"
        case dt.datetime():
            return _moment_text(value.replace(tzinfo=None))
        case dict():
            found = "{" + ", ".join(_text(it) or "null" for it in value.values()) + "}"
        case list():
            found = "[" + ", ".join(_text(it) or "null" for it in value) + "]"
        case _:
            found = str(value)
    return found


def _moment_text(value: dt.datetime) -> str:
    text = value.isoformat(" ")
    return text.rstrip("0") if value.microsecond else text


def _float_text(value: float) -> str:
    """Return a double as Java writes it: `1.0E10` where Python has `10000000000.0`."""
    if math.isnan(value) or math.isinf(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value) if "e" not in repr(value) else f"{value:f}"
    digits, _, exponent = f"{decimal.Decimal(repr(value)):E}".partition("E")
    whole, _, fraction = digits.partition(".")
    return f"{whole}.{fraction.rstrip('0') or '0'}E{int(exponent)}"
