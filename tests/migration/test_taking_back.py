"""Campaigns that are cancelled half-way: nothing is taken back that is nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dataflow.errors import DataflowError, UsageError
from dataflow.migration import execute
from dataflow.migration.changes import ChangeRequest, TableChange
from dataflow.migration.steps import steps_for
from dataflow.migration.store import CampaignStore, subjects_of
from dataflow.tables.iceberg import load, properties

pytestmark = pytest.mark.spark


def test_of_two_columns_the_one_whose_old_name_is_gone_stays(world):
    world.run("plays")
    world.begin(ChangeRequest(rename={"country": "land", "hours": "view_hours"}), "two")
    for _ in range(5):
        world.apply()
    assert world.apply(force=True, reason="a test") == "contract 1"
    with pytest.raises(DataflowError, match="country was removed by a migration and would come back empty"):
        world.spark_ddl("plays", "id INT, country STRING, hours DOUBLE")
    assert "land stays: country was dropped, and its values are nowhere else" in world.cancel()
    assert world.spark.table(f"{world.db}.plays").columns == ["id", "land", "hours"]
    assert world.column("land") == ["DE", "DE", "DE", "US", "US"]


def test_killed_within_the_contract_and_then_cancelled_the_new_column_stays(world):
    world.run("plays")
    world.begin(ChangeRequest(rename={"hours": "view_hours"}), "one")
    for _ in range(3):
        world.apply()
    with world.dying(at="UNSET"):
        world.apply(force=True, reason="a test")
    assert "hours can't be restored: it was dropped" in world.cancel()
    assert world.column("view_hours") == [0.5, 1.0, 2.0, 7.5, None]


def test_killed_before_the_drop_and_then_cancelled_the_old_name_is_as_good_as_ever(world):
    world.run("plays")
    world.begin(ChangeRequest(drop=["hours"]), "one")
    world.apply()
    with world.dying(at="DROP COLUMN"):
        world.apply(force=True, reason="a test")
    assert "reverted contract 1: drop hours" in world.cancel()
    table = load(world.spark, f"{world.db}.plays")
    assert not [key for key in properties(table) if key.startswith(("dataflow.moving", "dataflow.retired"))]


def test_what_a_comment_says_is_no_statement(world):
    world.run("plays")
    comment = "a;\nb RENAME TO c ADD COLUMN it's"
    quoted = comment.replace("'", "\\'")
    ddl = f"CREATE TABLE t (id INT COMMENT '{quoted}', country STRING, view_hours DOUBLE)"
    world.begin(ChangeRequest(ddl=ddl, rename={"hours": "view_hours"}), "said")
    for _ in range(4):
        world.apply()
    (field,) = (it for it in world.spark.table(f"{world.db}.plays").schema.fields if it.name == "id")
    assert field.metadata["comment"] == comment


def test_a_type_that_nothing_can_be_cast_to_is_refused_before_anything_is_begun(world):
    world.run("plays")
    world.begin(ChangeRequest(types={"hours": "date"}), "date")
    with pytest.raises(DataflowError, match="hours can't be converted from DOUBLE to DATE and back") as caught:
        world.apply()
    assert "--replace-by NEW" in caught.value.hint
    world.run("plays")
    assert world.cancel() == []


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        ("WRITE ORDERED BY hours", "is sorted by hours"),
        ("SET IDENTIFIER FIELDS country", "is identified by country"),
    ],
)
def test_what_iceberg_would_not_drop_in_the_end_is_found_out_first(world, alter, said):
    world.run("plays")
    column = alter.rpartition(" ")[2]
    if column == "country":
        world.spark.sql(f"DROP TABLE {world.db}.plays")
        world.spark.sql(f"CREATE TABLE {world.db}.plays (id INT, country STRING NOT NULL, hours DOUBLE) USING iceberg")
    world.spark.sql(f"ALTER TABLE {world.db}.plays {alter}")
    world.begin(ChangeRequest(drop=[column]), "ordered")
    with pytest.raises(DataflowError, match=said):
        world.apply()
    assert world.cancel() == []


def renamed(world):
    """A rename, everything but the contract done, and nobody left who has to move."""
    world.run("plays")
    world.begin(ChangeRequest(rename={"hours": "view_hours"}), "one")
    for _ in range(3):
        world.apply()
    for owner in ("alice", "bob", "carol", "dave"):
        world.campaigns.note("one", "acked", owner, owner, "a test")


@pytest.mark.parametrize("at", ["DROP COLUMN", "UNSET"])
def test_a_cancel_that_was_cut_off_is_gone_on_with_and_not_turned_round(world, at):
    renamed(world)
    with world.dying(at=at):
        world.cancel()
    with pytest.raises(UsageError, match="campaign one is being cancelled"):
        world.apply()
    world.cancel()
    assert world.spark.table(f"{world.db}.plays").columns == ["id", "country", "hours"]
    assert world.column("hours") == [0.5, 1.0, 2.0, 7.5, None]


def test_the_old_column_stays_where_somebody_took_the_new_one_away(world):
    renamed(world)
    world.spark.sql(f"ALTER TABLE {world.db}.plays DROP COLUMN view_hours")
    with pytest.raises(DataflowError, match="column view_hours does not exist; dropping hours would lose its values"):
        world.apply()
    assert world.column("hours") == [0.5, 1.0, 2.0, 7.5, None]


def test_what_only_the_new_column_holds_is_brought_over_before_it_is_taken_back(world):
    renamed(world)
    world.spark.sql(f"INSERT INTO {world.db}.plays (id, view_hours) VALUES (50, 5.0)")  # past any run
    world.spark.sql(f"UPDATE {world.db}.plays SET view_hours = 9.0 WHERE hours = 0.5")
    with pytest.raises(DataflowError, match="1 rows have a value in view_hours that differs from hours and would be"):
        world.cancel()
    assert not subjects_of(world.campaigns.events("one"), "cancelling")  # it was refused, not begun
    world.spark.sql(f"UPDATE {world.db}.plays SET view_hours = 0.5 WHERE hours = 0.5")
    world.cancel()
    assert world.column("hours") == [0.5, 1.0, 2.0, 5.0, 7.5, None]


def test_the_contract_says_which_values_only_the_new_column_has(world):
    renamed(world)
    world.spark.sql(f"UPDATE {world.db}.plays SET hours = NULL WHERE id = 2")
    campaign, _ = world.look()
    says = execute.describe_removal(world.spark, campaign, campaign.steps[-1])
    assert "with 3 values in 5 rows; 1 rows have a value in view_hours only, and keep it" in says


def test_two_campaigns_on_one_table_of_a_catalog_do_not_mix(world):
    renamed(world)
    other = CampaignStore(world.database, "elsewhere")
    campaign = replace(world.look()[0], changes=(TableChange("drop", "country", type="STRING"),))
    campaign = replace(campaign, row=replace(campaign.row, id="two", environment="elsewhere"))
    campaign = replace(campaign, steps=tuple(steps_for(f"{world.db}.plays", campaign.changes)))
    other.add(campaign.row)
    with pytest.raises(DataflowError, match="is already in progress: hours"):
        execute.execute_step(world.spark, campaign, campaign.steps[0], other, "alice")
