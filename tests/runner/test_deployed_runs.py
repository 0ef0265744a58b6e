"""What a deployment's runs do on Spark: marked with their bundle, held to their own database, compared."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from dataflow.deploy.data_diff import TablePair, compare_tables
from dataflow.errors import DataflowError
from dataflow.lineage.graph import traverse
from dataflow.lineage.show.labels import ages
from dataflow.lineage.show.text import lineage_data, tree
from dataflow.lineage.store.reader import LineageStore
from dataflow.tables.iceberg import load
from dataflow.workflow.load import Request, load_workflow
from dataflow.workflow.project import Environment

pytestmark = pytest.mark.spark

DAY = dt.date(2026, 1, 1)


def deployed(package, database, bundle="b" * 64):
    environment = Environment(f"branch-x-{package.user}", {"TARGET_DB": database}, isolated=True)
    request = Request(date=DAY, environment=environment, user=package.user, bundle=bundle)
    return load_workflow(package.folder / "main.sch.yaml", request)


def test_a_run_says_which_bundle_it_ran_in_the_records_and_in_the_table(package):
    package.add_source((1, 1.5, 1))
    workflow = deployed(package, f"{package.user}__x")
    assert package.runner().run(workflow).status == "succeeded"
    assert package.records.run("last")["bundle"] == "b" * 64
    table = load(package.spark, f"{package.user}__x.results")
    assert table.currentSnapshot().summary().get("dataflow.bundle") == "b" * 64


def test_recorded_lineage_says_workflow_owner_bundle_and_snapshot(package, tmp_path, monkeypatch):
    package.add_source((1, 1.5, 1))
    monkeypatch.setenv("OPENLINEAGE_URL", str(tmp_path / "events.jsonl"))
    workflow = deployed(package, f"{package.user}__x")
    assert package.runner().run(workflow).status == "succeeded"
    run = package.records.run("last")
    assert (run["workflow_id"], run["owner"], run["bundle"]) == (workflow.id, workflow.owner, "b" * 64)
    (read,) = run["reads"]
    assert read["snapshot"] == load(package.spark, package.source).currentSnapshot().snapshotId()

    store = LineageStore(f"sqlite:///{package.folder.parent / 'state.db'}")
    found = traverse([store], (package.source, "hours"), downstream=True, depth=1)
    ((_, target, _, producer),) = found.all_edges()
    assert target == (f"{package.user}__x.results", "hours")
    assert (producer.workflow, producer.owner, producer.bundle) == (workflow.id, workflow.owner, "b" * 64)
    assert producer.run_id == run["run_id"]
    told = "\n".join(told for _, _, told in tree(found, ages(dt.datetime.now(dt.UTC))))
    assert "recorded by a run (bbbbbbbb) just now" in told
    assert [each["bundle"] for each in lineage_data([found])["workflows"]] == ["b" * 64]

    (line,) = (tmp_path / "events.jsonl").read_text().splitlines()
    (tag,) = json.loads(line)["run"]["facets"]["tags"]["tags"]
    assert (tag["key"], tag["value"]) == ("bundle", "b" * 64)


def test_a_branch_s_run_writes_nothing_but_its_own_database(package):
    package.add_source((1, 1.5, 1))
    package.run()  # the table that stands for production's
    package.edit("write.sql", "INSERT OVERWRITE", f"DELETE FROM {package.target};\nINSERT OVERWRITE")
    package.edit("main.sch.yaml", "script: ddl.sql", "script: write.sql")
    package.spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {package.user}__x")
    package.spark.sql(f"CREATE TABLE {package.user}__x.results (id INT, hours DOUBLE, date DATE) USING iceberg")
    result = package.runner().run(deployed(package, f"{package.user}__x"))
    assert result.status == "failed"
    (_, step) = result.failed_steps[0]
    assert f"would write {package.target}, which is outside {package.user}__x" in step.error.message
    assert package.rows() == [(1, 1)]


@pytest.fixture
def pair(spark, package):
    spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {package.user}")
    for side, columns in (
        ("here", "id INT, name STRING, hours DOUBLE, more INT"),
        ("there", "id INT, name STRING, hours DOUBLE"),
    ):
        spark.sql(f"CREATE TABLE {package.user}.{side} ({columns}, date DATE) USING iceberg PARTITIONED BY (date)")
    day, other = "DATE '2026-01-01'", "DATE '2026-01-02'"
    spark.sql(
        f"INSERT INTO {package.user}.here VALUES (1, 'a', 1.0, 0, {day}), (2, 'b', 2.5, 0, {day}), "
        f"(3, NULL, 3.0, 0, {day}), (4, 'd', 4.0, 0, {day}), (9, 'z', 9.0, 0, {other})"
    )
    spark.sql(
        f"INSERT INTO {package.user}.there VALUES (1, 'a', 1.0, {day}), (2, 'b', 2.0, {day}), (3, 'c', 3.0, {day}), "
        f"(5, 'e', 5.0, {day}), (5, 'e', 5.0, {day})"
    )
    return TablePair(f"{package.user}.here", f"{package.user}.there", ("id", "date"), {"date": "${EXECUTION_DATE}"})


def test_two_tables_are_compared_key_by_key_and_cell_by_cell(spark, pair):
    found = compare_tables(spark, pair, DAY)
    assert (found.rows_here, found.rows_there) == (4, 5)
    assert (found.only_here, found.samples_here) == (1, ({"id": "4", "date": "2026-01-01"},))
    assert found.only_there == 2  # a key that is there twice is missed twice
    assert {it.name: it.count for it in found.changed} == {"name": 1, "hours": 1}
    (hours,) = next(it.samples for it in found.changed if it.name == "hours")
    assert hours == {"key": {"id": "2", "date": "2026-01-01"}, "here": "2.5", "there": "2.0"}
    assert (found.columns_here, found.columns_there) == (("more",), ())
    assert not found.same


def test_without_a_day_all_rows_are_compared_and_a_table_is_like_itself(spark, pair):
    itself = TablePair(pair.here, pair.here, pair.key, pair.partition)
    found = compare_tables(spark, itself, None)
    assert (found.rows_here, found.same) == (5, True)


def test_tables_without_a_key_are_not_guessed_at(spark, pair):
    with pytest.raises(DataflowError, match="has no primary key to compare rows by"):
        compare_tables(spark, TablePair(pair.here, pair.there, (), pair.partition), DAY)
