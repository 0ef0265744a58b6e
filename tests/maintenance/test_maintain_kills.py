"""`dataflow table maintain`, whole and killed at any moment: rows, tags and branches stay, the same command ends right.

`nox -s run_kills` asks for more kills than the default sessions.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pytest

from dataflow.tables.pyiceberg_catalog import load_table, open_catalog
from tests.maintenance.reading import files_below, rows_at

pytestmark = [pytest.mark.spark, pytest.mark.long]

KILLS = 2
NAME = "alice_sandbox.results"
TODAY = dt.datetime.now(dt.UTC).date()
DAYS = [TODAY - dt.timedelta(days=age) for age in (0, 1)]
OLD = TODAY - dt.timedelta(days=99)


class World:
    """A table of a package with small files, an old day, a tag, old snapshots, and an orphan."""

    def __init__(self, command):
        self.command = command
        self.next = 0
        self.expected = []
        (command.folder / "identity.yaml").write_text("owner: alice\npackage_id: alice.films\nuuid: u1\n")
        (command.folder / "rows.csv").write_text(f"id,date\n-1,{DAYS[0]}\n")
        command("table", "load", "rows.csv", "results", "--partition", "date")
        with self.table().transaction() as change:
            change.set_properties(
                {
                    "dataflow.package": "u1",
                    "dataflow.lifetime-days": "30",
                    "history.expire.max-snapshot-age-ms": "1",
                }
            )
        table = self.table()
        table.manage_snapshots().create_tag(table.current_snapshot().snapshot_id, "released").commit()
        self.expected.append(-1)

    def table(self):
        return load_table(open_catalog("dataflow", {}, self.command.folder.parent / "home/catalog.db"), NAME)

    def grow(self):
        """Add five small files to each of two days, a day that outlived its lifetime, and what nothing refers to."""
        table = self.table()
        kind = table.schema().as_arrow()
        for _ in range(5):
            rows = [{"id": self.next + number, "date": day} for number, day in enumerate(DAYS)]
            self.expected += [row["id"] for row in rows]
            self.next += 2
            table.append(pa.Table.from_pylist(rows, schema=kind))
        table.append(pa.Table.from_pylist([{"id": -9, "date": OLD}], schema=kind))
        self.orphan = self.folder() / "data" / f"left {self.next}.parquet"
        self.orphan.write_text("x")
        os.utime(self.orphan, (time.time() - 4 * 86_400,) * 2)
        return len(table.metadata.snapshots)

    def folder(self):
        from pathlib import Path

        return Path(self.table().metadata.location.removeprefix("file:").replace("//", "/"))

    def start(self):
        return subprocess.Popen(
            [sys.executable, "-m", "dataflow", "table", "maintain", "--yes"],
            cwd=self.command.folder,
            env=self.command.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def check(self):
        """Hold the table to what was promised: all rows that are not too old, and the tag's."""
        table = self.table()
        assert [it for it in rows_at(table) if it != -9] == sorted(self.expected)
        assert rows_at(table, table.refs()["released"].snapshot_id) == [-1]
        for snapshot in table.metadata.snapshots:
            assert rows_at(table, snapshot.snapshot_id)  # each that is left can still be read

    def finished(self):
        """Run it to its end, and hold the table to what that leaves."""
        done = self.command("table", "maintain", "--yes")
        self.check()
        table = self.table()
        assert -9 not in rows_at(table)
        assert not self.orphan.exists()
        return done


@pytest.fixture
def world(spark_command):
    return World(spark_command)


def test_killed_at_any_moment_nothing_promised_is_lost_and_the_same_command_ends_right(world):
    command = world.command
    planned = command.json("table", "maintain", "--plan")[0]
    assert (planned["done"], planned["snapshots"], planned["after"]) == (False, [], None)
    assert command("table", "maintain").stdout.startswith(f"{NAME}: nothing to do (1 row in 1 file of ")
    snapshots = world.grow()
    refused = command("table", "maintain", code=2)
    assert (
        f"  drop date={OLD}, beyond its lifetime: 1 row\n  compact 11 small files of 2 partitions\n" in refused.stderr
    )
    assert "confirm with --yes (nothing was changed)" in refused.stderr
    assert len(world.table().metadata.snapshots) == snapshots
    began = time.monotonic()
    done = world.finished()
    seconds = time.monotonic() - began
    assert "put 11 files together to 2" in done.stderr
    assert "dropped 1 file with 1 row beyond their lifetime" in done.stderr
    kills = int(os.environ.get("MAINTENANCE_KILLS", KILLS))
    seed = int(os.environ.get("KILLS_SEED", random.randrange(2**32)))  # noqa: S311 - no secret
    print("KILLS_SEED", seed)
    chance = random.Random(seed)  # noqa: S311
    hits = 0
    for _ in range(kills):
        world.grow()
        process = world.start()
        time.sleep(chance.uniform(0.4, 1) * seconds)
        os.killpg(process.pid, signal.SIGKILL)  # the JVM with it
        hits += process.wait() == -signal.SIGKILL
        world.check()
    world.finished()
    assert hits >= kills / 3  # else they came too late to prove anything
    for file in files_below(world.table()):  # what kills left is found as orphans, once it is old
        os.utime(file, (time.time() - 4 * 86_400,) * 2)
    world.orphan.write_text("x")
    os.utime(world.orphan, (time.time() - 4 * 86_400,) * 2)
    world.finished()
    left = json.loads(command("table", "maintain", "--plan", "--output", "json").stdout)[0]
    assert (left["orphans"], left["partitions"], left["compact"], left["branches"]) == ([], [], [], [])
