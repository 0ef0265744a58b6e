"""Steps and workflows that fail: tried again, given up, or let be."""

from __future__ import annotations

import time

import pytest

from dataflow.runner import retry
from tests.support.small_runs import failed, one

pytestmark = pytest.mark.spark

MIDDLE = """\
  - job:
      id: extra
      type: Spark
      spark:
        script: broken.sql
      on_failure: ignore
"""


def test_a_failing_job_is_tried_again(package):
    package.write(
        "flaky.py",
        """
        import pathlib


        def main(args, spark):
            seen = pathlib.Path(__file__).with_name("seen")
            count = int(seen.read_text()) if seen.exists() else 0
            seen.write_text(str(count + 1))
            if count < 2:
                raise RuntimeError(f"attempt {count + 1}")
        """,
    )
    package.write("one.sch.yaml", one("flaky.py") + "      retries: 2\n      retry_delay: 0.1s\n")
    result = package.run("one.sch.yaml", day=None)
    assert result.status == "succeeded"
    assert result.steps[0].attempts == 3
    assert "attempt 1" in result.notes[0]
    recorded = package.records.run("last")
    assert [(job["attempt"], job["status"]) for job in recorded["jobs"]] == [
        (1, "failed"),
        (2, "failed"),
        (3, "succeeded"),
    ]


def test_spark_work_that_takes_too_long_is_cancelled(package):
    package.write(
        "slow.sql",
        "CREATE TABLE IF NOT EXISTS ${dataflow.user}_sandbox.slow USING iceberg AS\n"
        "SELECT count(*) AS n FROM range(1e12) a JOIN range(1e6) b ON a.id % 7 = b.id % 7;\n",
    )
    package.write("one.sch.yaml", one("slow.sql") + "      timeout: 2s\n")
    began = time.monotonic()
    result = package.run("one.sch.yaml", day=None)
    assert result.status == "failed"
    assert failed(result)[1] == "gave up after 2 s"
    assert time.monotonic() - began < 14


def test_a_result_says_that_user_code_still_runs_after_its_attempt_was_given_up(package, monkeypatch):
    monkeypatch.setattr(retry, "_GRACE", 1.0)
    package.write(
        "stubborn.py",
        """
        import time


        def main(args, spark):
            time.sleep(8)
        """,
    )
    package.write("one.sch.yaml", one("stubborn.py") + "      timeout: 1s\n")
    result = package.run("one.sch.yaml", day=None)
    assert failed(result)[1] == "gave up after 1 s, and its code is still running"
    assert result.left_running
    time.sleep(8)  # its thread ends before the next test


def test_an_ignored_failure_warns_and_the_run_goes_on(package):
    package.edit("main.sch.yaml", "  - job:\n      id: hwm", MIDDLE + "  - job:\n      id: hwm")
    package.write("broken.sql", "SELECT nothing FROM nowhere;\n")
    package.add_source((1, 1.0, 1))
    result = package.run()
    assert result.status == "succeeded"
    assert {step.id: step.status for step in result.steps}["extra"] == "warned"


OUTER = """
version: 1
workflow:
  id: ${dataflow.package_id}.outer
jobs:
  - job:
      id: inner
      type: Subworkflow
      subworkflow:
        file: %s
      retry_delay: 0.1s
"""
FLAKY = """
import pathlib


def main(args, spark):
    seen = pathlib.Path(__file__).with_name("seen")
    if not seen.exists():
        seen.write_text("")
        raise RuntimeError("the first time")
"""


def test_a_workflow_in_a_workflow_in_a_workflow_is_tried_again_as_runs_of_their_own(package):
    package.write("flaky.py", FLAKY)
    package.write("one.sch.yaml", one("flaky.py"))
    package.write("middle.sch.yaml", OUTER % "one.sch.yaml")
    package.write("outer.sch.yaml", OUTER % "middle.sch.yaml" + "      retries: 1\n")
    result = package.run("outer.sch.yaml", day=None)
    assert result.status == "succeeded"
    recorded = package.records.run("last")
    assert [child["status"] for child in recorded["children"]] == ["failed", "succeeded"]
    assert [(job["attempt"], job["status"]) for job in recorded["jobs"]] == [(1, "failed"), (2, "succeeded")]


def test_a_workflow_that_takes_too_long_is_given_up_with_its_cause(package):
    package.write("slow.py", "import time\n\n\ndef main(args, spark):\n    time.sleep(3)\n")
    package.write("one.sch.yaml", one("slow.py"))
    package.write("outer.sch.yaml", OUTER % "one.sch.yaml" + "      timeout: 1s\n")
    result = package.run("outer.sch.yaml", day=None)
    assert result.status == "failed"
    assert failed(result) == ("inner", "gave up after 1 s")
    (job,) = package.records.run(result.workflow.run_id)["jobs"]
    assert (job["status"], job["error"]) == ("failed", "gave up after 1 s")


def test_a_whole_template_is_tried_again(package):
    package.write(
        "write.py", FLAKY + "    spark.sql(f\"INSERT INTO {args['TARGET_TABLE']} VALUES (1, 1D, DATE '2026-01-01')\")\n"
    )
    package.edit("main.sch.yaml", "write.sql", "write.py")
    package.edit("main.sch.yaml", "      type: wap\n", "      type: wap\n      retries: 1\n      retry_delay: 0.1s\n")
    result = package.run()
    assert result.status == "succeeded"
    assert {step.id: step.attempts for step in result.steps}["wap"] == 2
    assert package.rows() == [(1, 1)]


def test_a_mistake_in_sql_is_not_tried_again(package):
    package.write("wrong.sql", "SELECT nothing\n")
    package.write("one.sch.yaml", one("wrong.sql") + "      retries: 3\n      retry_delay: 60s\n")
    result = package.run("one.sch.yaml", day=None)
    assert result.steps[0].attempts == 1
