"""The difference between rows that would be written and those that stand published, by queries that both engines run.

Rows are joined by their key, those that share one numbered within it. A double that is a negative zero is a zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dataflow.preview.model import ChangedColumn, Difference
from dataflow.tables.quoting import column_name

if TYPE_CHECKING:
    from dataflow.preview.model import Queries

_SAMPLES = 3
_LOOKED_AT = 100  # rows that changed, among which there are samples of each column


def compare(
    queries: Queries,
    ours: str,
    theirs: str,
    where: str,
    key: Sequence[str],
    columns: Sequence[str],
    added: Sequence[str],
) -> Difference:
    """Compare rows that would be written with those that are published.

    Args:
        queries: Runs queries.
        ours: The table of the former, as SQL names it.
        theirs: The table of the latter.
        where: Which rows of both, as a SQL condition.
        key: The columns that identify a row; whole rows are compared where there are none.
        columns: The columns that both have.
        added: Those that only the former has.
    """
    names = {it.lower(): it for it in columns}
    by_key = bool(key) and all(it.lower() in names for it in key)
    keys = [names[it.lower()] for it in key] if by_key else list(columns)
    values = [it for it in columns if it not in keys]
    query = _Join(ours, theirs, where, keys, values)
    counts = queries.sql(query.counts()).collect()[0].asDict()
    published = counts["total_theirs"]
    found = Difference(
        tuple(keys) if by_key else (), published, counts["n_new"], counts["n_gone"], counts["n_changed"],
        columns_added=tuple(added),
    )  # fmt: skip
    return _with_samples(queries, query, found, {it: counts[f"n_{i}"] for i, it in enumerate(values)})


def _with_samples(queries: Queries, query: _Join, found: Difference, changed: Mapping[str, int]) -> Difference:
    import dataclasses

    new = queries.sql(query.keys("h", "t")).collect() if found.new else []
    gone = queries.sql(query.keys("t", "h")).collect() if found.gone else []
    rows = queries.sql(query.changes()).collect() if found.changed else []
    columns = []
    for i, name in enumerate(query.values):
        if not changed[name]:
            continue
        samples = [
            {"key": query.key_of(row), "published": row[f"t_{i}"], "preview": row[f"h_{i}"]}
            for row in rows
            if not _same(row[f"h_{i}"], row[f"t_{i}"])
        ]
        columns.append(ChangedColumn(name, changed[name], samples[:_SAMPLES]))
    return dataclasses.replace(
        found,
        columns=tuple(columns),
        samples_new=tuple(map(query.key_of, new)),
        samples_gone=tuple(map(query.key_of, gone)),
    )


def _same(ours: Any, theirs: Any) -> bool:
    are_nan = all(isinstance(it, float) and math.isnan(it) for it in (ours, theirs))
    return are_nan or bool(ours == theirs)


class _Join:
    """The two sides joined by their key."""

    def __init__(self, ours: str, theirs: str, where: str, keys: Sequence[str], values: Sequence[str]) -> None:
        self.keys_, self.values = list(keys), list(values)
        self._sides = ours, theirs
        self._where = where

    def counts(self) -> str:
        """Return the query for the numbers of rows."""
        differs = [self._differs(name) for name in self.values]
        both = "h.dataflow_here IS NOT NULL AND t.dataflow_there IS NOT NULL"
        wanted = [
            "count(t.dataflow_there) AS total_theirs",
            "count_if(t.dataflow_there IS NULL) AS n_new",
            "count_if(h.dataflow_here IS NULL) AS n_gone",
            f"count_if({both} AND ({' OR '.join(differs) or 'false'})) AS n_changed",
            *(f"count_if({both} AND {it}) AS n_{i}" for i, it in enumerate(differs)),
        ]
        return f"SELECT {', '.join(wanted)} FROM {self._joined()}"

    def keys(self, side: str, other: str) -> str:
        """Return the query for the keys of some rows that only one side has."""
        mark = "dataflow_here" if other == "h" else "dataflow_there"
        named = ", ".join(f"{side}.{column_name(it)} AS k_{i}" for i, it in enumerate(self.keys_))
        return (
            f"SELECT {named} FROM {self._joined()} WHERE {other}.{mark} IS NULL "
            f"ORDER BY {', '.join(f'k_{i}' for i in range(len(self.keys_)))} LIMIT {_SAMPLES}"
        )

    def changes(self) -> str:
        """Return the query for some rows with other values."""
        named = [f"h.{column_name(it)} AS k_{i}" for i, it in enumerate(self.keys_)]
        named += [f"{side}.{column_name(it)} AS {side}_{i}" for i, it in enumerate(self.values) for side in ("h", "t")]
        differs = " OR ".join(map(self._differs, self.values))
        return (
            f"SELECT {', '.join(named)} FROM {self._joined()} "
            f"WHERE h.dataflow_here IS NOT NULL AND t.dataflow_there IS NOT NULL AND ({differs}) "
            f"ORDER BY {', '.join(f'k_{i}' for i in range(len(self.keys_)))} LIMIT {_LOOKED_AT}"
        )

    def key_of(self, row: Any) -> dict[str, Any]:
        """Return a row's key by its columns."""
        return {name: row[f"k_{i}"] for i, name in enumerate(self.keys_)}

    def _differs(self, name: str) -> str:
        return f"NOT (h.{column_name(name)} <=> t.{column_name(name)})"

    def _joined(self) -> str:
        ours, theirs = self._sides
        on = " AND ".join(f"h.{it} <=> t.{it}" for it in [*map(column_name, self.keys_), "dataflow_copy"])
        return f"{self._side(ours, 'dataflow_here')} h FULL OUTER JOIN {self._side(theirs, 'dataflow_there')} t ON {on}"

    def _side(self, table: str, mark: str) -> str:
        columns = ", ".join(map(column_name, [*self.keys_, *self.values]))
        keys = ", ".join(map(column_name, self.keys_))
        order = ", ".join(map(column_name, self.values)) or keys
        return (
            f"(SELECT {columns}, row_number() OVER (PARTITION BY {keys} ORDER BY {order}) AS dataflow_copy, "
            f"true AS {mark} FROM {table} WHERE true AND ({self._where}))"
        )
