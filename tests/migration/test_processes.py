"""Campaigns on a table, each command a process with a Spark of its own; some are killed at the worst moment."""

from __future__ import annotations

import datetime as dt
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dataflow.tables.catalog import open_catalog
from dataflow.workflow.project import Environment
from tests.support.terminal import at_a_terminal

pytestmark = [pytest.mark.spark, pytest.mark.long]

DEADLINE = (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=60)).isoformat()
DIES = """\
import os, signal, sys
from dataflow.cli.main import main
from dataflow.migration.store import CampaignStore

note = CampaignStore.note

def dies(self, name, kind, *more):
    if kind == "applied":
        os.kill(os.getpid(), signal.SIGKILL)
    note(self, name, kind, *more)

CampaignStore.note = dies
sys.argv = ["dataflow", "migration", "apply", *sys.argv[1:]]
main()
"""


class Plays:
    """A table with three rows, and the command line."""

    def __init__(self, command, here):
        self.command, self.here = command, here
        import pyarrow as pa

        self.catalog = open_catalog(Environment("sandbox"))
        self.catalog.create_namespace("prod")
        rows = pa.table({"id": pa.array([1, 2, 3], pa.int32()), "hours": pa.array([1.5, None, 2.5], pa.float64())})
        place = str(Path(command.environ["DATAFLOW_HOME"]) / "plays")
        self.catalog.create_table("prod.plays", rows.schema, location=place).append(rows)

    def __call__(self, *arguments):
        return self.command("migration", *arguments).stdout

    def start(self, *change):
        self.here("migration", "start", "prod.plays", *change, "--deadline", DEADLINE)

    def killed(self, *arguments):
        """Apply the next step, and kill the process once the table has changed and before that is noted."""
        done = subprocess.run(
            [sys.executable, "-c", DIES, *arguments], cwd=self.command.folder, env=self.command.environ,
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert "done" not in done.stdout

    @property
    def rows(self):
        return self.catalog.load_table("prod.plays").scan().to_arrow().sort_by("id").to_pydict()


@pytest.fixture
def plays(spark_command, here_command):
    return Plays(spark_command, here_command)


def test_killed_between_the_table_and_the_note_a_campaign_goes_on_to_its_end(plays):
    plays.start("--rename", "hours=view_hours")
    assert "done: each publication writes hours and view_hours" in plays("apply")
    plays.killed()
    assert list(plays.rows) == ["id", "hours", "view_hours"]
    assert "was done already: add view_hours beside hours" in plays("apply")
    plays.killed()
    assert plays.rows["view_hours"] == [1.5, None, 2.5]
    assert "next: " in plays("apply")
    assert "✓ hours and view_hours: 0 of 3 rows differ" in plays("verify")
    plays.killed("--yes")  # nobody reads it, so nothing holds the contract up
    done = plays("apply", "--yes")
    assert "permanently removed: column hours, which was dropped before" in done
    assert "is done" in done
    assert plays.rows == {"id": [1, 2, 3], "view_hours": [1.5, None, 2.5]}
    assert "0 of 3 rows differ" in plays("verify", "prod.plays")  # in the snapshot before


def test_a_terminal_is_asked_before_the_old_goes_and_all_safe_is_one_command(plays):
    plays.start("--rename", "hours=view_hours", "--name", "hours")
    assert plays("apply", "--all-safe") == (
        "done: each publication writes hours and view_hours, whichever its workflow provides\n"
        "done: add view_hours beside hours\n"
        "done: fill view_hours from hours where it is NULL\n"
        "next: workflows move: they use view_hours instead of hours; "
        "`dataflow migration notify hours` notifies their owners\n"
        "then: drop hours, by `dataflow migration apply hours`\n"
    )
    question = (
        "Remove permanently: column hours with 2 values in 3 rows; a rollback does not restore it. Go on? [y/N]: "
    )
    code, shown = at_a_terminal(plays.command, "migration", "apply", answer="\n", after="Remove")
    assert (code, shown) == (1, f"{question}\nnothing was changed\n")
    assert list(plays.rows) == ["id", "hours", "view_hours"]
    code, shown = at_a_terminal(plays.command, "migration", "apply", answer="y\n", after="Remove")
    assert code == 0
    assert shown.startswith(f"{question}y\n")
    assert shown.endswith(
        "permanently removed: column hours with 2 values in 3 rows; a rollback does not restore it\n"
        "done: drop hours\n"
        "campaign hours is done\n"
    )
    assert plays.rows == {"id": [1, 2, 3], "view_hours": [1.5, None, 2.5]}


def test_cancel_takes_back_a_step_that_a_killed_process_did_not_note(plays):
    plays.start("--type", "hours=int")
    plays("apply")
    plays.killed()
    assert list(plays.rows) == ["id", "hours", "hours_int"]
    assert "is cancelled" in plays("cancel", "--reason", "never mind")
    table = plays.catalog.load_table("prod.plays")
    assert [field.name for field in table.schema().fields] == ["id", "hours"]
    assert not [key for key in table.properties if key.startswith("dataflow.moving")]
