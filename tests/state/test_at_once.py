"""Several processes, each with several threads, open the run records of one home and write to them."""

from __future__ import annotations

import subprocess
import sys

import pytest
import sqlalchemy as sa

from dataflow.state.database import StateDatabase
from dataflow.state.run_records import runs

PROCESSES, THREADS, ROWS = 3, 4, 12
WRITE = f"""
import sys
from concurrent.futures import ThreadPoolExecutor
from dataflow.state.database import StateDatabase
from dataflow.state.run_records import runs
from dataflow.state.utc import now

def write(thread):
    for number in range({ROWS}):
        run = f"{{sys.argv[1]}}-{{thread}}-{{number}}"
        with StateDatabase() as database:
            database.insert(runs, {{"run_id": run, "workflow_id": "w", "status": "running", "started": now()}})
            with database.begin() as connection:
                connection.execute(runs.update().where(runs.c.run_id == run).values(status="succeeded"))

with ThreadPoolExecutor({THREADS}) as pool:
    list(pool.map(write, range({THREADS})))
"""


@pytest.mark.slow
def test_processes_with_several_threads_that_open_the_records_at_once_lose_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    started = [
        subprocess.Popen([sys.executable, "-c", WRITE, str(number)], stderr=subprocess.PIPE, text=True)
        for number in range(PROCESSES)
    ]
    said = [it.communicate()[1] for it in started]
    assert [it.returncode for it in started] == [0] * PROCESSES, "\n\n".join(said)
    with StateDatabase() as database:
        found = database.rows(sa.select(runs.c.status))
        with database.begin() as connection:
            assert connection.execute(sa.text("PRAGMA integrity_check")).scalar_one() == "ok"
    assert [row["status"] for row in found] == ["succeeded"] * PROCESSES * THREADS * ROWS
