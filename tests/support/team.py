"""A table's owner and their readers, without Spark: a repository, runs on record, and the command line."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

from dataflow.tables.catalog import open_catalog
from dataflow.workflow.project import Environment
from tests.support.packages import definition, spark
from tests.support.servers import PROJECT

OLD = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
DEADLINE = (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=60)).isoformat()
READER = """\
INSERT OVERWRITE out.{name} PARTITION (date = DATE '2026-01-01')
SELECT id, sum(p.hours) AS total
FROM prod.plays AS p
WHERE p.hours > 0
GROUP BY id
"""
READERS = {"bob.one": "bob", "bob.two": "bob", "carol.one": "carol", "carol.two": "carol", "dave.one": "dave"}


def create(*tables):
    """Make tables in the catalog."""
    import pyarrow as pa

    catalog = open_catalog(Environment("sandbox"))
    catalog.create_namespace_if_not_exists("prod")
    schema = pa.schema([("id", pa.int32()), ("hours", pa.float64()), ("date", pa.date32())])
    for table in tables:
        catalog.create_table(table, schema, location=str(Path(os.environ["DATAFLOW_HOME"]) / table))


class Team:
    """A repository with five readers of prod.plays, whose runs are on record."""

    def __init__(self, command, state, mail, hook):
        self.command, self.state = command, state
        self.folder = command.folder
        self.project = PROJECT.format(name="sandbox", state=state.address, port=mail.port, hook=hook.address)
        (self.folder / "dataflow.yaml").write_text(self.project)
        for name, owner in READERS.items():
            folder = self.folder / name.replace(".", "_")
            folder.mkdir()
            (folder / "main.sch.yaml").write_text(definition(spark("write.sql"), name=name, owner=owner))
            (folder / "write.sql").write_text(READER.format(name=folder.name))
            self.ran(name, "hours", OLD)
        state.add("alice.plays", "prod.plays", "raw.events.seconds -> hours", seen=OLD)
        state.add("erin.board", "out.board", "out.bob_one.total -> total", seen=OLD)

    def ran(self, name, column, seen=None, environment="sandbox"):
        """Record a run of a reader that reads a column."""
        target = f"out.{name.replace('.', '_')}"
        flows = (f"prod.plays.{column} -> total", f"prod.plays.{column} ~>", "prod.plays.id -> id")
        self.state.add(name, target, *flows, seen=seen or dt.datetime.now(dt.UTC), environment=environment)

    def migration(self, *arguments, **options):
        return self.command("migration", *arguments, **options)

    def start(self, *more, **options):
        return self.migration(
            "start", "prod.plays", "--rename", "hours=view_hours", "--deadline", DEADLINE, *more, **options
        )

    def plan(self):
        return self.command.json("migration", "plan", "prod.plays", "--rename", "hours=view_hours")

    def status(self):
        return self.command.json("migration", "status")
