"""What a workflow runs, audits and writes, asked in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dataflow.workflow.load import Request, load_workflow
from dataflow.workflow.models import HwmJob, MetadataJob

if TYPE_CHECKING:
    from pathlib import Path

    from dataflow.workflow.resolved import Workflow

INNER = """
version: 1
workflow: {id: inner}
params: {DAY: "2026-01-01"}
jobs:
  - job: {id: ddl, type: Spark, spark: {script: ddl.sql}}
  - template:
      id: wap
      type: wap
      table: db.plays
      write:
        - job: {id: first, type: Spark, spark: {script: first.sql, params: {N: "1"}}}
        - job: {id: second, type: Spark, spark: {script: second.py}}
      audits:
        - {function: columns_should_not_have_nulls, columns: [a]}
        - {function: python_should_pass, script: check.py}
  - job: {id: hwm, type: HWM, hwm: {table: db.plays, datetime: "${DAY}"}}
"""

OUTER = """
version: 1
workflow: {id: outer}
jobs:
  - job: {id: metadata, type: Metadata, metadata: {table: db.days, owner: alice, primary_key: [day]}}
  - foreach:
      id: each
      dates: {from: 2026-01-01, to: 2026-01-02}
      job: {id: main, type: Subworkflow, subworkflow: {file: inner.sch.yaml, params: {DAY: "${dataflow.each}"}}}
  - foreach:
      id: program
      dates: {from: 2026-01-01, to: 2026-01-02}
      job: {id: one, type: Spark, spark: {script: one.py, params: {D: "${dataflow.each}"}}}
  - foreach:
      id: marks
      dates: {from: 2026-01-01, to: 2026-01-02}
      job: {id: mark, type: HWM, hwm: {table: "db.t_${dataflow.each}", datetime: "${dataflow.each}"}}
  - job:
      id: audit
      type: Audit
      audit:
        table: db.days
        audits:
          - {function: sql_should_return_no_rows, script: audit.sql}
"""


@pytest.fixture
def outer(tmp_path: Path) -> Workflow:
    (tmp_path / "inner.sch.yaml").write_text(INNER)
    (tmp_path / "outer.sch.yaml").write_text(OUTER)
    for name in ("ddl.sql", "first.sql", "second.py", "check.py", "audit.sql", "one.py"):
        (tmp_path / name).write_text("")
    return load_workflow(tmp_path / "outer.sch.yaml", Request())


@pytest.fixture
def inner(outer: Workflow) -> Workflow:
    return next(each for each in outer.walk() if each.id == "inner")


def test_scripts_of_jobs_and_templates_come_in_running_order_with_the_table_that_is_published(inner: Workflow) -> None:
    found = [(it.job, it.spec.script, it.target) for it in inner.spark_specs()]
    assert found == [
        ("ddl", "ddl.sql", None),
        ("wap.first", "first.sql", "db.plays"),
        ("wap.second", "second.py", "db.plays"),
    ]
    first = list(inner.spark_specs())[1]
    assert (first.path, first.is_sql) == (inner.folder / "first.sql", True)
    assert (first.params["N"], first.params["DAY"]) == ("1", "2026-01-01")


def test_a_foreach_runs_the_script_of_its_first_date_or_of_each(outer: Workflow) -> None:
    assert [it.params["D"] for it in outer.spark_specs()] == ["2026-01-01"]
    assert [it.params["D"] for it in outer.spark_specs(every_date=True)] == ["2026-01-01", "2026-01-02"]


def test_scripts_of_contained_workflows_stand_in_their_step_s_place_and_are_named_behind_it(outer: Workflow) -> None:
    found = [it.job for it in outer.spark_specs(contained=True)]
    assert found == ["each.ddl", "each.wap.first", "each.wap.second", "program"]
    assert len(list(outer.spark_specs(contained=True, every_date=True))) == 2 * len(found)
    assert {it.workflow.id for it in outer.spark_specs(contained=True)} == {"inner", "outer"}


def test_contained_workflows_are_those_of_every_date_or_of_the_first(outer: Workflow) -> None:
    assert [it.id for it in outer.walk()] == ["outer", "inner", "inner"]
    assert [it.id for it in outer.walk(every_date=False)] == ["outer", "inner"]


def test_steps_within_a_foreach_are_marked_contained_ones_included(outer: Workflow) -> None:
    found = {leaf.id: leaf.in_foreach for leaf in outer.leaf_steps(contained=True)}
    assert found == {
        "metadata": False,
        "each.ddl": True,
        "each.wap": True,
        "each.hwm": True,
        "program": True,
        "marks": True,
        "audit": False,
    }


def test_audits_of_templates_and_jobs_are_known_with_their_table(outer: Workflow, inner: Workflow) -> None:
    assert [(it.table, it.audit.function) for it in inner.audits()] == [
        ("db.plays", "columns_should_not_have_nulls"),
        ("db.plays", "python_should_pass"),
    ]
    assert [(it.table, it.audit.script_name) for it in outer.audits()] == [("db.days", "audit.sql")]


def test_scripts_of_audits_are_run_as_well(outer: Workflow, inner: Workflow) -> None:
    assert list(inner.script_names()) == [
        ("ddl.sql", {}),
        ("first.sql", {"N": "1"}),
        ("second.py", {}),
        ("check.py", {}),
    ]
    assert [path.name for path in outer.python_scripts] == ["one.py", "second.py", "check.py"]


def test_what_is_declared_to_be_written_are_tables_of_templates_metadata_and_marks_of_every_date(
    outer: Workflow, inner: Workflow
) -> None:
    assert inner.target_tables == ("db.plays",)
    assert outer.target_tables == ("db.days", "db.t_2026-01-01", "db.t_2026-01-02")


def test_jobs_are_found_by_their_type(outer: Workflow) -> None:
    assert [job.metadata.primary_key for job in outer.jobs(MetadataJob)] == [["day"]]
    assert [job.hwm.datetime for job in outer.jobs(HwmJob)] == ["2026-01-01"]
    assert [job.hwm.datetime for job in outer.jobs(HwmJob, every_date=True)] == ["2026-01-01", "2026-01-02"]
