"""What a change would come to: each change classed, everybody who is touched, and the steps; nothing is done."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError, UsageError, did_you_mean, display_path
from dataflow.migration.changes import Change, Wish, changes_of, shared_columns
from dataflow.migration.impact import Touched, by_position, touched_by
from dataflow.migration.shape import Shape, shape_in_spark, shape_of
from dataflow.migration.steps import Step, steps_for

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.migration.lineage import Known

_DOWNSTREAM_SHOWN = 20


@dataclass(frozen=True)
class Plan:
    """What a change would come to.

    Attributes:
        table: The table.
        environment: Where it is.
        changes: What changes, each classed.
        touched: Who is touched, readers first.
        steps: The way there.
        by_position: Who fails once the table has a column more.
    """

    table: str
    environment: str
    changes: tuple[Change, ...]
    touched: tuple[Touched, ...]
    steps: tuple[Step, ...]
    by_position: tuple[Touched, ...] = ()

    @property
    def breaking(self) -> bool:
        """Whether any reader can break."""
        return not all(change.safe for change in self.changes)

    @property
    def must_move(self) -> tuple[Touched, ...]:
        """The workflows that have to change: those that use what goes, or may."""
        return tuple(each for each in self.touched if each.role != "downstream")

    def to_dict(self) -> dict[str, Any]:
        """Return the plan for programs."""
        return {
            "table": self.table,
            "environment": self.environment,
            "breaking": self.breaking,
            "changes": [{**asdict(change), "says": str(change)} for change in self.changes],
            "touched": [asdict(each) for each in self.touched],
            "by_position": [asdict(each) for each in self.by_position],
            "owners": owners_of([*self.touched, *self.by_position]),
            "steps": [{**asdict(step), "irreversible": step.irreversible} for step in self.steps],
        }


Look = Callable[[str, "Known"], Shape]
"""Looks at a table as it is now."""


def plan(table: str, wish: Wish, known: Known, now: dt.datetime, look: Look | None = None) -> Plan:
    """Compare a wish with the live table, and look up who is touched.

    Args:
        table: The table.
        wish: What is asked for.
        known: What is known of lineage.
        now: This moment.
        look: How to look at tables; by PyIceberg, without Spark, when None.

    Raises:
        UsageError: There is no such table or column, a type can't be read, or nothing would change.
        DataflowError: The catalog can't be asked.
    """
    look = look or live_shape
    shape = look(table, known)
    shared: tuple[str, ...] = ()
    if wish.replace_by is not None:
        other = look(wish.replace_by, known)
        if other.table == shape.table:
            raise UsageError(f"{shape.table} can't be replaced by itself")
        if not any(other.has(column.name) for column in shape.columns):
            raise UsageError(f"{other.table} has none of the columns of {shape.table}")
        wish, shared = replace(wish, replace_by=other.table), shared_columns(shape, other)
    changes = [replace(change, shared=shared) for change in changes_of(shape, wish)]
    touched = touched_by(shape.table, changes, known, now) if any(not change.safe for change in changes) else []
    steps = steps_for(shape.table, changes)
    by_place = by_position(shape.table, known, now) if any(map(_adds, changes)) else []
    return Plan(shape.table, known.environment.name, tuple(changes), tuple(touched), tuple(steps), tuple(by_place))


def _adds(change: Change) -> bool:
    """Say whether a change gives the table a column more, for good or for as long as readers move."""
    return change.kind == "add" or (change.kind in {"rename", "type"} and not change.safe)


def live_shape(table: str, known: Known) -> Shape:
    """Return a table as the catalog has it now, without Spark.

    Raises:
        UsageError: There is none; with the nearest.
        SparkOnlyError: PyIceberg can't open the catalog.
        DataflowError: It can't be reached.
    """
    from dataflow.engine.catalog import open_catalog
    from dataflow.tables.pycatalog import load_table

    name = known.plain(table)
    catalog = open_catalog(known.environment)
    try:
        return shape_of(name, load_table(catalog, name))
    except DataflowError as error:
        raise UsageError(error.message, error.hint) from error


def live_shape_in_spark(spark: SparkSession, table: str, known: Known) -> Shape:
    """Return a table as the catalog has it now, where Spark alone can open that.

    Raises:
        UsageError: There is none; with the nearest.
    """
    from dataflow.tables.iceberg import exists, table_names

    name = known.plain(table)
    if not exists(spark, name):
        raise UsageError(f"there is no table '{table}'{did_you_mean(name, table_names(spark))}")
    return shape_in_spark(spark, name)


def owners_of(touched: Sequence[Touched]) -> dict[str, list[str]]:
    """Return each owner's workflows; whose owner nobody knows stand under an empty name."""
    found: dict[str, list[str]] = {}
    for each in touched:
        found.setdefault(each.owner or "", []).append(each.workflow)
    return found


def render(found: Plan) -> Iterator[str]:
    """Yield a plan's lines for people."""
    yield f"{found.table} in {found.environment}"
    yield ""
    for change in found.changes:
        yield f"  {'safe    ' if change.safe else 'breaking'}  {change}{f': {change.why}' if change.why else ''}"
    if found.breaking:
        yield ""
        yield from _touched(found.touched)
    if found.by_position:
        yield ""
        yield "takes all columns by position: fails once a column is added"
        yield from (line for each in found.by_position for line in _with_lines(each))
    yield ""
    yield "steps"
    for step in found.steps:
        yield f"  {step.name:<11} {step.says}"
        yield from (f"  {'':<11} {line}" for line in step.sql.splitlines())
    if found.breaking:
        yield ""
        yield "nothing was changed; `dataflow migration start` with the same options opens a campaign"


def _touched(touched: Sequence[Touched]) -> Iterator[str]:
    if not touched:
        yield "nobody is known to read or write what changes"
        return
    for role, says in (
        ("reads", "reads what changes"),
        ("may read", "may read what changes (its columns are not known)"),
        ("writes", "writes the table"),
        ("downstream", "further down, by what is made of it"),
    ):
        mine = [each for each in touched if each.role == role]
        if not mine:
            continue
        yield f"{says}: {len(mine)} workflow{'' if len(mine) == 1 else 's'}"
        shown = mine if role != "downstream" else mine[:_DOWNSTREAM_SHOWN]
        yield from (line for each in shown for line in _with_lines(each))
        if len(mine) > len(shown):
            yield f"  … and {len(mine) - len(shown):,} more: --output json names all"


def _with_lines(touched: Touched) -> Iterator[str]:
    columns = touched.columns
    uses = f" uses {', '.join(columns[:4])}{', …' if len(columns) > 4 else ''}" if columns else ""
    yield f"  {touched.workflow} ({touched.owner or 'no owner'}){uses} · {touched.known}"
    for line in touched.lines:
        yield f"      {display_path(Path(line.file))}:{line.number}: {line.text}"
