"""Which items values stand for, where a table is partitioned by no time: a country, a tenant, a number."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.types import IcebergType

    from dataflow.tables.reader.manifests import FileEntry

_EPOCH = dt.date(1970, 1, 1)
_PLAIN = {"string", "int", "long", "boolean", "date"}


@dataclass(frozen=True)
class Items:
    """Some items."""

    values: frozenset[str]

    @property
    def is_one(self) -> bool:
        """Whether it is a single item."""
        return len(self.values) == 1

    @property
    def first(self) -> str:
        """The first of them, by the alphabet."""
        return min(self.values)

    @property
    def last(self) -> str:
        """The last of them, by the alphabet."""
        return max(self.values)

    def periods(self) -> list[str]:
        """Return the items."""
        return sorted(self.values)

    def within(self, other: Items | None) -> Items:
        """Return the items that are among others as well."""
        return self if other is None else Items(self.values & other.values)

    def with_(self, other: Items | None) -> Items:
        """Return these and others."""
        return self if other is None else Items(self.values | other.values)


@dataclass(frozen=True)
class ItemColumn:
    """The column that says which item a row belongs to.

    Attributes:
        id: Its field's id.
        name: Its name now, of a struct's field `column.field`.
        type: Its type now.
        default: The value of rows in files that are older than the column.
    """

    id: int
    name: str
    type: IcebergType
    default: Any = None
    unit: str = "item"

    def bounds(self, entry: FileEntry) -> Items | None:
        """Return the item of a file whose least value is its greatest; None where there may be several."""
        nulls, values = entry.nulls.get(self.id), entry.values.get(self.id, entry.rows)
        if nulls is not None and nulls == values:
            return Items(frozenset())
        low, high = entry.lower.get(self.id), entry.upper.get(self.id)
        if low is None or low != high or str(self.type) != "string":  # a text that is cut off has another upper bound
            return None
        return Items(frozenset({low.decode(errors="replace")}))

    def partition(self, spec: PartitionSpec, values: Sequence[Any]) -> Items | None:
        """Return the item of a partition; None where it does not tell."""
        for field, value in zip(spec.fields, values, strict=False):
            if field.source_id == self.id and str(field.transform) == "identity":
                if value is None:
                    return Items(frozenset())
                found = item_text(str(self.type), value)
                return None if found is None else Items(frozenset({found}))
        return None

    def counts(self, values: pa.ChunkedArray) -> dict[str, int | None]:
        """Count values by the item that they stand for; nulls are of none."""
        counted = values.value_counts()
        return {
            _shown(it["values"].as_py()): it["counts"].as_py() for it in counted if it["values"].as_py() is not None
        }


def item_text(kind: str, value: Any) -> str | None:
    """Return a value as a definition has it, from what Avro has; None of a type that no definition can name."""
    if kind not in _PLAIN:
        return None
    return _shown(_EPOCH + dt.timedelta(days=value) if kind == "date" and isinstance(value, int) else value)


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def listed(items: Iterable[Items]) -> set[str]:
    """Return all items of several."""
    return {value for it in items for value in it.values}
