from __future__ import annotations

import _thread
import datetime as dt
import threading
import time

import pytest

from dataflow.errors import DataflowError, UsageError
from dataflow.state.leases import Leases
from dataflow.tables.iceberg import load, properties
from dataflow.workflow.identity import pin
from tests.support.packages import definition, each_day
from tests.support.small_runs import failed, one

pytestmark = pytest.mark.spark


def test_a_day_is_written_audited_published_and_recorded(package):
    package.add_source((1, 1.5, 1), (2, 2.5, 1), (3, 3.5, 2))
    result = package.run()
    assert result.status == "succeeded"
    assert package.rows() == [(1, 1), (2, 1)]
    assert [step.id for step in result.steps] == ["ddl", "metadata", "wap", "hwm"]
    (published,) = result.published
    assert (published.table, published.partition, published.rows) == (package.target, "date=2026-01-01", 2)
    assert package.refs() == {"main"}

    recorded = package.records.run("last")
    assert recorded["status"] == "succeeded"
    assert [job["status"] for job in recorded["jobs"]] == ["succeeded"] * 4
    assert [audit["figure"] for audit in recorded["audits"]] == [0, 0]
    assert recorded["publications"][0]["snapshot"] == published.snapshot
    assert recorded["params"]["EXECUTION_DATE"] == "2026-01-01"
    assert recorded["versions"]["iceberg"] == "1.12.0"
    assert recorded["reads"][0]["source"] == f"dataflow.{package.source}"


def test_the_table_tells_its_own_history(package):
    package.add_source((1, 1.5, 1))
    result = package.run()
    table = load(package.spark, package.target)
    summary = table.currentSnapshot().summary()
    assert summary.get("dataflow.run-id") == result.workflow.run_id
    assert summary.get("dataflow.rows") == "1"
    assert summary.get("dataflow.partition") == "date=2026-01-01"
    source = load(package.spark, package.source).currentSnapshot()
    assert summary.get("dataflow.sources") == (
        f'{{"dataflow.{package.source}": [{source.sequenceNumber()}, {source.snapshotId()}]}}'
    )
    found = properties(table)
    assert found["dataflow.owner"] == package.user
    assert found["dataflow.tags"] == "a,b"
    assert found["dataflow.lifetime-days"] == "9"
    assert found["dataflow.primary-key"] == "date,id"
    assert found["dataflow.hwm"] == "2026-01-01"


def test_a_failing_blocking_audit_publishes_nothing(package):
    package.add_source((1, 1.5, 1))
    package.run()
    package.add_source((1, 9.5, 1))
    result = package.run()
    assert result.status == "failed"
    step, message = failed(result)
    assert step == "wap"
    assert message.startswith("an audit failed: columns_should_be_unique: 1 ")
    assert package.rows() == [(1, 1)]
    recorded = package.records.run("last")
    kept = f"dataflow_failed_{recorded['run_id'].lower()}_wap"
    assert package.refs() == {"main", kept}
    bad = [audit for audit in recorded["audits"] if not audit["passed"]]
    assert bad[0]["sample"][0]["id"] == "1"
    assert {job["job_id"]: job["status"] for job in recorded["jobs"]}["hwm"] == "skipped"


def test_a_failing_audit_that_does_not_block_warns_and_publishes(package):
    package.add_source((1, None, 1))
    result = package.run()
    assert result.status == "succeeded"
    (_, nulls) = next(step for step in result.steps if step.id == "wap").audits
    assert (nulls.passed, nulls.figure) == (False, 1)
    assert package.rows() == [(1, 1)]


@pytest.mark.parametrize(
    ("empty", "status", "rows"),
    [("fail", "failed", [(1, 1)]), ("keep", "succeeded", [(1, 1)]), ("publish", "succeeded", [])],
)
def test_an_empty_day_does_what_empty_says(package, empty, status, rows):
    package.edit("main.sch.yaml", "      write:\n", f"      empty: {empty}\n      write:\n")
    package.add_source((1, 1.5, 1))
    package.run()
    package.spark.sql(f"DELETE FROM {package.source}")
    result = package.run()
    assert result.status == status
    assert package.rows() == rows
    assert package.refs() == {"main"}


def test_a_write_of_another_day_is_refused(package):
    package.write("write.sql", "INSERT INTO ${TARGET_TABLE} VALUES (1, 1.0, DATE '2026-01-09');\n")
    step, message = failed(package.run())
    assert step == "wap"
    assert "did not declare: date=2026-01-09" in message
    assert package.rows() == []


def test_a_column_added_to_ddl_and_select_reaches_the_table(package):
    package.add_source((1, 1.5, 1))
    package.run()
    package.edit("ddl.sql", "hours DOUBLE,", "hours DOUBLE, grade STRING COMMENT 'good or bad',")
    package.edit("write.sql", "SELECT id, hours", "SELECT id, hours, 'good'")
    result = package.run(day=1)
    assert result.status == "succeeded", failed(result)
    assert f"{package.target}: added column grade string" in result.notes
    found = package.spark.sql(f"SELECT id, hours, grade FROM {package.target}").collect()
    assert [tuple(row) for row in found] == [(1, 1.5, "good")]


def test_a_ddl_that_drops_a_column_stops_the_run_before_the_write(package):
    package.add_source((1, 1.5, 1))
    package.run()
    package.edit("ddl.sql", "hours DOUBLE,", "")
    step, message = failed(package.run())
    assert step == "ddl"
    assert "column hours is missing in the DDL" in message
    assert package.rows() == [(1, 1)]


def test_a_python_write_goes_to_the_branch_even_by_a_session_of_its_own(package):
    package.write(
        "write.py",
        """
        from pyspark.sql import SparkSession
        from pyspark.sql import functions as F


        def main(args, spark):
            own = SparkSession.builder.getOrCreate()
            day = own.table(args["SOURCE_TABLE"]).where(F.col("date") == args["EXECUTION_DATE"])
            day.writeTo(args["TARGET_TABLE"]).overwritePartitions()
        """,
    )
    package.edit("main.sch.yaml", "write.sql", "write.py")
    package.add_source((1, 1.5, 1))
    package.run()
    package.add_source((1, 9.5, 1))
    assert package.run().status == "failed"
    assert package.rows() == [(1, 1)]


def test_another_package_s_table_is_refused_before_anything_is_written(package, monkeypatch):
    pin(package.folder, "one")
    package.add_source((1, 1.5, 1))
    package.run()
    (package.folder / "identity.yaml").unlink()
    monkeypatch.setenv("DATAFLOW_USER", package.user)
    pin(package.folder, "two")
    with pytest.raises(DataflowError) as caught:
        package.run()
    assert f"belongs to package {package.user}.one of {package.user}, not to {package.user}.two" in caught.value.message
    assert "--adopt" in caught.value.hint
    assert package.records.run("last")["status"] == "failed"

    assert package.run(adopt=True).status == "succeeded"
    assert package.run().status == "succeeded"


def test_no_parameter_reaches_beyond_the_sandbox(package):
    with pytest.raises(DataflowError, match=r"outside runner\d+_sandbox, the database of environment sandbox"):
        package.run(TARGET_TABLE="prod.results")
    with pytest.raises(DataflowError, match="outside runner"):
        package.run(TARGET_DB="prod")


def test_a_range_of_days_runs_in_one_session_and_moves_the_mark_to_its_end(package):
    package.add_source(*((id_, 1.0, day) for id_ in (1, 2) for day in (1, 2, 3, 4)))
    result = package.run("backfill.sch.yaml", day=None, PARALLEL="3")
    assert result.status == "succeeded", failed(result)
    assert package.rows() == [(id_, day) for id_ in (1, 2) for day in (1, 2, 3, 4)]
    assert properties(load(package.spark, package.target))["dataflow.hwm"] == "2026-01-04"
    recorded = package.records.run(result.workflow.run_id)
    assert sorted(child["params"]["EXECUTION_DATE"] for child in recorded["children"]) == [
        f"2026-01-0{day}" for day in (1, 2, 3, 4)
    ]


def test_a_failing_day_stops_the_days_after_it(package):
    package.add_source((1, 1.0, 1), (2, 1.0, 2), (2, 1.0, 2), (3, 1.0, 3))
    result = package.run("backfill.sch.yaml", day=None)
    assert result.status == "failed"
    assert package.rows() == [(1, 1)]
    assert "each_day" in {step.id for step in result.steps}
    assert failed(result)[0] == "wap"


def test_with_finish_the_other_days_still_run(package):
    package.edit("backfill.sch.yaml", "on_failure: stop", "on_failure: finish")
    package.add_source((1, 1.0, 1), (2, 1.0, 2), (2, 1.0, 2), (3, 1.0, 3), (4, 1.0, 4))
    result = package.run("backfill.sch.yaml", day=None)
    assert result.status == "failed"
    assert package.rows() == [(1, 1), (3, 3), (4, 4)]
    found = properties(load(package.spark, package.target))
    assert found["dataflow.hwm"] == "2026-01-01"
    assert '"2026-01-03"' in found["dataflow.hwm.ahead"]


def test_one_job_runs_alone(package):
    package.add_source((1, 1.0, 1))
    result = package.run(only="ddl")
    assert [step.id for step in result.steps] == ["ddl"]
    with pytest.raises(UsageError, match="has no job 'dll'; did you mean 'ddl'"):
        package.run(only="dll")


def test_edges_let_independent_jobs_run_side_by_side(package):
    package.write(
        "meet.py",
        """
        import pathlib
        import time
        import uuid

        HERE = pathlib.Path(__file__).parent


        def main(args, spark):
            (HERE / f"{uuid.uuid4()}.came").touch()
            deadline = time.monotonic() + 120
            while len(list(HERE.glob("*.came"))) < 2:
                assert time.monotonic() < deadline, "nobody else came"
                time.sleep(0.05)
        """,
    )
    text = one("meet.py") + one("meet.py").partition("jobs:\n")[2].replace("id: one", "id: two")
    package.write("two.sch.yaml", text + "dag: []\n")
    assert package.run("two.sch.yaml", day=None).status == "succeeded"


def test_a_stopped_run_leaves_no_branch_and_is_recorded_as_cancelled(package):
    package.write(
        "write.py",
        """
        import time


        def main(args, spark):
            spark.sql(f"INSERT INTO {args['TARGET_TABLE']} VALUES (1, 1.0, DATE '2026-01-01')")
            time.sleep(3)
        """,
    )
    package.edit("main.sch.yaml", "write.sql", "write.py")
    runner = package.runner()
    workflow = package.load()
    threading.Timer(2.5, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        runner.run(workflow)
    assert package.rows() == []
    assert package.refs() <= {"main"}
    assert package.records.run("last")["status"] == "cancelled"


ENDLESS = """
import time


def main(args, spark):
    for _ in range(600):
        time.sleep(0.05)
        spark.sql("SELECT 1").collect()
"""


def test_code_is_cancelled_at_its_next_spark_job_although_none_runs_at_that_moment(package):
    package.write("write.py", ENDLESS)
    package.edit("main.sch.yaml", "write.sql", "write.py")
    runner = package.runner()
    workflow = package.load()
    Leases(package.records.database).ask_to_stop(workflow.run_id, "cancelled by bob")
    result = runner.run(workflow)
    assert (result.status, result.left_running) == ("cancelled", False)
    assert recorded_steps(package, "last")[-2:] == [("wap", "cancelled", "cancelled by bob"), ("hwm", "skipped", None)]
    assert package.refs() <= {"main"}
    assert package.rows() == []


def test_code_that_ignores_a_cancellation_is_left_behind_and_all_around_it_is_recorded(package, monkeypatch):
    monkeypatch.setattr("dataflow.runner.retry._GRACE", 1.0)
    package.write(
        "write.py",
        """
        import pathlib, time


        def main(args, spark):
            pathlib.Path(__file__).with_name("began").touch()
            time.sleep(10)
        """,
    )
    package.edit("main.sch.yaml", "write.sql", "write.py")
    days = each_day("from: 2026-01-01\nto: 2026-01-02")
    package.write("range.sch.yaml", definition(days, name="${dataflow.package_id}.range"))
    runner = package.runner()
    workflow = package.load("range.sch.yaml", day=None)

    def cancel_once_it_works():
        while not (package.folder / "began").exists():
            time.sleep(0.05)
        Leases(package.records.database).ask_to_stop(workflow.run_id, "cancelled by bob")

    threading.Thread(target=cancel_once_it_works, daemon=True).start()
    result = runner.run(workflow)
    assert (result.status, result.left_running) == ("cancelled", True)
    still = "cancelled by bob, and its code still runs until this process ends"
    assert recorded_steps(package, f"{workflow.run_id}_1")[-2:] == [
        ("wap", "cancelled", still),
        ("hwm", "skipped", None),
    ]
    whole = package.records.run(workflow.run_id)
    assert [(it["status"], it["ended"] is not None) for it in (whole, *whole["children"])] == [("cancelled", True)] * 2
    assert {job["job_id"]: job["status"] for job in whole["jobs"]} == {
        "each_day/2026-01-01": "cancelled",
        "each_day/2026-01-02": "skipped",
        "each_day": "cancelled",
    }
    deadline = time.monotonic() + 120  # the code ends by itself in this process, and publishes nothing
    while not package.refs() <= {"main"} and time.monotonic() < deadline:
        time.sleep(0.2)
    assert package.refs() <= {"main"}
    assert package.rows() == []


def recorded_steps(package, run):
    return [(job["job_id"], job["status"], job["error"]) for job in package.records.run(run)["jobs"]]


def test_the_branch_of_a_killed_run_is_dropped_by_the_next_one(package):
    from dataflow.state import run_records as store
    from dataflow.tables import branch_publish

    package.add_source((1, 1.0, 1))
    package.run()
    branch_publish.begin(package.spark, package.target, {"date": "2026-01-01"}, "dataflow_20260101t000000_dead_wap")
    package.records.insert(
        store.runs,
        {
            "run_id": "20260101t000000_dead",
            "workflow_id": "x",
            "host": __import__("socket").gethostname(),
            "process": 2**22 + 1,
            "params": {},
            "versions": {},
            "status": "running",
            "started": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        },
    )
    result = package.run()
    assert any("left by a run that was killed" in note for note in result.notes)
    assert package.refs() == {"main"}


def test_a_late_row_that_arrives_while_a_day_is_published_makes_it_start_again(package):
    """Somebody else changes the day on main between the write and the publishing: nothing of theirs is lost unseen."""
    package.write(
        "write.py",
        """
        import pathlib

        from dataflow.spark.guard import EVERYTHING, open_session

        SEEN = pathlib.Path(__file__).with_name("seen")


        def main(args, spark):
            table = args["TARGET_TABLE"]
            spark.sql(f"INSERT OVERWRITE {table} PARTITION (date = DATE '2026-01-01') SELECT 1, 1.0D")
            if not SEEN.exists():  # somebody else is another Spark, and never this job's session
                SEEN.write_text("")
                theirs = open_session(spark, EVERYTHING)
                jvm = spark._jvm.org.apache.iceberg.spark.Spark3Util
                jvm.loadIcebergTable(theirs._jsparkSession, f"dataflow.{table}").newDelete().deleteFromRowFilter(
                    spark._jvm.org.apache.iceberg.expressions.Expressions.alwaysTrue()
                ).commit()
        """,
    )
    package.add_source((5, 1.0, 1))
    assert package.run().status == "succeeded"
    package.edit("main.sch.yaml", "write.sql", "write.py")
    result = package.run()
    assert result.status == "succeeded", failed(result)
    assert any("starting again from the new main" in note for note in result.notes)
    assert package.rows() == [(1, 1)]


def test_a_run_that_wrote_to_main_itself_fails_and_says_that_readers_see_it(package):
    """By a session that no job gets, as a program does that puts another catalog in the place of ours."""
    package.write(
        "write.py",
        """
        from dataflow.spark.guard import EVERYTHING, open_session


        def main(args, spark):
            into = f"INSERT INTO {args['TARGET_TABLE']}"
            open_session(spark, EVERYTHING).sql(f"{into} VALUES (9, 9.0, DATE '2026-01-01')")
            spark.sql(f"{into} VALUES (1, 1.0, DATE '2026-01-01')")
        """,
    )
    package.edit("main.sch.yaml", "write.sql", "write.py")
    message = failed(package.run())[1]
    assert message.startswith(f"this run wrote to main of {package.target} itself: readers see snapshot ")
    assert package.rows() == [(9, 1)]


def test_a_day_that_was_never_published_is_not_called_complete(package):
    package.add_source((1, 1.0, 1))
    package.run()
    result = package.run(day=2, only="hwm")
    assert failed(result)[1] == f"{package.target} has no published 2026-01-02, so it can't be called complete"


def test_the_mark_of_a_job_that_runs_alone_knows_its_sources(package):
    package.add_source((1, 1.0, 1))
    package.run(only="ddl")
    package.run(only="wap")
    package.run(only="hwm")
    found = properties(load(package.spark, package.target))
    assert found["dataflow.hwm"] == "2026-01-01"
    assert package.source in found["dataflow.hwm.sources"]


def test_whoever_comes_second_to_a_new_table_does_not_take_it(package):
    from dataflow.tables.ownership import claim
    from dataflow.workflow.identity import Identity

    package.run(only="ddl")
    mine, yours = (Identity(name, f"{name}.x", f"uuid-{name}") for name in ("mine", "yours"))
    claim(package.spark, package.target, mine)
    with pytest.raises(DataflowError, match=r"belongs to package mine\.x"):
        claim(package.spark, package.target, yours)
    claim(package.spark, package.target, yours, adopt=True)
    assert properties(load(package.spark, package.target))["dataflow.package-id"] == "yours.x"


def test_a_plain_script_does_not_write_to_another_package_s_table(package):
    from dataflow.tables.ownership import claim
    from dataflow.workflow.identity import Identity

    package.run(only="ddl")
    claim(package.spark, package.target, Identity("other", "other.x", "uuid-other"))
    package.write("plain.sql", f"INSERT INTO {package.target} VALUES (1, 1D, DATE '2026-01-01');\n")
    package.write("one.sch.yaml", one("plain.sql"))
    assert "belongs to package other.x" in failed(package.run("one.sch.yaml", day=None))[1]


def test_a_jvm_that_died_is_told_as_that(package):
    package.write("broken.py", "def main(args, spark):\n    raise ConnectionRefusedError\n")
    package.write("one.sch.yaml", one("broken.py"))

    class DeadJvm:
        exit_error = DataflowError("Spark's JVM died", permanent=True)

    result = package.run("one.sch.yaml", day=None, services={"jvm": DeadJvm()})
    assert failed(result)[1] == "Spark's JVM died"
