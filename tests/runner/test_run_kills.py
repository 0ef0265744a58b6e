"""Commands that are killed at any moment: each day is the old or the new one whole, and the same command ends right.

The rows of a day say by which version of the script they were made, so that a mixture shows. `nox -s run_kills` asks
for more kills than the default sessions.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pytest
import sqlalchemy as sa

from dataflow.home import home as dataflow_home
from dataflow.state.database import StateDatabase
from dataflow.state.lease_tables import cancellations, leases, live
from dataflow.state.run_records import runs
from dataflow.tables.pyiceberg_catalog import load_table, open_catalog
from tests.support.places import EXAMPLE

pytestmark = [pytest.mark.spark, pytest.mark.long]

KILLS = 10
DAYS = ("2026-01-29", "2026-01-30", "2026-01-31")
SPAN = ("--from", DAYS[0], "--to", DAYS[-1])
COMMANDS = {
    "daily": ("run", "package/daily.sch.yaml", "--date", DAYS[-1]),
    "backfill": ("backfill", "package", *SPAN, "--parallel", "2", "--only", "all"),
}
CHECK = """\
import pathlib


def main(args, spark):
    if pathlib.Path(__file__).with_name("broken").exists():
        raise ValueError("the night goes wrong")
"""
STEP = "  - job:\n      id: check\n      type: Spark\n      spark:\n        script: ./src/check.py\n"


class World:
    """The example as alice's package, whose rows tell the version of its script."""

    def __init__(self, command):
        self.command = command
        self.script = command.folder / "package" / "src" / "sparksql_write.sql"
        self.broken = self.script.with_name("broken")
        self.text = self.script.read_text()
        self.version = 0
        main = command.folder / "package" / "main.sch.yaml"
        first, template = main.read_text().split("  - template:\n")
        main.write_text(
            f"{first}{STEP}\n  - template:\n{template.replace('metadata -> wap', 'metadata -> check -> wap')}"
        )
        self.script.with_name("check.py").write_text(CHECK)

    def change(self):
        """Change the script, and each day of the source by a row that counts for nothing: so daily does all days."""
        source = load_table(open_catalog("dataflow", {}, dataflow_home() / "catalog.db"), "dataflow_demo.playback")
        days = [dt.date.fromisoformat(day) for day in DAYS]
        row = {"profile_id": 1, "title_id": 1, "country_code": "DE", "view_hours": 0.0, "received_at": None}
        rows = [{**row, "date": day} for day in days]
        source.append(pa.Table.from_pylist(rows, schema=source.schema().as_arrow()))
        self.version += 1
        column = "title_rank,\n  view_hours\nFROM final;"
        assert column in self.text
        self.script.write_text(self.text.replace(column, f"title_rank,\n  {self.version}D AS view_hours\nFROM final;"))
        return self.version

    def start(self, *arguments):
        return subprocess.Popen(
            [sys.executable, "-m", "dataflow", "workflow", *arguments],
            cwd=self.command.folder,
            env=self.command.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def table(self):
        catalog = open_catalog("dataflow", {}, dataflow_home() / "catalog.db")
        return load_table(catalog, "alice_sandbox.alice_package_results")

    def versions(self):
        """Return for each day the versions that its rows are of, and how many rows it has."""
        rows = self.table().scan().to_arrow().select(["date", "view_hours"]).to_pylist()
        days = {day: [row["view_hours"] for row in rows if str(row["date"]) == day] for day in DAYS}
        return {day: (set(found), len(found)) for day, found in days.items()}

    def left(self):
        """Return what a killed command may have left: branches, leases, heartbeats, runs without an end."""
        with StateDatabase(f"sqlite:///{dataflow_home() / 'state.db'}") as database:
            rows = [database.rows(sa.select(table)) for table in (leases, live, cancellations)]
            going = database.rows(sa.select(runs.c.run_id).where(runs.c.status.in_(("running", "waiting"))))
        return [*self.table().refs().keys() - {"main"}, *(row for found in rows for row in found), *going]


@pytest.fixture(scope="module")
def world(tmp_path_factory, spark_commands):
    folder = tmp_path_factory.mktemp("kills")
    shutil.copytree(EXAMPLE, folder / "package")
    command = spark_commands(folder, folder / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAFLOW_HOME", str(folder / "home"))
        command("sample", "source", "--rows", "900", "--from", DAYS[0], "--to", DAYS[-1])
        found = World(command)
        found.change()
        found.seconds = {}
        for kind, arguments in COMMANDS.items():
            began = time.monotonic()
            command("workflow", *arguments)
            found.seconds[kind] = time.monotonic() - began
        yield found


def test_killed_at_any_moment_each_day_is_whole_and_the_same_command_ends_right(world, request):
    kills = request.config.getoption("--run-kills", KILLS)
    seed = int(os.environ.get("KILLS_SEED", random.randrange(2**32)))  # noqa: S311 - no secret
    print("KILLS_SEED", seed)
    chance = random.Random(seed)  # noqa: S311
    counts = {day: count for day, (_, count) in world.versions().items()}
    kinds = ("daily", "backfill", "retry", "cancel")
    hits = 0
    for number in range(kills):
        kind = kinds[number % len(kinds)]
        old, new = world.version, world.change()
        hits += TRIALS[kind](world, chance)
        for day, (found, count) in world.versions().items():
            assert found in ({old}, {new}), (kind, day)
            assert count == counts[day], (kind, day)
        AGAIN[kind](world)
        assert world.versions() == {day: ({new}, counts[day]) for day in DAYS}, kind
        assert world.left() == [], kind
    assert hits >= kills / 3  # else they came too late to prove anything


def kill(process, seconds):
    """Kill a command after a while; return whether it was still at work."""
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def killed(kind):
    def trial(world, chance):
        return kill(world.start(*COMMANDS[kind]), chance.uniform(0, world.seconds[kind]))

    return trial


def again(kind):
    return lambda world: world.command("workflow", *COMMANDS[kind])


def failed_run(world):
    """Have a run of all days fail behind its first steps; return its id."""
    world.broken.touch()
    done = world.command("workflow", *COMMANDS["backfill"], code=1)
    world.broken.unlink()
    return re.search(r"^run (\S+) of ", done.stderr, re.M)[1]


def killed_retry(world, chance):
    world.failed = failed_run(world)
    return kill(world.start("retry", world.failed), chance.uniform(0, world.seconds["backfill"]))


def retry_again(world):
    world.command("workflow", "retry", world.failed)


def killed_cancel(world, chance):
    """Kill the command that stops a run, while the run goes on or stops."""
    process = world.start(*COMMANDS["backfill"])
    time.sleep(chance.uniform(0.3, 0.8) * world.seconds["backfill"])
    hit = kill(world.start("cancel", "last"), chance.uniform(0, 1.5))
    done = world.command("workflow", "cancel", "last", code=None)
    assert done.returncode in {0, 2}, done.stderr  # it stops now, or has ended before
    process.wait(120)
    return hit


TRIALS = {
    "daily": killed("daily"),
    "backfill": killed("backfill"),
    "retry": killed_retry,
    "cancel": killed_cancel,
}
AGAIN = {"daily": again("daily"), "backfill": again("backfill"), "retry": retry_again, "cancel": again("backfill")}
