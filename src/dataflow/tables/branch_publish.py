"""A run's branch of a table: made at main's head, written to, and published (`publish`) or dropped.

Readers see main. The facts behind the calls (Iceberg 1.12): a null base breaks py4j, hence the empty first snapshot;
files move by reference, so publishing copies no data and
needs copy-on-write tables.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.tables.iceberg import (
    COMMIT_RETRIES,
    TOO_LATE,
    commit,
    exists,
    head,
    load,
    properties,
    quoted,
    set_properties,
)
from dataflow.tables.layout import choose, facts_of
from dataflow.tables.partition import Partition, partition_of

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession

    from dataflow.workflow.values import Scalar

PREFIX = "dataflow_"
FAILED = f"{PREFIX}failed_"
"""What the names of branches begin with whose rows failed an audit: kept for a day, for people to look at."""

_DAY_MS = 24 * 3600 * 1000
_RETENTION_MS = 7 * 24 * 3600 * 1000
_OR_GONE = (*TOO_LATE, "Branch does not exist")
"""Failures after which a branch is looked at again: Iceberg's own retry of a commit says so when another dropped it."""
_MODES = ("write.delete.mode", "write.update.mode", "write.merge.mode")


@dataclass(frozen=True)
class Branch:
    """A run's branch of one table.

    Attributes:
        table: The table, `database.table`.
        name: The branch.
        base: The snapshot of main that it started from.
        partition: The rows that the run declared to replace.
        keeps: Whether the rows that are there already stay, as far as the run does not change them.
    """

    table: str
    name: str
    base: int
    partition: Partition
    keeps: bool = False

    @property
    def reference(self) -> str:
        """The branch as SQL names it."""
        return f"{quoted(self.table)}.`branch_{self.name}`"


def branch_name(run_id: str, step_id: str) -> str:
    """Name the branch of a run's step, so that it can be found by the run."""
    return f"{PREFIX}{run_id}_{step_id}".replace("-", "_").lower()


def begin(spark: SparkSession, table: str, values: Mapping[str, Scalar], name: str, *, keeps: bool = False) -> Branch:
    """Make a branch of main for a run to write to.

    Args:
        spark: The session.
        table: The table, `database.table`; it must exist.
        values: The partition that the run declares to replace.
        name: The branch; an old one of that name, left by a killed run, is dropped first.
        keeps: Whether the rows that are there already stay, as far as the run does not change them.

    Raises:
        DataflowError: The table is missing, is not copy-on-write, or is not partitioned so.
    """
    if not exists(spark, table):
        hint = "create it by a DDL job that runs before this one"
        raise DataflowError(f"table {table} does not exist", hint, permanent=True)
    loaded = load(spark, table)
    _require_copy_on_write(table, properties(loaded))
    layout = choose(facts_of(loaded), values, int(spark.conf.get("spark.sql.shuffle.partitions") or 0))
    set_properties(spark, table, {"commit.retry.num-retries": str(COMMIT_RETRIES), **layout.wanted})
    base = commit(spark, table, lambda loaded: _branch_off(loaded, name), _OR_GONE)
    return Branch(table, name, base, partition_of(spark, load(spark, table), values), keeps)


def _branch_off(table: JavaObject, name: str) -> int:
    """Make a branch at main's head, and that head where the table is new; return the head."""
    if not table.snapshots().iterator().hasNext():
        table.newAppend().commit()
        table.refresh()
    base = head(table)
    if base is None:
        raise DataflowError(f"{table.name()} has no main branch", "restore it with Iceberg's rollback procedures")
    manage = table.manageSnapshots()
    if head(table, name) is not None:
        manage = manage.removeBranch(name)
    manage.createBranch(name, base).setMaxRefAgeMs(name, _RETENTION_MS).commit()
    return base


def _require_copy_on_write(table: str, current: Mapping[str, str]) -> None:
    for mode in _MODES:
        if current.get(mode, "copy-on-write") != "copy-on-write":
            raise DataflowError(
                f"{table} has {mode} = {current[mode]}, and publishing needs copy-on-write",
                f"ALTER TABLE {quoted(table)} SET TBLPROPERTIES ('{mode}' = 'copy-on-write')",
            )


def mark(spark: SparkSession, branch: Branch, told: Mapping[str, str]) -> None:
    """Say something in a branch itself, for whoever goes on with it: by a snapshot that changes no row."""

    def once(table: JavaObject) -> None:
        append = table.newAppend().toBranch(branch.name)
        for key, value in told.items():
            append.set(key, value)
        append.commit()

    commit(spark, branch.table, once)


def marked(spark: SparkSession, table: str, name: str) -> dict[str, str]:
    """Return what the last snapshot of a branch says; nothing where there is no such branch."""
    loaded = load(spark, table)
    tip = head(loaded, name)
    return {} if tip is None else {str(key): str(it) for key, it in dict(loaded.snapshot(tip).summary()).items()}


def abandon(spark: SparkSession, branch: Branch) -> None:
    """Drop a branch whose rows will not be published."""
    _drop(spark, branch.table, branch.name)


def keep_failed(spark: SparkSession, branch: Branch) -> Branch:
    """Give a branch whose rows failed an audit a name that `sweep` spares for a day.

    Nobody reads it who does not name it, and nothing publishes it: a run makes a branch of its own.

    Returns:
        The branch as it is called now.
    """
    name = f"{FAILED}{branch.name.removeprefix(PREFIX)}"

    def rename(table: JavaObject) -> None:
        manage = table.manageSnapshots()
        manage.createBranch(name, head(table, branch.name)).setMaxRefAgeMs(name, _DAY_MS)
        manage.removeBranch(branch.name).commit()

    commit(spark, branch.table, rename)
    return dataclasses.replace(branch, name=name)


def _is_over(table: JavaObject, name: str, now: float) -> bool:
    """Return whether the rows of a branch that failed were kept for a day."""
    snapshot = head(table, name)
    return snapshot is None or now * 1000 - int(table.snapshot(snapshot).timestampMillis()) > _DAY_MS


def sweep(spark: SparkSession, table: str, is_live: Callable[[str], bool]) -> list[str]:
    """Drop the branches that killed runs left on a table, and rows that failed an audit more than a day ago.

    Args:
        spark: The session.
        table: The table.
        is_live: Says of a branch's name, without the prefix, whether its run may still be working.

    Returns:
        The names of the branches that were dropped here: several runs may sweep one table at once.
    """
    loaded = load(spark, table)
    left = [str(ref) for ref in loaded.refs() if str(ref).startswith(PREFIX)]
    now = time.time()
    dead = [
        name
        for name in left
        if (_is_over(loaded, name, now) if name.startswith(FAILED) else not is_live(name.removeprefix(PREFIX)))
    ]
    return [name for name in dead if _drop(spark, table, name)]


def _drop(spark: SparkSession, table: str, name: str) -> bool:
    """Drop a branch if it is there; say whether it was dropped here, and not by another run at the same time."""

    def change(loaded: JavaObject) -> bool:
        if head(loaded, name) is None:
            return False
        loaded.manageSnapshots().removeBranch(name).commit()
        return True

    return commit(spark, table, change, _OR_GONE)
