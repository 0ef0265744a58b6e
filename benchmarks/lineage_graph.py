"""Lineage of 10,000 tables with 100,000 edges between their columns: how long an answer takes.

`python -m benchmarks lineage` measures it. Run as a script, it fills the state of the current Dataflow home.
"""

from __future__ import annotations

import datetime as dt
import random
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

if __package__ in {None, ""}:  # filling is a process of its own, in the home that the commands will ask
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import Command, seconds

_LAYERS, _WIDTH = 25, 400
_COLUMNS = 8
_READS = 3  # tables that a workflow reads
_EDGES = 10  # columns that it takes
START = "layer_00.table_000"
"""A table at the beginning, which the catalog has as well."""

ASKED: Mapping[str, tuple[tuple[str, ...], float]] = {
    "lineage of a table, 10 steps down": (("lineage", START, "--downstream", "--depth", "10"), 0.5),
    "lineage of a column, 10 steps down": (("lineage", f"{START}.c0", "--downstream", "--depth", "10"), 0.5),
    "lineage of a table, 10 steps up": (("lineage", "layer_24.table_000", "--upstream", "--depth", "10"), 0.5),
    "plan of a renamed column": (("plan", START, "--rename", "c0=d0"), 2.0),
}
"""What is asked, and within how many seconds it should be answered."""


def prepare(folder: Path) -> dict[str, Command]:
    """Fill a state below a folder, and return the commands to measure by what they ask."""
    env = {"DATAFLOW_HOME": str(folder / "home"), "DATAFLOW_USER": "bench"}
    seconds(Command([(sys.executable, str(Path(__file__).resolve()))], env))
    work = folder / "work"
    work.mkdir()
    executable = str(Path(sys.executable).with_name("dataflow"))
    return {what: Command([(executable, "migration", *asked)], env, cwd=work) for what, (asked, _) in ASKED.items()}


def fill() -> None:
    """Record a run of each workflow, and put the first table into the catalog."""
    import pyarrow as pa

    from dataflow.lineage.model import Flow, Origin, Producer, TableWrite
    from dataflow.lineage.store.writer import store_lineage
    from dataflow.state.database import StateDatabase
    from dataflow.tables.catalog import open_catalog, warehouse
    from dataflow.workflow.project import Environment

    now = dt.datetime.now(dt.UTC)
    database = StateDatabase(None)
    found = [
        (
            Producer(Origin.RECORDED, f"{team}.{target}", target, owner=team, run_id=target, seen=now),
            TableWrite(
                target, frozenset([*(Flow(source) for source, _, _ in edges), *(Flow(*edge) for edge in edges)])
            ),
        )
        for target, team, edges in _writes(random.Random(1))  # noqa: S311 - the same graph each time
    ]
    with database.begin() as connection:
        store_lineage(connection, found)
    database.close()
    catalog = open_catalog(Environment("sandbox"))
    namespace, _, name = START.partition(".")
    catalog.create_namespace_if_not_exists(namespace)
    schema = pa.schema([(f"c{n}", pa.int64()) for n in range(_COLUMNS)])
    catalog.create_table(START, schema, location=str(warehouse() / namespace / name))


def _writes(draw: random.Random) -> Iterator[tuple[str, str, list[tuple[str, str, str]]]]:
    """Yield each table, whose it is, and what is taken into it: from the layer before, its first tables more often."""
    for layer in range(1, _LAYERS + 1):
        for number in range(_WIDTH):
            sources = [_table(layer - 1, int(_WIDTH * draw.random() ** 2)) for _ in range(_READS)]
            edges = {
                (draw.choice(sources), f"c{draw.randrange(_COLUMNS)}", f"c{n % _COLUMNS}") for n in range(_EDGES * 2)
            }
            yield _table(layer, number), f"team{number % 40}", draw.sample(sorted(edges), _EDGES)


def _table(layer: int, number: int) -> str:
    return f"layer_{layer:02}.table_{number:03}"


if __name__ == "__main__":
    fill()
