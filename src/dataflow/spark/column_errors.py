"""Writes whose columns are not those of their table: what differs, in a line, out of what Spark says of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError
from dataflow.wording import plural
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession

_ARITY = re.compile(
    r"\[INSERT_COLUMN_ARITY_MISMATCH\.\w+\] Cannot write to (\S+), .*\n"
    r"Table columns: (.*)\.\nData columns: (.*?)\.(?= SQLSTATE|\s*$)",
    re.M,
)
_EXTRA = re.compile(r"data for the table (\S+): Cannot write extra columns (`.*`)\.")
_PART = r"`(?:[^`]|``)*`"
_NAME = re.compile(rf"{_PART}(?:\.{_PART})*")
"""A column as Spark spells it; one that a query calls by its value, such as 2.0, comes as two parts."""


@dataclass(frozen=True)
class ColumnsDiffer:
    """How the columns of a write differ from those of its table.

    Attributes:
        table: The table, without its catalog.
        columns: The table's columns; empty where Spark does not say.
        given: Those that were written; of a write by name only the ones that the table lacks.
    """

    table: str
    columns: tuple[str, ...]
    given: tuple[str, ...]

    @property
    def extra(self) -> tuple[str, ...]:
        """The columns that the table lacks; none where the write has no names for what it brings too much."""
        known = {name.lower() for name in self.columns}
        found = tuple(name for name in self.given if name.lower() not in known)
        return found if not self.columns or len(found) == len(self.given) - len(self.columns) else ()

    @property
    def missing(self) -> tuple[str, ...]:
        """The columns that the write lacks; none where it has no names for what it gives."""
        given = {name.lower() for name in self.given}
        found = tuple(name for name in self.columns if name.lower() not in given)
        return found if len(found) == len(self.columns) - len(self.given) else ()

    @property
    def message(self) -> str:
        """What differs."""
        if not self.columns:
            return f"{self.table} has no {_listed(self.extra)}"
        counts = f"{self.table} has {plural(len(self.columns), 'column')}, the write gives {len(self.given)}"
        if self.extra:
            return f"{counts}: not among them is {_listed(self.extra)}"
        if self.missing:
            return f"{counts}: {_listed(self.missing)} is missing"
        return f"{counts}: its columns are {', '.join(self.columns)}"


class TypedMismatch(DataflowError):
    """A statement's columns differ from its table's, and their types are known.

    Attributes:
        differ: How.
        types: The types of the columns that it writes, by name.
    """

    permanent = True

    def __init__(self, differ: ColumnsDiffer, types: Mapping[str, str]) -> None:
        super().__init__(differ.message)
        self.differ = differ
        self.types = types


def columns_differ(text: str) -> ColumnsDiffer | None:
    """Return how columns differ, out of Spark's message; None where it is about something else."""
    if found := _ARITY.search(text):
        return ColumnsDiffer(_table(found[1]), _names(found[2]), _names(found[3]))
    if found := _EXTRA.search(text):
        return ColumnsDiffer(_table(found[1]), (), _names(found[2]))
    return None


def mismatch_of(error: BaseException) -> tuple[ColumnsDiffer, Mapping[str, str]] | None:
    """Return how columns differ, where that caused an error, and the types of what was written as far as known."""
    each: BaseException | None = error
    while each is not None:
        if isinstance(each, TypedMismatch):
            return each.differ, each.types
        if type(each).__module__.startswith(("pyspark.", "py4j.")) and (found := columns_differ(str(each))):
            return found, {}
        each = each.__cause__
    return None


def types_written(spark: SparkSession, plan: JavaObject) -> dict[str, str]:
    """Return the columns that a parsed INSERT would write, with their types; nothing for any other statement."""
    from pyspark.sql import DataFrame

    if plan.nodeName() != "InsertIntoStatement":
        return {}
    gateway: Any = spark._jvm
    dataset = gateway.org.apache.spark.sql.classic.Dataset
    query = DataFrame(dataset.ofRows(spark._jsparkSession, plan.query()), spark)
    return {name: type_.upper() for name, type_ in query.dtypes}


def _table(name: str) -> str:
    parts = table_names.split(name)
    return table_names.joined(parts[1:] if len(parts) > 2 else parts)


def _names(text: str) -> tuple[str, ...]:
    return tuple(".".join(table_names.split(name)) for name in _NAME.findall(text))


def _listed(names: tuple[str, ...]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
