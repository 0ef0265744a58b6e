"""A table with its writer and its readers, and a campaign on it, on a session that tests share."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools

import pytest

from dataflow.jobs.spark.script import run_script
from dataflow.lineage.query import open_lineage
from dataflow.migration import execute
from dataflow.migration.campaign.builder import start_campaign
from dataflow.migration.campaign.definition import campaign_from_row
from dataflow.migration.notify import address_sender, due_notices, send_notices
from dataflow.migration.plan.builder import build_plan
from dataflow.migration.progress.builder import reader_statuses, record_moves
from dataflow.migration.readiness import require_readers_moved
from dataflow.migration.store import CampaignStore
from dataflow.runner.context import RunContext
from dataflow.runner.progress import NoProgress
from dataflow.runner.runner import Runner
from dataflow.state.database import StateDatabase
from dataflow.state.run_records import RunRecords
from dataflow.tables.schema.table_schema import live_schema_in_spark
from dataflow.workflow.load import Request, load_workflow
from dataflow.workflow.project import environment, find_project
from tests.support.packages import definition, spark, wap
from tests.support.servers import PROJECT

NUMBERS = itertools.count(1)
WRITER = "INSERT OVERWRITE ${TARGET_TABLE} SELECT id, country, %s FROM ${PLAYS}_raw;\n"
READERS = {  # name: owner, columns, SQL
    "sums": ("bob", "id INT, total DOUBLE", "SELECT id, sum(hours) AS total\nFROM ${PLAYS}\nGROUP BY id"),
    "long": ("bob", "id INT, hours DOUBLE", "SELECT id, hours\nFROM ${PLAYS} p\nWHERE p.hours > 1"),
    "ranks": (
        "carol", "id INT, place INT",
        "SELECT id, rank() OVER (PARTITION BY country ORDER BY hours DESC)\nFROM ${PLAYS}",
    ),
    "cte": (
        "carol", "country STRING, most DOUBLE",
        "WITH a AS (SELECT country, hours FROM ${PLAYS})\nSELECT country, max(hours) FROM a GROUP BY country",
    ),
    "few": ("dave", "n BIGINT", "SELECT count(*) FROM ${PLAYS} WHERE hours < 5"),
}  # fmt: skip


def main(owner, name, db, write):
    """Return the definition of a workflow that makes a table and writes it from `plays`."""
    return definition(
        spark("ddl.sql", "ddl"),
        write,
        name=f"{owner}.{name}.main",
        owner=owner,
        params={"PLAYS": f"{db}.plays", "TARGET_TABLE": f"{db}.{name}"},
    )


class World:
    """The table, its writer and its readers, the campaign's state, and a session to do it all in."""

    def __init__(self, spark, root, mail, hook, catalog="{}"):
        self.spark, self.root, self.mail, self.hook = spark, root, mail, hook
        self.db = f"e2e_{next(NUMBERS)}"
        state = f"sqlite:///{root / 'state.db'}"
        project = PROJECT.format(name="shared", state=state, port=mail.port, hook=hook.address)
        (root / "dataflow.yaml").write_text(f"{project}    catalog: {catalog}\n")
        self.environment = environment(find_project(root), "shared")
        self.database = StateDatabase(state)
        self.campaigns = CampaignStore(self.database, "shared")
        spark.sql(f"CREATE NAMESPACE {self.db}")
        spark.sql(f"CREATE TABLE {self.db}.plays_raw (id INT, country STRING, hours DOUBLE) USING iceberg")
        rows = "(1, 'US', 2.0), (2, 'US', 7.5), (3, 'DE', 0.5), (1, 'DE', 1.0), (4, 'DE', NULL)"
        spark.sql(f"INSERT INTO {self.db}.plays_raw VALUES {rows}")
        self.package("plays", "alice", "id INT, country STRING, hours DOUBLE", WRITER % "hours", publishes=True)
        for name, (owner, columns, sql) in READERS.items():
            self.package(name, owner, columns, f"INSERT OVERWRITE ${{TARGET_TABLE}}\n{sql};\n")

    def package(self, name, owner, columns, sql, *, publishes=False):
        folder = self.root / name
        folder.mkdir()
        write = wap(spark("write.sql", "insert"), "write") if publishes else spark("write.sql")
        (folder / "main.sch.yaml").write_text(main(owner, name, self.db, write))
        (folder / "ddl.sql").write_text(f"CREATE TABLE IF NOT EXISTS ${{TARGET_TABLE}} ({columns}) USING iceberg;\n")
        (folder / "write.sql").write_text(sql)

    def run(self, *names):
        for name in names:
            result = self.ended(name)
            assert result.status == "succeeded", [str(step.error) for step in result.steps]

    def fail(self, name):
        """Run a workflow that fails, and return why."""
        return next(step.error for step in self.ended(name).steps if step.error)

    def ended(self, name):
        workflow = load_workflow(self.root / name / "main.sch.yaml", Request(env="shared"))
        context = RunContext(self.spark, RunRecords(self.database), NoProgress(), self.root / "run.log")
        return Runner(context).run(workflow)

    def results(self):
        found = {name: self.spark.table(f"{self.db}.{name}").collect() for name in READERS}
        return {name: sorted(map(str, rows)) for name, rows in found.items()}

    def column(self, name):
        rows = self.spark.sql(f"SELECT {name} FROM {self.db}.plays").collect()
        return sorted((row[0] for row in rows), key=lambda value: (value is None, value))

    def spark_ddl(self, name, columns):
        script = self.root / "again.sql"
        script.write_text(f"CREATE TABLE IF NOT EXISTS {self.db}.{name} ({columns}) USING iceberg;\n")
        run_script(self.spark, script, {})

    def known(self):
        return open_lineage(self.environment, "shared", [self.root])

    def look(self):
        campaign = campaign_from_row(self.campaigns.get(None))
        found = reader_statuses(campaign, self.campaigns.events(campaign.id), self.known())
        record_moves(campaign, found, self.campaigns, self.campaigns.events(campaign.id))
        return campaign, found

    def open(self):
        return {each.reader.workflow.split(".")[1] for each in self.look()[1] if each.is_open}

    def notify(self):
        campaign, found = self.look()
        sent = [(row["owner"], row["level"]) for row in self.campaigns.notices(campaign.id)]
        due = due_notices(campaign, found, self.known(), sent, dt.datetime.now(dt.UTC))
        return send_notices(due, campaign, self.campaigns, address_sender(self.environment))

    def apply(self, *, force=False, reason=None):
        campaign, found = self.look()
        step = execute.next_step(campaign, self.campaigns.events(campaign.id))
        require_readers_moved(step, found, force=force, reason=reason)
        execute.execute_step(self.spark, campaign, step, self.campaigns, "alice", reason)
        return step.name

    def cancel(self):
        """Take back what the open campaign did, and return what is said of it."""
        campaign, _ = self.look()
        said = []
        execute.undo(self.spark, campaign, self.campaigns.events(campaign.id), self.campaigns, "alice", said.append)
        return said

    @contextlib.contextmanager
    def dying(self, *, at=None, noting=()):
        """Have the block end as if it were killed: at a statement that holds a text, or when it notes something."""
        sql, note = type(self.spark).sql, CampaignStore.note

        def run(session, statement, *more, **named):
            if at is not None and at in statement:
                raise KeyboardInterrupt
            return sql(session, statement, *more, **named)

        def write(campaigns, name, kind, *more):
            if kind in noting:
                raise KeyboardInterrupt
            note(campaigns, name, kind, *more)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(self.spark), "sql", run)
            patch.setattr(CampaignStore, "note", write)
            with pytest.raises(KeyboardInterrupt):
                yield

    def begin(self, wish, name):
        """Plan a change of the table, and open the campaign for it."""
        now = dt.datetime.now(dt.UTC)
        found = build_plan(
            f"{self.db}.plays", wish, self.known(), load=lambda table, _: live_schema_in_spark(self.spark, table)
        )
        deadline = now.date() + dt.timedelta(days=30)
        start_campaign(found, self.campaigns, self.root, deadline=deadline, who="alice", now=now, name=name)
        return found
