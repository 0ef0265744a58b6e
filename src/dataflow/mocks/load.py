"""Reading a mock file: every value against its declared type, every mistake with its place."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from dataflow.errors import DefinitionError, Problem, did_you_mean
from dataflow.mocks.model import Mock, MockColumn, Value
from dataflow.mocks.yaml_scalars import read_scalar
from dataflow.mocks.yaml_text import LONGEST_KEY
from dataflow.tables.schema.spark_types import LONGEST_NAME, SqlType, parse_type
from dataflow.workflow.yamlfile import SourceLocation, YamlFile, YamlPath, read_yaml

_KEYS = ("table", "key", "partial", "duplicates", "columns", "rows")


def load_mock(file: Path) -> Mock:
    """Read a mock file.

    Args:
        file: A YAML file with `columns` (name to Spark type), `rows` (lists in the columns' order, or
            mappings by column) and, optionally, the `table` that it stands for, a `key`, `partial` and
            `duplicates`.

    Raises:
        DefinitionError: All that is wrong in the file, with line and column.
    """
    return read_mock(read_yaml(file))


def read_mock(file: YamlFile, *, any_case: bool = False) -> Mock:
    """Read a mock that is a file, or the part of one.

    Args:
        file: What holds it.
        any_case: Whether a row may name columns and fields in another case, as Spark lets one: not in a file that
            other readers read as well.

    Raises:
        DefinitionError: All that is wrong in it, with line and column.
    """
    reader = _MockReader(file, any_case=any_case)
    mock = reader.mock()
    if reader.problems:
        raise DefinitionError(reader.problems)
    return mock


class _MockReader:
    """Turns the scalars of a file into values, and collects problems."""

    def __init__(self, file: YamlFile, *, any_case: bool) -> None:
        self.file = file
        self._any_case = any_case
        self.problems: list[Problem] = []

    def mock(self) -> Mock:
        data = self.file.data
        self._check_keys(data, (), _KEYS)
        columns = self._columns(data.get("columns"))
        rows = self._rows(data.get("rows"), columns) if columns else ()
        table = data.get("table") and str(data["table"])
        if table and len(table) > 3 * LONGEST_NAME:
            self._wrong(("table",), f"a table's name of {len(table):,} letters is too long")
        key = self._key(data.get("key"), [column.name for column in columns])
        return Mock(self.file.path, table, columns, rows, key, self._flag("partial"), self._flag("duplicates"))

    def _key(self, found: object, names: list[str]) -> tuple[str, ...]:
        if found is None:
            return ()
        if not isinstance(found, list) or not found:
            self._wrong(("key",), "'key' is a list of columns")
            return ()
        key = [self.file.texts.get(("key", i), "") for i in range(len(found))]
        for i, name in enumerate(key):
            if names and name not in names:
                self._wrong(("key", i), f"there is no column '{name}'{did_you_mean(name, names)}")
        return tuple(key)

    def _flag(self, name: str) -> bool:
        found = self.file.data.get(name, False)
        if not isinstance(found, bool):
            self._wrong((name,), f"'{name}' is true or false")
        return found is True

    def _columns(self, found: object) -> tuple[MockColumn, ...]:
        if not isinstance(found, dict) or not found:
            self._wrong(("columns",), "'columns' is a mapping of names to Spark types, such as title_id: int")
            return ()
        columns = []
        known: dict[str, str] = {}
        for name in found:
            route = ("columns", name)
            if (twin := known.setdefault(name.lower(), name)) != name:
                self._wrong(route, f"'{name}' and '{twin}' are one column to Spark")
                continue
            if len(name) > LONGEST_NAME:
                self._wrong(route, f"a column's name of {len(name):,} letters is too long: {LONGEST_NAME} are the most")
                continue
            try:
                columns.append(MockColumn(name, parse_type(self.file.texts.get(route, ""))))
            except ValueError as error:
                self._wrong(route, str(error))
        # A column that could not be read would make every row below it a mistake.
        return tuple(columns) if len(columns) == len(found) else ()

    def _rows(self, found: object, columns: tuple[MockColumn, ...]) -> tuple[tuple[Value, ...], ...]:
        if not isinstance(found, list):
            self._wrong(("rows",), "'rows' is a list; a table without rows is written as rows: []")
            return ()
        return tuple(self._row(row, ("rows", i), columns) for i, row in enumerate(found))

    def _row(self, row: object, route: YamlPath, columns: tuple[MockColumn, ...]) -> tuple[Value, ...]:
        if isinstance(row, dict):
            fields = tuple((column.name, column.type) for column in columns)
            return tuple(self._fields(row, route, fields, "").values())
        if not isinstance(row, list):
            self._wrong(route, "a row is a list of values, or a mapping by column")
            return ()
        if len(row) != len(columns):
            names = ", ".join(column.name for column in columns)
            self._wrong(route, f"{len(row)} values for {len(columns)} columns: {names}")
            return ()
        return tuple(
            self._value(cell, (*route, i), column.type, column.name)
            for i, (cell, column) in enumerate(zip(row, columns, strict=True))
        )

    def _fields(
        self, row: dict[str, object], route: YamlPath, fields: tuple[tuple[str, SqlType], ...], where: str
    ) -> dict[str, Value]:
        """Read a mapping by column or struct field; what is left out is null."""
        folded = {key.lower(): key for key in row} if self._any_case else {}
        written = {name: name if name in row else folded.get(name.lower(), name) for name, _ in fields}
        self._check_keys([key for key in row if key not in written.values()], route, list(written))
        return {
            name: self._value(row[key], (*route, key), type_, f"{where}{name}")
            if (key := written[name]) in row
            else None
            for name, type_ in fields
        }

    def _value(self, cell: object, route: YamlPath, type_: SqlType, where: str) -> Value:
        if cell is None and self.file.texts[route] == "null":
            return None
        if not type_.nested:
            return self._scalar(self.file.texts.get(route), self.file.value_place(route), type_, where)
        match type_.name, cell:
            case "array", list():
                return [self._value(item, (*route, i), type_.parts[0], where) for i, item in enumerate(cell)]
            case "struct", dict():
                return self._fields(cell, route, type_.fields, f"{where}.")
            case "map", dict():
                return self._map(cell, route, type_, where)
        shape = {"array": "a list", "struct": "a mapping by field", "map": "a mapping"}[type_.name]
        self._wrong(route, f"{where}: {type_} is written as {shape}")
        return None

    def _map(self, cell: dict[str, object], route: YamlPath, type_: SqlType, where: str) -> Value:
        key, value = type_.parts
        return {
            self._scalar(name, self.file.key_place((*route, name)), key, f"{where}'s key"): self._value(
                item, (*route, name), value, where
            )
            for name, item in cell.items()
        }

    def _scalar(self, word: str | None, place: SourceLocation, type_: SqlType, where: str) -> Value:
        """Read one value, unless the word is None: then it is a list or a mapping."""
        quoted = place.written[:1] in {'"', "'", "|", ">"}
        try:
            if where.endswith("'s key") and len(place.written) > LONGEST_KEY:
                raise ValueError(f"{LONGEST_KEY:,} letters are the most")
            if word is None:
                raise ValueError(f"one value is expected here, {type_}")
            if not quoted and word.lower() in {"", "~", "null"}:
                raise ValueError("nothing is written as null")
            return read_scalar(word, quoted, type_)
        except ValueError as error:
            self.problems.append(place.problem(f"{where}: {error}"))
            return None

    def _check_keys(self, found: Collection[str], route: YamlPath, valid: Collection[str]) -> None:
        for key in found:
            if key not in valid:
                place = self.file.key_place((*route, key))
                self.problems.append(place.problem(f"unknown key '{key}'{did_you_mean(key, valid)}"))

    def _wrong(self, route: YamlPath, message: str) -> None:
        self.problems.append(self.file.value_place(route).problem(message))
