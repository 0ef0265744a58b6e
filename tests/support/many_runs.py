"""A state address with many runs: so many workflows, each with a table of its own, and so many days of each."""

from __future__ import annotations

import datetime as dt

from dataflow.state import run_records as store
from dataflow.state.database import StateDatabase
from dataflow.state.utc import now


def add_many_runs(database: StateDatabase, tables: int, days: int, environment: str = "sandbox") -> None:
    """Add a run for each table and day, with its job, two audits and what it published; one in fifty fails."""
    start = now().replace(hour=3, minute=0, second=0, microsecond=0) - dt.timedelta(days=days - 1)
    runs, jobs, audits, published = [], [], [], []
    for day in range(days):
        moment = start + dt.timedelta(days=day)
        date = f"{moment.date() - dt.timedelta(days=1)}"
        for number in range(tables):
            run_id = f"{moment:%Y%m%dt%H%M%S}_{number:06}"
            fails = (number + day) % 50 == 0
            begun = moment + dt.timedelta(seconds=number)
            run = {"run_id": run_id, "workflow_id": f"team{number % 20}.w{number}.main", "environment": environment}
            run |= {"owner": f"team{number % 20}", "status": "failed" if fails else "succeeded", "started": begun}
            run |= {"ended": begun + dt.timedelta(seconds=40), "params": {"EXECUTION_DATE": date}, "versions": {}}
            runs.append({**run, "error": "wap: 3 nulls" if fails else None})
            job = {"run_id": run_id, "job_id": "wap", "attempt": 1, "position": 0, "status": run["status"]}
            jobs.append({**job, "started": begun, "ended": run["ended"]})
            audit = {"run_id": run_id, "job_id": "wap", "attempt": 1, "function": "f", "figure": float(number)}
            audits.append({**audit, "position": 0, "name": "nulls", "blocking": True, "passed": not fails})
            audits.append({**audit, "position": 1, "name": "near", "blocking": False, "passed": number % 7 != 0})
            if not fails:
                table = {"run_id": run_id, "job_id": "wap", "table_name": f"prod.table_{number:04}", "rows": 19_000}
                published.append({**table, "partition": f"date={date}", "snapshot": day})
    for table, rows in (
        (store.runs, runs), (store.jobs, jobs), (store.audits, audits), (store.publications, published)
    ):  # fmt: skip
        database.insert(table, rows)
