"""Campaigns that are cancelled half-way: nothing is taken back that is nowhere else."""

from __future__ import annotations

import pytest

from dataflow.errors import DataflowError
from dataflow.migration.changes import Wish
from dataflow.tables.iceberg import load, properties

pytestmark = pytest.mark.spark


def test_of_two_columns_the_one_whose_old_name_is_gone_stays(world):
    world.run("plays")
    world.begin(Wish(rename={"country": "land", "hours": "view_hours"}), "two")
    for _ in range(5):
        world.apply()
    assert world.apply(force=True, reason="a test") == "contract 1"
    with pytest.raises(DataflowError, match="country was taken away by a migration and would come back empty"):
        world.spark_ddl("plays", "id INT, country STRING, hours DOUBLE")
    assert "land stays: country is gone already, and what it held is nowhere else" in world.cancel()
    assert world.spark.table(f"{world.db}.plays").columns == ["id", "land", "hours"]
    assert world.column("land") == ["DE", "DE", "DE", "US", "US"]


def test_killed_within_the_contract_and_then_cancelled_the_new_column_stays(world):
    world.run("plays")
    world.begin(Wish(rename={"hours": "view_hours"}), "one")
    for _ in range(3):
        world.apply()
    with world.dying(at="UNSET"):
        world.apply(force=True, reason="a test")
    assert "hours stays away: it is gone already" in world.cancel()
    assert world.column("view_hours") == [0.5, 1.0, 2.0, 7.5, None]


def test_killed_before_the_drop_and_then_cancelled_the_old_name_is_as_good_as_ever(world):
    world.run("plays")
    world.begin(Wish(drop=["hours"]), "one")
    world.apply()
    with world.dying(at="DROP COLUMN"):
        world.apply(force=True, reason="a test")
    assert "took back contract 1: drop hours" in world.cancel()
    table = load(world.spark, f"{world.db}.plays")
    assert not [key for key in properties(table) if key.startswith(("dataflow.moving", "dataflow.retired"))]


def test_what_a_comment_says_is_no_statement(world):
    world.run("plays")
    comment = "a;\nb RENAME TO c ADD COLUMN it's"
    quoted = comment.replace("'", "\\'")
    ddl = f"CREATE TABLE t (id INT COMMENT '{quoted}', country STRING, view_hours DOUBLE)"
    world.begin(Wish(ddl=ddl, rename={"hours": "view_hours"}), "said")
    for _ in range(4):
        world.apply()
    (field,) = (it for it in world.spark.table(f"{world.db}.plays").schema.fields if it.name == "id")
    assert field.metadata["comment"] == comment


def test_a_type_that_nothing_can_be_cast_to_is_refused_before_anything_is_begun(world):
    world.run("plays")
    world.begin(Wish(types={"hours": "date"}), "date")
    with pytest.raises(DataflowError, match="hours can't be carried from DOUBLE to DATE and back") as caught:
        world.apply()
    assert "--replace-by NEW" in caught.value.hint
    world.run("plays")
    assert world.cancel() == []


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        ("WRITE ORDERED BY hours", "is written in the order of hours"),
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
    world.begin(Wish(drop=[column]), "ordered")
    with pytest.raises(DataflowError, match=said):
        world.apply()
    assert world.cancel() == []
