"""Pages of `dataflow ui` over 10,000 runs of 1,000 tables: what an answer takes the server, and how large it is.

`python -m benchmarks ui` measures it, in a process of its own whose home is not the user's.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataflow.workflow.project import Environment

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

_TABLES, _DAYS = 1000, 10
_ADDRESSES = {
    "overview, the first time": ("/", 1.0),
    "overview": ("/", 0.5),
    "overview, its tenth part": ("/?part=10", 0.5),
    "overview of an owner": ("/?owner=team3", 0.5),
    "runs": ("/runs", 0.5),
}


def measured(folder: Path, runs: int, report: Callable[[str], None]) -> Iterator[tuple[str, float, float, str]]:
    """Yield what was measured, the figure, its target and its unit.

    Args:
        folder: Where state and catalog are made.
        runs: How often each page is asked for.
        report: Receives what is done.
    """
    folder.mkdir(parents=True)
    report(f"makes {_TABLES * _DAYS:,} runs of {_TABLES:,} tables")
    env = {**os.environ, "DATAFLOW_HOME": str(folder / "home"), "DATAFLOW_USER": "team3"}
    command = [sys.executable, str(Path(__file__).resolve()), str(folder), str(runs)]
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    yield from (tuple(each) for each in json.loads(done.stdout.splitlines()[-1]))


def _measure(folder: Path, runs: int) -> list[tuple[str, float, float, str]]:
    from starlette.testclient import TestClient

    from dataflow.state.database import StateDatabase
    from dataflow.ui.app import make_app
    from dataflow.ui.source import Source
    from dataflow.workflow.project import Environment, Project
    from tests.support.many_runs import add_many_runs

    environment = Environment("sandbox", state=f"sqlite:///{folder / 'state.db'}")
    with StateDatabase(environment.state) as database:
        add_many_runs(database, _TABLES, _DAYS)
    _make_tables(environment)
    source = Source(Project(None, "bench", {"sandbox": environment}, str(folder / "registry")), environment, "team3")
    client = TestClient(make_app(source), base_url="http://localhost")
    client.get("/login")  # templates and modules are read once
    found = []
    for what, (address, target) in _ADDRESSES.items():
        took = [_seconds(lambda address=address: client.get(address)) for _ in range(1 if "first" in what else runs)]
        found.append((what, median(took), target, "s"))
    page = client.get("/")
    files = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text))
    total = sum(len(gzip.compress(it)) for it in (page.content, *(client.get(it).content for it in files)))
    return [*found, ("first load of the overview, compressed", total / 1e6, 0.3, "MB")]


def _make_tables(environment: Environment) -> None:
    import pyarrow as pa

    from dataflow.tables.catalog import ensure_catalog, open_catalog, warehouse

    ensure_catalog()
    catalog = open_catalog(environment)
    catalog.create_namespace("prod")
    schema = pa.schema([("title_id", pa.int32()), ("view_hours", pa.float64()), ("date", pa.date32())])
    for number in range(_TABLES):
        name = f"table_{number:04}"
        properties = {"dataflow.owner": f"team{number % 20}", "dataflow.tags": "bench", "dataflow.hwm": "2026-11-30"}
        catalog.create_table(f"prod.{name}", schema, f"file://{warehouse() / name}", properties=properties)


def _seconds(ask: Callable[[], object]) -> float:
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


if __name__ == "__main__":
    print(json.dumps(_measure(Path(sys.argv[1]), int(sys.argv[2]))))
