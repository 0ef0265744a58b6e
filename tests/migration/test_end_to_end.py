"""A column that five workflows of three owners read is renamed, and nobody's results change."""

from __future__ import annotations

import datetime as dt
import itertools
import subprocess

import pytest
from servers import PROJECT, Hook, Mail

from dataflow.engine.records import Records
from dataflow.engine.results import Silent
from dataflow.engine.runner import Runner
from dataflow.errors import DataflowError
from dataflow.jobs.script import run_script
from dataflow.migration import carry
from dataflow.migration.campaign import applied, read, start
from dataflow.migration.changes import Wish, shape_in_spark
from dataflow.migration.lineage import known
from dataflow.migration.notices import by_address, deliver, messages
from dataflow.migration.plan import plan
from dataflow.migration.progress import note_moves, standings
from dataflow.migration.state import Campaigns
from dataflow.workflow.load import Request, load_workflow
from dataflow.workflow.project import environment, find_project

pytestmark = pytest.mark.spark

_numbers = itertools.count(1)
MAIN = """\
version: 1
workflow:
  id: {owner}.{name}.main
  owner: {owner}
params:
  PLAYS: {db}.plays
  TARGET_TABLE: {db}.{name}
jobs:
  - job:
      id: ddl
      type: Spark
      spark:
        script: ddl.sql
  - job:
      id: write
      type: Spark
      spark:
        script: write.sql
"""
WAP = """\
  - template:
      id: write
      type: wap
      table: ${TARGET_TABLE}
      write:
        - job:
            id: insert
            type: Spark
            spark:
              script: write.sql
"""
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


class World:
    """The table, its writer and its readers, the campaign's state, and a session to do it all in."""

    def __init__(self, spark, root, mail, hook):
        self.spark, self.root, self.db = spark, root, f"e2e_{next(_numbers)}"
        state = f"sqlite:///{root / 'state.db'}"
        project = PROJECT.format(name="shared", state=state, port=mail.port, hook=hook.address)
        (root / "dataflow.yaml").write_text(project)
        self.environment = environment(find_project(root), "shared")
        self.records = Records(state)
        self.campaigns = Campaigns(self.records)
        spark.sql(f"CREATE NAMESPACE {self.db}")
        spark.sql(f"CREATE TABLE {self.db}.plays_raw (id INT, country STRING, hours DOUBLE) USING iceberg")
        rows = "(1, 'US', 2.0), (2, 'US', 7.5), (3, 'DE', 0.5), (1, 'DE', 1.0), (4, 'DE', NULL)"
        spark.sql(f"INSERT INTO {self.db}.plays_raw VALUES {rows}")
        self.package("plays", "alice", "id INT, country STRING, hours DOUBLE", WRITER % "hours", wap=True)
        for name, (owner, columns, sql) in READERS.items():
            self.package(name, owner, columns, f"INSERT OVERWRITE ${{TARGET_TABLE}}\n{sql};\n")

    def package(self, name, owner, columns, sql, *, wap=False):
        folder = self.root / name
        folder.mkdir()
        main = MAIN.format(owner=owner, name=name, db=self.db)
        main = main.partition("  - job:\n      id: write")[0] + WAP if wap else main
        (folder / "main.sch.yaml").write_text(main)
        (folder / "ddl.sql").write_text(f"CREATE TABLE IF NOT EXISTS ${{TARGET_TABLE}} ({columns}) USING iceberg;\n")
        (folder / "write.sql").write_text(sql)

    def run(self, *names):
        for name in names:
            workflow = load_workflow(self.root / name / "main.sch.yaml", Request(env="shared"))
            result = Runner(self.spark, self.records, Silent(), self.root / "run.log").run(workflow)
            assert result.status == "succeeded", [str(step.error) for step in result.steps]

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
        return known(self.environment, "shared", [self.root])

    def look(self):
        campaign = read(self.campaigns.get(None))
        found = standings(campaign, self.campaigns.events(campaign.id), self.known())
        note_moves(campaign, found, self.campaigns, self.campaigns.events(campaign.id))
        return campaign, found

    def open(self):
        return {each.reader.workflow.split(".")[1] for each in self.look()[1] if each.is_open}

    def notify(self):
        campaign, found = self.look()
        sent = [(row["owner"], row["level"]) for row in self.campaigns.notices(campaign.id)]
        due = messages(campaign, found, self.known(), sent, dt.datetime.now(dt.UTC))
        return deliver(due, campaign, self.campaigns, by_address(self.environment))

    def apply(self, *, force=False, reason=None):
        campaign, found = self.look()
        step = carry.next_step(campaign, self.campaigns.events(campaign.id))
        carry.require_moved(step, found, force=force, reason=reason)
        carry.carry_out(self.spark, campaign, step, self.campaigns, "alice", reason)
        return step.name


@pytest.fixture
def world(spark, tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    with Mail() as mail, Hook() as hook:
        found = World(spark, tmp_path, mail, hook)
        found.mail, found.hook = mail, hook
        yield found
        found.records.close()


def begin(world):
    found = plan(
        f"{world.db}.plays", Wish(rename={"hours": "view_hours"}), world.known(), dt.datetime.now(dt.UTC),
        look=lambda table, _: shape_in_spark(world.spark, table),
    )  # fmt: skip
    deadline = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)
    now = dt.datetime.now(dt.UTC)
    start(found, world.campaigns, world.root, deadline=deadline, who="alice", now=now, name="hours")
    return found


def patch_of(text, name):
    """Return the part of a message's patch that is one script's."""
    _, _, rest = text.partition(f"--- a/{name}/write.sql\n")
    lines = [f"--- a/{name}/write.sql"]
    for line in rest.splitlines():
        if not line.startswith(("+++ ", "@@", "+", "-", " ")) or line.startswith("--- "):
            break
        lines.append(line)
    return "\n".join(lines) + "\n"


def use_patch(text, name):
    done = subprocess.run(["git", "apply"], input=patch_of(text, name), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + patch_of(text, name)


def move_the_writer(world):
    (world.root / "plays" / "write.sql").write_text(
        "INSERT OVERWRITE ${TARGET_TABLE} (id, country, view_hours) SELECT id, country, hours FROM ${PLAYS}_raw;\n"
    )
    ddl = world.root / "plays" / "ddl.sql"
    ddl.write_text(ddl.read_text().replace("hours DOUBLE", "view_hours DOUBLE"))
    world.run("plays", *READERS)
    assert world.column("view_hours") == world.column("hours") == [0.5, 1.0, 2.0, 9.0, None]


def test_a_column_is_renamed_and_no_reader_s_results_change(world):
    world.run("plays", *READERS)
    before = world.results()
    found = begin(world)
    assert {each.workflow.split(".")[1] for each in found.must_move} == {*READERS, "plays"}

    told = world.notify()
    assert sorted(message.owner for message, _ in told.sent) == ["bob", "carol", "dave"]
    assert told.failed == []
    ((_, to_bob),) = world.mail.to("bob@example.org")
    (to_carol,) = world.hook.texts
    to_carol = to_carol.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    ((_, to_dave),) = world.mail.to("dave@example.org")
    assert world.notify().sent == []

    assert [world.apply(), world.apply(), world.apply()] == ["expand 1", "expand 2", "expand 3"]
    raw = f"{world.db}.plays_raw"
    world.spark.sql(f"INSERT INTO {raw} VALUES (5, 'FR', 9.0)")
    world.spark.sql(f"DELETE FROM {raw} WHERE id = 2")
    world.run("plays", *READERS)  # the writer knows nothing of the new column, by its DDL nor by its script
    assert world.column("view_hours") == world.column("hours") == [0.5, 1.0, 2.0, 9.0, None]
    assert world.results() != before
    before = world.results()
    campaign = read(world.campaigns.get(None))
    (agreement,) = carry.verify(world.spark, campaign, world.campaigns.events("hours"))
    assert (agreement.rows, agreement.different) == (5, 0)

    use_patch(to_bob, "sums")  # two move, by the patches that they were sent
    use_patch(to_carol, "cte")
    world.run("sums", "cte")
    assert world.open() == {"plays", "long", "ranks", "few"}

    move_the_writer(world)  # before all readers have moved: what it leaves out is filled for them
    assert world.results() == before
    assert world.open() == {"long", "ranks", "few"}
    world.campaigns.note("hours", "acked", "dave", "dave", "retired next week")
    with pytest.raises(DataflowError, match=r"2 of 6 workflows have not moved: bob\.long\.main \(bob\), carol\."):
        world.apply()

    use_patch(to_bob, "long")
    use_patch(to_carol, "ranks")
    use_patch(to_dave, "few")
    world.run("long", "ranks")
    assert world.open() == set()
    assert "column hours with 4 values in 5 rows" in carry.what_goes(world.spark, campaign, campaign.steps[-1])
    assert world.apply() == "contract 1"
    assert world.campaigns.all()[0].state == "done"
    assert "hours" not in world.spark.table(f"{world.db}.plays").columns

    world.run("plays", *READERS)
    assert world.results() == before
    with pytest.raises(DataflowError, match="hours was taken away by a migration and would come back empty"):
        world.spark_ddl("plays", "id INT, country STRING, view_hours DOUBLE, hours DOUBLE")
    (agreement,) = carry.verify(world.spark, campaign, world.campaigns.events("hours"))
    assert (agreement.says, agreement.different) == ("hours and view_hours before the contract", 0)


def test_killed_after_the_table_changed_and_before_that_was_written_down_it_goes_on(world, monkeypatch):
    world.run("plays", "sums")
    begin(world)
    note = Campaigns.note

    def dies(self, name, kind, *more):
        if kind == "applied":
            raise KeyboardInterrupt
        return note(self, name, kind, *more)

    for step in ("expand 1", "expand 2", "expand 3"):
        monkeypatch.setattr(Campaigns, "note", dies)
        with pytest.raises(KeyboardInterrupt):
            world.apply()
        monkeypatch.setattr(Campaigns, "note", note)
        assert world.apply() == step
    assert applied(world.campaigns.events("hours")) == ["expand 1", "expand 2", "expand 3"]
    monkeypatch.setattr(Campaigns, "note", dies)
    with pytest.raises(KeyboardInterrupt):
        world.apply(force=True, reason="nobody minds")
    monkeypatch.setattr(Campaigns, "note", note)
    world.apply(force=True, reason="nobody minds")
    assert [e.note for e in world.campaigns.events("hours") if e.kind == "forced"][-1] == "nobody minds"
    assert world.campaigns.all()[0].state == "done"


def test_cancel_takes_back_what_was_added_and_nothing_else(world):
    world.run("plays", "sums")
    begin(world)
    for _ in range(3):
        world.apply()
    campaign = read(world.campaigns.get(None))
    said = []
    carry.undo(world.spark, campaign, world.campaigns.events("hours"), world.campaigns, "alice", said.append)
    assert world.spark.table(f"{world.db}.plays").columns == ["id", "country", "hours"]
    assert said == [
        "took back expand 2: add view_hours beside hours",
        "took back expand 1: each publication writes hours and view_hours, whichever its workflow gives",
    ]
    world.run("plays", "sums")


def test_another_table_takes_a_table_s_place(world):
    world.run("plays", "sums")
    world.spark.sql(f"CREATE TABLE {world.db}.better USING iceberg AS SELECT * FROM {world.db}.plays")
    found = plan(
        f"{world.db}.plays", Wish(replace_by=f"{world.db}.better"), world.known(), dt.datetime.now(dt.UTC),
        look=lambda table, _: shape_in_spark(world.spark, table),
    )  # fmt: skip
    # A checkout is evidence of what is read, so those that never ran are found as well.
    assert {each.workflow.split(".")[1] for each in found.must_move} == {*READERS, "plays"}
    start(
        found, world.campaigns, world.root, deadline=dt.datetime.now(dt.UTC).date() + dt.timedelta(days=9),
        who="alice", now=dt.datetime.now(dt.UTC), name="better",
    )  # fmt: skip
    campaign, standing = world.look()
    (agreement,) = carry.verify(world.spark, campaign, world.campaigns.events("better"))
    assert (agreement.rows, agreement.different) == (5, 0)
    due = messages(campaign, standing, world.known(), [], dt.datetime.now(dt.UTC))
    assert "${PLAYS}" in due[0].text
    with pytest.raises(DataflowError, match=r"1 of 1 workflows have not moved: alice\.plays\.main"):
        world.apply()  # a view can't be written to
    (world.root / "plays" / "main.sch.yaml").write_text(
        MAIN.format(owner="alice", name="better", db=world.db).replace("alice.better.main", "alice.plays.main")
    )
    world.run("plays")
    before = world.spark.table(f"{world.db}.plays").collect()
    world.spark.sql(f"INSERT INTO {world.db}.plays VALUES (9, 'IT', 1.0)")
    with pytest.raises(DataflowError, match=r"old and new differ: 1 of 6 rows, comparing the rows of .*plays in"):
        world.apply()
    world.spark.sql(f"DELETE FROM {world.db}.plays WHERE id = 9")
    assert world.apply() == "expand 1"
    assert sorted(world.spark.table(f"{world.db}.plays").collect()) == sorted(before)

    campaign, _ = world.look()
    carry.undo(world.spark, campaign, world.campaigns.events("better"), world.campaigns, "alice", print)
    assert world.spark.catalog.tableExists(f"{world.db}.plays")  # the table again, with its history
    assert world.apply() == "expand 1"
    world.run("sums")  # a reader that has not moved reads the new table by the old name, and is seen
    assert "sums" in world.open()
    with pytest.raises(DataflowError, match="5 of 6 workflows have not moved"):
        world.apply()
    world.apply(force=True, reason="a test")
    left = {row.tableName for row in world.spark.sql(f"SHOW TABLES IN {world.db}").collect()}
    assert {name for name in left if name.startswith("plays")} == {"plays_raw"}
    assert world.campaigns.all()[0].state == "done"
