"""Columns as an Iceberg table stores them: what Spark tells apart, and Iceberg keeps as one, is one here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.errors import UsageError
from dataflow.tables.quoting import column_name
from dataflow.tables.quoting import text as literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyiceberg.types import NestedField
    from sqlglot.expressions import DataType

_OF_ICEBERG = {
    "boolean": "BOOLEAN", "int": "INT", "long": "BIGINT", "float": "FLOAT", "double": "DOUBLE", "date": "DATE",
    "string": "STRING", "binary": "BINARY", "timestamptz": "TIMESTAMP", "timestamp": "TIMESTAMP_NTZ",
    "uuid": "STRING", "time": "BIGINT",
}  # fmt: skip
_OF_SQL = {
    "BOOLEAN": "BOOLEAN", "TINYINT": "INT", "SMALLINT": "INT", "INT": "INT", "BIGINT": "BIGINT", "FLOAT": "FLOAT",
    "DOUBLE": "DOUBLE", "DATE": "DATE", "TEXT": "STRING", "VARCHAR": "STRING", "CHAR": "STRING", "BINARY": "BINARY",
    "TIMESTAMPTZ": "TIMESTAMP", "TIMESTAMPLTZ": "TIMESTAMP", "TIMESTAMPNTZ": "TIMESTAMP_NTZ",
}  # fmt: skip
"""What Iceberg's Spark makes of a type (`SparkTypeToType`), by sqlglot's name of it."""

_SIZED = {"VARCHAR", "CHAR"}
_PLAIN = frozenset(_OF_SQL.values())
_DECIMAL = re.compile(r"DECIMAL\((\d+), (\d+)\)")
_DIGITS = 38
_EXAMPLES = "a type and nothing else, for example bigint, decimal(20, 2), array<string>"


@dataclass(frozen=True)
class Column:
    """A column of a table, or a part of one.

    Attributes:
        name: Its name.
        type: Its type, as Spark SQL spells it, without what is said of the fields inside.
        nullable: Whether it may have nulls.
        comment: What is said of it.
        parts: Of a struct its fields, of an array its `element`, of a map its `key` and `value`.
    """

    name: str
    type: str
    nullable: bool = True
    comment: str = ""
    parts: tuple[Column, ...] = ()

    @property
    def kind(self) -> str:
        """What it is: `STRUCT`, `ARRAY`, `MAP`, or a plain type."""
        return self.type.partition("<")[0]

    @property
    def full_type(self) -> str:
        """Its type with what is said of the fields inside: what a new column is made of."""
        match self.kind:
            case "STRUCT" if self.parts:
                return f"STRUCT<{', '.join(_field(each) for each in self.parts)}>"
            case "ARRAY" | "MAP" if self.parts:
                return f"{self.kind}<{', '.join(each.full_type for each in self.parts)}>"
            case _:
                return self.type


def _field(column: Column) -> str:
    null = "" if column.nullable else " NOT NULL"
    comment = f" COMMENT {literal(column.comment)}" if column.comment else ""
    return f"{_inside(column.name)}: {column.full_type}{null}{comment}"


def _inside(name: str) -> str:
    """Spell a name inside a type, quoted where it has to be."""
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else column_name(name)


def _made_of(kind: str, parts: Sequence[Column]) -> str:
    named = kind == "STRUCT"
    return f"{kind}<{', '.join(f'{_inside(each.name)}: {each.type}' if named else each.type for each in parts)}>"


def sql_type(text: str) -> Column:
    """Read a type that a column is to have; the answer is a column without a name.

    Raises:
        UsageError: It is no type, more than a type, or none that Iceberg has.
    """
    found = _parsed(text)
    if found is None:
        raise UsageError(f"'{text}' is not a known type", _EXAMPLES)
    column = of_sql("", found)
    require_storable(column)
    return column


def _parsed(text: str) -> DataType | None:
    """Parse a type and nothing behind it, which sqlglot's own `DataType.build` would pass over."""
    from sqlglot.dialects.dialect import Dialect
    from sqlglot.errors import SqlglotError
    from sqlglot.expressions import DataType

    try:
        (found,) = Dialect.get_or_raise("spark").parse_into(DataType, text)
    except (SqlglotError, AttributeError):  # the latter where there is no text at all
        return None
    return found if isinstance(found, DataType) else None


def require_storable(column: Column) -> None:
    """Refuse a type that no column can be made of; the specification's version 2, which Spark writes.

    Raises:
        UsageError: It is such a type; names it.
    """
    for part in column.parts:
        require_storable(part)
    names = [part.name.lower() for part in column.parts]
    if column.parts and len(set(names)) == len(names):
        return
    where = f"column {column.name}: " if column.name else ""
    spelled = column.type if column.parts else column.type.lower()
    if (size := _DECIMAL.fullmatch(column.type)) is not None:
        if 1 <= int(size[1]) <= _DIGITS and int(size[2]) <= int(size[1]):
            return
        hint = f"a decimal has 1 to {_DIGITS} digits, and no more than those behind the point: decimal(20, 2)"
        raise UsageError(f"{where}'{spelled}' is not a type of Iceberg tables", hint)
    if column.type not in _PLAIN:
        raise UsageError(f"{where}'{spelled}' is not a type of Iceberg tables", _EXAMPLES)


def of_sql(name: str, kind: Any, nullable: bool = True, comment: str = "") -> Column:
    """Return a column of a type that sqlglot has parsed; one that Iceberg lacks is kept by its name."""
    from sqlglot import exp

    kind_name = kind.this.name if isinstance(kind.this, exp.DType) else kind.this.sql(dialect="spark")
    arguments = list(kind.expressions)
    parts: tuple[Column, ...] = ()
    if kind_name == "STRUCT" and all(isinstance(each, exp.ColumnDef) for each in arguments):
        parts = tuple(of_definition(each) for each in arguments)
    elif (kind_name, len(arguments)) in {("ARRAY", 1), ("MAP", 2)} and not kind.args.get("values"):
        names = ("element",) if kind_name == "ARRAY" else ("key", "value")
        parts = tuple(of_sql(each, part) for each, part in zip(names, arguments, strict=True))
    type_ = (
        _made_of(kind_name, parts) if parts else _plain(kind_name, [each.sql(dialect="spark") for each in arguments])
    )
    return Column(name, type_, nullable, comment, parts)


def _plain(kind_name: str, arguments: Sequence[str]) -> str:
    """Spell a type without parts; sqlglot itself would spell a `time` as a timestamp, and an int(11) as an int."""
    if kind_name == "DECIMAL" and len(arguments) <= 2:
        precision, scale = (*arguments, *("10", "0")[len(arguments) :])
        return f"DECIMAL({precision}, {scale})"
    if kind_name in _OF_SQL and len(arguments) == (1 if kind_name in _SIZED else 0):
        return _OF_SQL[kind_name]
    opening, closing = "<>" if kind_name in {"STRUCT", "ARRAY", "MAP"} else "()"
    return f"{kind_name}{opening}{', '.join(arguments)}{closing}" if arguments else kind_name


def of_definition(found: Any) -> Column:
    """Return a column, or a field of a struct, as sqlglot has parsed its definition.

    Raises:
        UsageError: It has no type.
    """
    from sqlglot import exp

    if not isinstance(found, exp.ColumnDef) or found.kind is None:
        raise UsageError(f"column {found.name} has no type in the new definition")
    constraints = [each.kind for each in found.constraints]
    comment = next((each.this.name for each in constraints if isinstance(each, exp.CommentColumnConstraint)), "")
    return of_sql(found.name, found.kind, not is_required(found), comment)


def is_required(definition: Any) -> bool:
    """Say whether a column that sqlglot has parsed is NOT NULL."""
    from sqlglot import exp

    constraints = (each.kind for each in definition.constraints)
    return any(isinstance(it, exp.NotNullColumnConstraint) and not it.args.get("allow_null") for it in constraints)


def of_spark(name: str, text: str, nullable: bool = True, comment: str = "") -> Column:
    """Return a live column by its type as Spark spells it."""
    if text in _PLAIN:  # sqlglot takes a while to load
        return Column(name, text, nullable, comment)
    found = _parsed(text)
    if found is None:  # a type that is newer than we are; nothing is asked of it, but by name
        return Column(name, text, nullable, comment)
    return of_sql(name, found, nullable, comment)


def of_iceberg(found: NestedField) -> Column:
    """Return a live column, or a field of one, as PyIceberg tells of it."""
    type_, parts = _of_iceberg(found.field_type)
    return Column(found.name, type_, not found.required, found.doc or "", parts)


def _of_iceberg(kind: Any) -> tuple[str, tuple[Column, ...]]:
    from pyiceberg.types import DecimalType, FixedType, ListType, MapType, StructType

    match kind:
        case DecimalType():
            return f"DECIMAL({kind.precision}, {kind.scale})", ()
        case FixedType():
            return "BINARY", ()
        case ListType():
            element = _part("element", kind.element_type)
            return _made_of("ARRAY", [element]), (element,)
        case MapType():
            parts = (_part("key", kind.key_type), _part("value", kind.value_type))
            return _made_of("MAP", parts), parts
        case StructType():
            fields = tuple(of_iceberg(each) for each in kind.fields)
            return _made_of("STRUCT", fields), fields
        case _:
            return _OF_ICEBERG.get(str(kind), str(kind).upper()), ()


def of_metadata(found: Mapping[str, Any]) -> Column:
    """Return a live column, or a field of one, as a metadata file tells of it."""
    type_, parts = _of_metadata(found["type"])
    return Column(found["name"], type_, not found.get("required"), found.get("doc") or "", parts)


def _of_metadata(kind: Any) -> tuple[str, tuple[Column, ...]]:
    if isinstance(kind, str):
        digits = re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", kind)
        plain = "BINARY" if kind.startswith("fixed[") else _OF_ICEBERG.get(kind, kind.upper())
        return (f"DECIMAL({digits[1]}, {digits[2]})" if digits else plain), ()
    match kind["type"]:
        case "list":
            parts = (of_metadata({"name": "element", "type": kind["element"]}),)
            return _made_of("ARRAY", parts), parts
        case "map":
            pair = [of_metadata({"name": it, "type": kind[it]}) for it in ("key", "value")]
            return _made_of("MAP", pair), tuple(pair)
        case _:
            fields = tuple(map(of_metadata, kind["fields"]))
            return _made_of("STRUCT", fields), fields


def _part(name: str, kind: Any) -> Column:
    type_, parts = _of_iceberg(kind)
    return Column(name, type_, parts=parts)
