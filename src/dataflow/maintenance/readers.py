"""Who needs a table's past: marks of the tables that were computed from it, runs at work, an open campaign."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING

from dataflow.lineage.model import plain_name
from dataflow.maintenance.promises import Promises
from dataflow.tables.high_water_mark import Sources, from_properties
from dataflow.tables.item_marks import item_marks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyiceberg.table import Table

    from dataflow.state.run_records import RunRecords
    from dataflow.workflow.project import Environment

Find = Callable[[str], "Table | None"]
"""Returns a table as PyIceberg has it; None where there is none."""


def promises_of(
    table: str, environment: Environment, records: RunRecords, find: Find, now: dt.datetime, keep: int
) -> Promises:
    """Return what is known of those who need a table's snapshots.

    Args:
        table: The table, `database.table`.
        environment: Where it is.
        records: The run records at the environment's state address: who reads the table is told by them.
        find: Finds tables of the environment's catalog.
        now: When this is.
        keep: For how many days a replaced snapshot is kept that a mark remembers.
    """
    marks: dict[int, str] = {}
    for reader, last in records.readers_of(f"{environment.catalog_name}.{table}").items():
        name = plain_name(reader, environment.catalog_name)
        found = find(name)
        for snapshot in [last] if found is None else _remembered(found.properties, table, environment.catalog_name):
            marks.setdefault(snapshot, name)
    campaign = records.open_campaign(table, environment.name)
    return Promises(now, keep, records.branch_run, marks, campaign)


def _remembered(properties: Mapping[str, str], table: str, catalog: str) -> Iterator[int]:
    """Yield the snapshots of a source that a table's marks remember."""
    water = from_properties(properties)
    every: list[Sources] = [water.sources, *water.later.values(), *water.ahead.values()]
    for sources in (*every, *item_marks(properties).values()):
        for name, (_, snapshot) in sources.items():
            if plain_name(name, catalog).lower() == table.lower():
                yield snapshot
