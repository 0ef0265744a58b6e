"""Comparing a branch's table with production's, for one day: counts, keys of one side only, cells that differ.

One Spark query compares them: both sides are joined by their key, each difference becomes a row that names its kind
(a column, or which side is missing), and those are counted in groups that keep an example each.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.deploy.bundle.manifest import Bundle, load_bundle
from dataflow.errors import DataflowError, UsageError
from dataflow.tables.iceberg import exists, quoted
from dataflow.tables.quoting import column_name, text
from dataflow.workflow import table_names
from dataflow.workflow.periods import CLOCK, Cadence

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.assets.registry import Registry
    from dataflow.deploy.deployments import Deployment

SAMPLES = 5
_GROUPS = 1024  # examples kept of a column: few of them fall together, and no more are held in memory
_ROWS, _ONLY = "rows", "only"


@dataclass(frozen=True)
class TablePair:
    """Two tables to compare.

    Attributes:
        here: The branch's.
        there: Production's.
        key: The columns that identify a row.
        partition: The columns of a day's partition, with how each is made of the parameters.
        workflow_here: The workflow that writes the branch's.
        workflow_there: The workflow that writes production's.
    """

    here: str
    there: str
    key: tuple[str, ...]
    partition: Mapping[str, str]
    workflow_here: str = ""
    workflow_there: str = ""


@dataclass(frozen=True)
class ColumnDiff:
    """A column whose values differ.

    Attributes:
        name: The column.
        count: In how many rows.
        samples: Some of them: the key, and both values.
    """

    name: str
    count: int
    samples: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class TableDiff:
    """How two tables differ.

    Attributes:
        pair: The tables.
        where: The part of them that was compared.
        rows_here: Rows in the branch's.
        rows_there: Rows in production's.
        only_here: Keys that production lacks.
        only_there: Keys that the branch lacks.
        samples_here: Some of the former.
        samples_there: Some of the latter.
        changed: Columns whose values differ.
        columns_here: Columns that production lacks.
        columns_there: Columns that the branch lacks.
    """

    pair: TablePair
    where: str
    rows_here: int
    rows_there: int
    only_here: int
    only_there: int
    samples_here: tuple[Mapping[str, Any], ...]
    samples_there: tuple[Mapping[str, Any], ...]
    changed: tuple[ColumnDiff, ...]
    columns_here: tuple[str, ...]
    columns_there: tuple[str, ...]

    @property
    def rows_in_both(self) -> int:
        """How many rows are on both sides, whether or not they differ."""
        return self.rows_here - self.only_here

    @property
    def same(self) -> bool:
        """Whether the tables are equal."""
        return not (self.only_here or self.only_there or self.changed or self.columns_here or self.columns_there)


def table_pairs(registry: Registry, branch: Deployment, production: Deployment) -> list[TablePair]:
    """Return the tables that a branch's packages write, each with production's.

    Raises:
        UsageError: No package is deployed to both.
    """
    found: list[TablePair] = []
    for key, package in branch.revision.packages.items():
        if key in production.revision.packages:
            here = load_bundle(registry, package.bundle)
            there = load_bundle(registry, production.revision.packages[key].bundle)
            found += _pairs(here, there)
    if not found:
        raise UsageError(
            f"{branch.name} and {production.name} have no table in common",
            "a package has to be deployed to both: `dataflow project list --deployed` shows what is",
        )
    return found


def _pairs(here: Bundle, there: Bundle) -> list[TablePair]:
    """Pair tables by their names without their databases."""
    others = {table_names.split(table)[-1]: table for table in there.writes}
    found = []
    for table in here.writes:
        other = others.get(table_names.split(table)[-1])
        if other is not None:
            schema = here.schemas.get(table)
            key = schema.primary_key if schema else ()
            writers = _writer(here, table), _writer(there, other)
            found.append(TablePair(table, other, key, _partition(here, table), *writers))
    return found


def _writer(bundle: Bundle, table: str) -> str:
    """Return the workflow that writes a table by itself, rather than by another one that it contains."""
    mine = [it for it in bundle.workflows.values() if table in it.writes]
    return min(mine, key=lambda it: ("Subworkflow" in it.steps.values(), it.id)).id if mine else ""


def _partition(bundle: Bundle, table: str) -> dict[str, str]:
    """Return the partition that a `wap` template gives a table, with its parameters unresolved."""
    import yaml

    for workflow in bundle.workflows.values():
        data = yaml.safe_load(workflow.text)
        for item in data.get("jobs", ()):
            template = item.get("template", {})
            if template.get("table") == table:
                return {column: str(value) for column, value in template.get("partition", {}).items()}
    return {}


def missing_table(spark: SparkSession, pair: TablePair) -> tuple[str, str] | None:
    """Return the table of a pair that does not exist yet, with the workflow whose first run makes it; or None."""
    sides = ((pair.here, pair.workflow_here), (pair.there, pair.workflow_there))
    return next((side for side in sides if not exists(spark, side[0])), None)


def compare_tables(spark: SparkSession, pair: TablePair, date: dt.date | None) -> TableDiff:
    """Compare two tables.

    Args:
        spark: A session.
        pair: The tables, and what identifies a row.
        date: The day; when None, the last one of the branch's table. Tables without days are compared whole.

    Raises:
        DataflowError: They have no key.
    """
    here, there = spark.table(quoted(pair.here)).columns, spark.table(quoted(pair.there)).columns
    key = [name for name in pair.key if name in here and name in there]
    if not key or len(key) < len(pair.key):
        raise DataflowError(
            f"{pair.here} has no primary key to compare rows by",
            "set primary_key in its Metadata job, or pass --key",
        )
    where = _where(pair, date or _last_day(spark, pair))
    values = [name for name in here if name in there and name not in key]
    found = spark.sql(_query(pair, key, values, where)).collect()
    return _difference(pair, where, found, here, there)


def _last_day(spark: SparkSession, pair: TablePair) -> dt.date | None:
    """Return the day up to which the branch's table is complete, or which its last week or month begins with."""
    from dataflow.tables import high_water_mark

    water = high_water_mark.read(spark, pair.here)
    is_coarse = water.mark is not None and water.mark.cadence.is_multiple_of(Cadence.DAILY)
    return water.mark.date if water.mark is not None and is_coarse else water.day


def _where(pair: TablePair, date: dt.date | None) -> str:
    dated = ("EXECUTION_DATE", *CLOCK)
    days = [column for column, value in pair.partition.items() if any(name in value for name in dated)]
    if date is None or not days:
        return "true"
    return " AND ".join(f"CAST({column_name(column)} AS DATE) = DATE {text(date.isoformat())}" for column in days)


def _query(pair: TablePair, key: Sequence[str], values: Sequence[str], where: str) -> str:
    """Return the query. Rows that share a key are numbered within it."""
    names = [column_name(name) for name in key]
    listed = ", ".join(names)
    order = ", ".join(column_name(name) for name in values) or listed
    columns = ", ".join(column_name(name) for name in [*key, *values])

    def side(table: str) -> str:
        return (
            f"SELECT {columns}, ROW_NUMBER() OVER (PARTITION BY {listed} ORDER BY {order}) AS _copy, true AS _there "
            f"FROM {quoted(table)} WHERE {where}"
        )

    on = " AND ".join(f"h.{name} <=> t.{name}" for name in [*names, "_copy"])
    pairs = zip(key, names, strict=True)
    keys = ", ".join(f"{text(name)}, CAST(COALESCE(h.{it}, t.{it}) AS STRING)" for name, it in pairs)
    both = "h._there AND t._there"
    nothing = "CAST(NULL AS STRING)"
    kinds = [
        f"IF(h._there, struct('{_ROWS} here' AS kind, {nothing} AS here, {nothing} AS there), NULL)",
        f"IF(t._there, struct('{_ROWS} there' AS kind, {nothing} AS here, {nothing} AS there), NULL)",
        f"IF(t._there IS NULL, struct('{_ONLY} here' AS kind, {nothing} AS here, {nothing} AS there), NULL)",
        f"IF(h._there IS NULL, struct('{_ONLY} there' AS kind, {nothing} AS here, {nothing} AS there), NULL)",
    ]
    for name in values:
        column = column_name(name)
        kinds.append(
            f"IF({both} AND NOT (h.{column} <=> t.{column}), struct({text('=' + name)} AS kind, "
            f"CAST(h.{column} AS STRING) AS here, CAST(t.{column} AS STRING) AS there), NULL)"
        )
    return f"""
WITH joined AS (
  SELECT
    map({keys}) AS key,
    filter(array({", ".join(kinds)}), it -> it IS NOT NULL) AS found
  FROM ({side(pair.here)}) h FULL OUTER JOIN ({side(pair.there)}) t ON {on}
),
differences AS (SELECT to_json(key) AS key, it.* FROM joined LATERAL VIEW explode(found) AS it),
grouped AS (
  SELECT kind, COUNT(*) AS number, MIN(struct(key, here, there)) AS example
  FROM differences GROUP BY kind, IF(kind LIKE '{_ROWS} %', 0, pmod(xxhash64(key), {_GROUPS}))
)
SELECT kind, SUM(number) AS number, slice(array_sort(collect_list(example)), 1, {SAMPLES}) AS examples
FROM grouped GROUP BY kind
"""


def _difference(
    pair: TablePair, where: str, found: Sequence[Any], here: Sequence[str], there: Sequence[str]
) -> TableDiff:
    rows = {row["kind"]: row for row in found}

    def number(kind: str) -> int:
        return int(rows[kind]["number"]) if kind in rows else 0

    def examples(kind: str) -> tuple[Mapping[str, Any], ...]:
        return tuple(json.loads(it["key"]) for it in rows[kind]["examples"]) if kind in rows else ()

    changed = [
        ColumnDiff(
            name,
            number(f"={name}"),
            tuple(
                {"key": key, "here": it["here"], "there": it["there"]}
                for key, it in zip(examples(f"={name}"), rows[f"={name}"]["examples"], strict=True)
            ),
        )
        for name in here
        if f"={name}" in rows
    ]
    return TableDiff(
        pair,
        where,
        number(f"{_ROWS} here"),
        number(f"{_ROWS} there"),
        number(f"{_ONLY} here"),
        number(f"{_ONLY} there"),
        examples(f"{_ONLY} here"),
        examples(f"{_ONLY} there"),
        tuple(changed),
        tuple(name for name in here if name not in there),
        tuple(name for name in there if name not in here),
    )
