"""Another table takes a table's place, and its name becomes a view for who has not moved."""

from __future__ import annotations

import contextlib
import datetime as dt
import json

import pytest

from dataflow.errors import DataflowError
from dataflow.migration import execute
from dataflow.migration.changes import ChangeRequest
from dataflow.migration.notify import due_notices
from dataflow.migration.verify import verify
from tests.support.campaign_world import READERS, World, main
from tests.support.packages import spark

pytestmark = pytest.mark.spark


def replace(world):
    world.run("plays", "sums")
    world.spark.sql(f"CREATE TABLE {world.db}.better USING iceberg AS SELECT *, 1 AS more FROM {world.db}.plays")
    return world.begin(ChangeRequest(replace_by=f"{world.db}.better"), "better")


def move_the_writer(world):
    """Let alice's workflow write the new table."""
    text = main("alice", "better", world.db, spark("write.sql")).replace("alice.better.main", "alice.plays.main")
    (world.root / "plays" / "main.sch.yaml").write_text(text)
    (world.root / "plays" / "ddl.sql").write_text("SELECT 1;\n")
    (world.root / "plays" / "write.sql").write_text(
        "INSERT OVERWRITE ${TARGET_TABLE} SELECT id, country, hours, 2 FROM ${PLAYS}_raw;\n"
    )
    world.run("plays")


def tables(world):
    return {row.tableName for row in world.spark.sql(f"SHOW TABLES IN {world.db}").collect()}


@pytest.fixture
def viewed(spark, tmp_path, servers, monkeypatch):
    """The same on a catalog that has views, as the embedded one has; the tests' own is a folder."""
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    catalog = {
        "type": "jdbc",
        "uri": f"jdbc:sqlite:{tmp_path / 'views.db'}",
        "jdbc.schema-version": "V1",
        "warehouse": str(tmp_path / "views"),
        "cache-enabled": "false",
    }
    spark.catalog.currentCatalog()  # the shared session settles on its own when it is first asked
    conf = spark.sparkContext._jsc.sc().conf()  # what a session begins with
    prefix, before = "spark.sql.catalog.viewed", conf.get("spark.sql.defaultCatalog")
    conf.set("spark.sql.defaultCatalog", "viewed").set(prefix, "dataflow.guard.GuardedCatalog")
    for key, value in catalog.items():
        conf.set(f"{prefix}.{key}", value)
    with contextlib.ExitStack() as stack:
        stack.callback(conf.set, "spark.sql.defaultCatalog", before)
        found = World(spark.newSession(), tmp_path, *servers, catalog=json.dumps({"name": "viewed", **catalog}))
        stack.callback(found.database.close)
        yield found


def test_the_old_name_shows_the_new_table_until_all_have_moved(viewed):
    found = replace(viewed)
    # A checkout is evidence of what is read, so those that never ran are found as well.
    assert {each.workflow.split(".")[1] for each in found.must_move} == {*READERS, "plays"}
    campaign, standing = viewed.look()
    due = due_notices(campaign, standing, viewed.known(), [], dt.datetime.now(dt.UTC))
    assert "${PLAYS}" in due[0].text
    with pytest.raises(DataflowError, match=r"1 of 1 workflows have not moved: alice\.plays\.main"):
        viewed.apply()  # a view can't be written to
    move_the_writer(viewed)
    before = viewed.spark.table(f"{viewed.db}.plays").collect()
    viewed.spark.sql(f"INSERT INTO {viewed.db}.plays VALUES (9, 'IT', 1.0)")
    with pytest.raises(DataflowError, match=r"old and new differ: 1 of 6 rows, comparing the rows of .*plays in"):
        viewed.apply()
    viewed.spark.sql(f"DELETE FROM {viewed.db}.plays WHERE id = 9")

    assert viewed.apply() == "expand 1"
    assert tables(viewed) >= {"plays_retired", "better"}
    assert "plays" not in tables(viewed)
    assert sorted(viewed.spark.table(f"{viewed.db}.plays").collect()) == sorted(before)
    viewed.spark.sql(f"INSERT INTO {viewed.db}.plays_raw VALUES (7, 'FR', 3.0)")
    viewed.run("plays", "few")  # a reader that has not moved sees the new table's rows, and is seen
    assert viewed.spark.table(f"{viewed.db}.few").collect()[0].n == 4
    assert "few" in viewed.open()
    (agreement,) = verify(viewed.spark, campaign, viewed.campaigns.events("better"))
    assert (agreement.rows, agreement.different) == (5, 0)

    with pytest.raises(DataflowError, match="5 of 6 workflows have not moved"):
        viewed.apply()
    assert "plays_retired with its 5 rows" in execute.describe_removal(viewed.spark, campaign, campaign.steps[-1])
    viewed.apply(force=True, reason="a test")
    assert {name for name in tables(viewed) if name.startswith("plays")} == {"plays_raw"}
    assert not viewed.spark.sql(f"SHOW VIEWS IN {viewed.db}").collect()
    assert viewed.campaigns.all()[0].state == "done"


def test_cancel_gives_the_name_back_to_the_table_with_its_history(viewed):
    replace(viewed)
    move_the_writer(viewed)
    history = viewed.spark.sql(f"SELECT snapshot_id FROM {viewed.db}.plays.snapshots").collect()
    viewed.apply()
    viewed.cancel()
    assert viewed.spark.sql(f"SELECT snapshot_id FROM {viewed.db}.plays.snapshots").collect() == history
    assert not viewed.spark.sql(f"SHOW VIEWS IN {viewed.db}").collect()
    assert "plays_retired" not in tables(viewed)


def test_a_view_that_was_half_made_is_made_whole(viewed):
    replace(viewed)
    move_the_writer(viewed)
    with viewed.dying(at="ALTER VIEW"):
        viewed.apply()
    assert viewed.apply() == "expand 1"
    assert viewed.spark.table(f"{viewed.db}.plays").count() == 5


def test_a_table_that_has_the_name_to_keep_the_old_one_under_is_left_alone(viewed):
    replace(viewed)
    move_the_writer(viewed)
    kept = f"{viewed.db}.plays_retired"
    viewed.spark.sql(f"CREATE TABLE {kept} AS SELECT * FROM {viewed.db}.plays LIMIT 1")
    with pytest.raises(DataflowError, match=r"table .*plays_retired already exists"):
        viewed.apply()
    viewed.cancel()
    assert (viewed.spark.table(kept).count(), viewed.spark.table(f"{viewed.db}.plays").count()) == (1, 5)


def test_killed_within_the_contract_and_then_cancelled_the_view_stays(viewed):
    replace(viewed)
    move_the_writer(viewed)
    viewed.apply()
    with viewed.dying(noting={"applied", "forced"}):
        viewed.apply(force=True, reason="a test")
    assert viewed.cancel() == [f"{viewed.db}.plays stays as it is: {viewed.db}.plays_retired was dropped"]


def test_a_catalog_without_views_leaves_the_old_table_as_it_is(world):
    replace(world)
    move_the_writer(world)
    world.spark.sql("CREATE OR REPLACE TEMPORARY VIEW plays AS SELECT 1")  # SHOW VIEWS lists it as well
    campaign, _ = world.look()
    went = execute.execute_step(world.spark, campaign, campaign.steps[0], world.campaigns, "alice")
    world.spark.catalog.dropTempView("plays")
    assert went == "skipped: this catalog has no views"
    assert world.spark.table(f"{world.db}.plays").count() == 5
    assert "plays_retired" not in tables(world)
    assert f"{world.db}.plays with its 5 rows" in execute.describe_removal(world.spark, campaign, campaign.steps[-1])
    world.spark.sql(f"INSERT INTO {world.db}.plays VALUES (9, 'IT', 1.0)")  # nothing keeps anybody from that here
    for owner in ("alice", "bob", "carol", "dave"):
        world.campaigns.note("better", "acked", owner, owner, "a test")
    with pytest.raises(DataflowError, match="old and new differ: 1 of 6 rows"):
        world.apply()
    assert world.spark.table(f"{world.db}.plays").count() == 6
    world.apply(force=True, reason="a test")
    assert {name for name in tables(world) if name.startswith("plays")} == {"plays_raw"}


def test_rows_that_only_the_new_table_has_are_not_lost_by_a_cancel(viewed):
    replace(viewed)
    move_the_writer(viewed)
    viewed.apply()
    viewed.spark.sql(f"INSERT INTO {viewed.db}.better VALUES (9, 'IT', 1.0, 1)")
    with pytest.raises(DataflowError, match=r"1 rows of .*better are not in .*plays_retired: readers of .*plays would"):
        viewed.cancel()
    assert viewed.spark.table(f"{viewed.db}.plays").count() == 6


def test_tables_with_maps_and_with_types_that_clash_are_compared(world):
    spark, table, better = world.spark, f"{world.db}.plays", f"{world.db}.better"
    spark.sql(f"CREATE TABLE {table} USING iceberg AS SELECT 1 AS id, map('a', 1) AS m, 'x' AS t, '5' AS n")
    spark.sql(f"CREATE TABLE {better} USING iceberg AS SELECT 1 AS id, map('a', 1) AS m, 7 AS t, 5 AS n")
    world.begin(ChangeRequest(replace_by=better), "better")
    campaign, _ = world.look()
    (agreement,) = verify(spark, campaign, ())
    assert (agreement.rows, agreement.different) == (1, 1)
    spark.sql(f"DROP TABLE {table}")
    spark.sql(f"CREATE TABLE {table} USING iceberg AS SELECT 1 AS id, map('a', 1) AS m, '5' AS n")
    (agreement,) = verify(spark, campaign, ())
    assert (agreement.says, agreement.different) == (f"the rows of {table} in {better}, by id, m, n", 0)
