"""A world for `dataflow ui`: a state address with runs, audits, publications and owners, some of hostile names."""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Mapping
from pathlib import Path

from dataflow.home import home
from dataflow.state import run_records as store
from dataflow.state.database import StateDatabase
from dataflow.state.utc import now
from dataflow.ui.source import Source
from dataflow.workflow.project import SANDBOX, Environment, Project
from tests.support.hostile import HOSTILE

USER = "alice"
DAYS = 10


def source_at(address: str | None, folder: Path, name: str = SANDBOX) -> Source:
    """Return what pages are read from: an environment at a state address, its registry in a folder."""
    environment = Environment(name, state=address, isolated=True)
    return Source(Project(None, "stranger-data", {name: environment}, str(folder / "registry")), environment, USER)


def make_world(folder: Path) -> Source:
    """Make a state address with ten days of three workflows, the hostile names of one among them."""
    address = f"sqlite:///{folder / 'state.db'}"
    source = source_at(address, folder)
    snapshots = make_table(source)
    with StateDatabase(address) as database:
        for number, (owner, table) in enumerate(
            [("alice", "prod.titles"), ("bob", "prod.views"), (HOSTILE[1], f"prod.{HOSTILE[0]}")]
        ):
            for day in range(DAYS):
                add_run(database, folder, number, day, owner, table, snapshots)
    return source


def date_of(day: int) -> dt.date:
    """Return the day that the run of a day of the world is for."""
    return now().date() - dt.timedelta(days=DAYS - day)


def make_table(source: Source) -> dict[int, int]:
    """Make prod.titles in the embedded catalog with the rows of its last three days; return their snapshots by day."""
    import pyarrow as pa

    from dataflow.tables.catalog import ensure_catalog, open_catalog

    ensure_catalog()
    catalog = open_catalog(source.environment)
    catalog.create_namespace("prod")
    schema = pa.schema(
        [("title", pa.string()), ("country_code", pa.string()), ("title_rank", pa.int32()), ("date", pa.date32())]
    )
    properties = {
        "dataflow.owner": "alice",
        "dataflow.tags": "titles,daily",
        "dataflow.hwm": f"{date_of(DAYS - 1)}",
        "dataflow.hwm.timezone": "UTC",
    }
    table = catalog.create_table(
        "prod.titles", schema, f"file://{home() / 'warehouse' / 'titles'}", properties=properties
    )
    found = {}
    for day in range(DAYS - 3, DAYS):
        rows = [
            {
                "title": HOSTILE[at],
                "country_code": ("NO", HOSTILE[1])[at % 2],
                "title_rank": at + 1,
                "date": date_of(day),
            }
            for at in range(len(HOSTILE))
        ]
        table.append(pa.Table.from_pylist(rows, schema), snapshot_properties={"dataflow.run-id": f"run{day}"})
        found[day] = table.current_snapshot().snapshot_id
    return found


def add_run(
    database: StateDatabase,
    folder: Path,
    number: int,
    day: int,
    owner: str,
    table: str,
    snapshots: Mapping[int, int],
) -> str:
    """Add a daily run with its day's run in it; each fourth day of the second workflow fails."""
    started = now().replace(hour=3, minute=number, second=0, microsecond=0) - dt.timedelta(days=DAYS - 1 - day)
    date = f"{started.date() - dt.timedelta(days=1)}"
    failed = number == 1 and day % 4 == 3
    outer = f"{started:%Y%m%dt%H%M%S}-{number}{day:02}"
    log = folder / "home" / "logs" / f"{outer}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("Spark starts\n25/01/01 WARN slow\n25/01/01 ERROR it broke\n<script>alert(1)</script>\nSpark ends\n")
    status = "failed" if failed else "succeeded"
    name = f"{owner}.plays{number}" if number < 2 else f"{HOSTILE[3]}.{number}"
    for run_id, parent, workflow in ((outer, None, f"{name}.daily"), (f"{outer}_main", outer, f"{name}.main")):
        database.insert(
            store.runs,
            {
                "run_id": run_id,
                "parent_run_id": parent,
                "step": f"each_day.{date}" if parent else None,
                "workflow_id": workflow,
                "owner": owner,
                "file": "main.sch.yaml",
                "environment": SANDBOX,
                "user": owner,
                "host": socket.gethostname(),
                "process": 1,
                "params": {"EXECUTION_DATE": date, "NOTE": HOSTILE[number]} if parent else {"NOTE": HOSTILE[number]},
                "versions": {"dataflow": "0.1.0", "spark": "4.1.3", "commit": "0123456789abcdef"},
                "status": status,
                "started": started,
                "ended": started + dt.timedelta(seconds=60 + day),
                "error": f"write: {HOSTILE[0]} is broken" if failed else None,
                "log": str(log),
            },
        )
    _add_jobs(database, outer, started, date, number, failed=failed)
    snapshot = snapshots.get(day, 1) if number == 0 else None
    _add_results(database, f"{outer}_main", day, date, table, failed=failed, snapshot=snapshot)
    return outer


def _add_jobs(
    database: StateDatabase, outer: str, started: dt.datetime, date: str, number: int, *, failed: bool
) -> None:
    steps = [("ddl", 2), ("metadata", 3), ("wap", 40), ("hwm", 45)]
    rows = [
        {
            "run_id": f"{outer}_main",
            "job_id": step if step != "metadata" else f"metadata{HOSTILE[2]}" if number == 2 else step,
            "attempt": 1,
            "position": at,
            "status": "skipped" if failed and step == "hwm" else "failed" if failed and step == "wap" else "succeeded",
            "started": started + dt.timedelta(seconds=([0, *(it[1] for it in steps)][at])),
            "ended": started + dt.timedelta(seconds=seconds),
            "detail": "unchanged" if step == "ddl" else None,
            "error": f"{HOSTILE[1]}\nat line 3" if failed and step == "wap" else None,
        }
        for at, (step, seconds) in enumerate(steps)
    ]
    whole = {"job_id": f"each_day.{date}", "attempt": 1, "position": 0, "status": "failed" if failed else "succeeded"}
    whole |= {"run_id": outer, "started": started, "ended": started + dt.timedelta(seconds=60)}
    database.insert(store.jobs, [*rows, {"detail": None, "error": None, **whole}])


def _add_results(
    database: StateDatabase, run_id: str, day: int, date: str, table: str, *, failed: bool, snapshot: int | None
) -> None:
    audits = [
        ("no nulls", True, not failed, 0.0 if not failed else 3.0),
        ("near history", False, day != 9, 100.0 + day),
    ]
    database.insert(
        store.audits,
        [
            {
                "run_id": run_id,
                "job_id": "wap",
                "attempt": 1,
                "position": at,
                "name": name,
                "function": "columns_should_not_have_nulls",
                "blocking": blocking,
                "passed": passed,
                "figure": figure,
                "expected": "0",
                "finding": None if passed else f"3 rows, for example {HOSTILE[4]}",
                "sample": [] if passed else [{HOSTILE[2]: HOSTILE[0]}],
            }
            for at, (name, blocking, passed, figure) in enumerate(audits)
        ],
    )
    if failed:
        return
    database.insert(
        store.publications,
        {
            "run_id": run_id,
            "job_id": "wap",
            "table_name": table,
            "partition": f"date={date}",
            "rows": 19_000 + day,
            "snapshot": snapshot,
        },
    )
    database.insert(
        store.reads,
        {"run_id": run_id, "written": table, "source": "dataflow_demo.playback", "sequence": day, "snapshot": day},
    )
