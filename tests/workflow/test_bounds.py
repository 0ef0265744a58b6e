"""What a few lines can stand for is bounded: parameters of parameters, workflows of workflows, dates of years."""

from __future__ import annotations

import dataclasses
import time

import pytest

from dataflow.errors import DefinitionError
from dataflow.runner.plan import plan_run
from dataflow.tables.schema.spark_types import parse_type
from dataflow.workflow.load import Request, load_workflow
from dataflow.workflow.parameters import MAX_VALUE, substitute

HEAD = "version: 1\nworkflow: {id: x, owner: o}\n"
LEAF = HEAD + "jobs:\n  - job: {id: n, type: Notification, notification: {to: [a@b.c], subject: s, message: m}}\n"


def call(id_, file, params=""):
    return f"  - job: {{id: {id_}, type: Subworkflow, subworkflow: {{file: ./{file}{params}}}}}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_USER", "alice")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mistakes(file, **request):
    with pytest.raises(DefinitionError) as caught:
        load_workflow(file, Request(**request))
    return str(caught.value)


def test_parameters_of_parameters_grow_to_a_bound(folder):
    lines, before = ['  A: "0123456789"'], "A"
    for name in "BCDEFGHIJ":
        lines.append(f"  {name}: {f'${{{before}}}' * 10}")
        before = name
    (folder / "x.sch.yaml").write_text(HEAD + "params:\n" + "\n".join(lines) + LEAF.removeprefix(HEAD).join(["\n", ""]))
    assert mistakes(folder / "x.sch.yaml") == f"x.sch.yaml:8:6: this becomes longer than {MAX_VALUE:,} characters"


def test_a_script_grows_to_a_bound(folder):
    with pytest.raises(DefinitionError, match="longer than 10,000,000 characters"):
        substitute("${A}" * 200, {"A": "x" * 99_999}, where=folder / "x.sql")


def test_workflows_of_workflows_are_counted_before_any_is_loaded(folder):
    for level in range(5):
        jobs = "".join(call(f"m{n}", f"fan{level + 1}.sch.yaml") for n in range(40))
        (folder / f"fan{level}.sch.yaml").write_text(f"{HEAD}jobs:\n{jobs}")
    (folder / "fan5.sch.yaml").write_text(LEAF)
    began = time.monotonic()
    said = mistakes(folder / "fan0.sch.yaml")
    assert said == "fan0.sch.yaml:4:3: this comes to 105,025,641 workflows inside one another; 50,000 are the most"
    assert time.monotonic() - began < 5


def test_dates_of_dates_are_counted_after_the_first(folder):
    each = "  - foreach:\n      id: f\n      dates: {last: 10000}\n      job: {id: m, type: Subworkflow, subworkflow: "
    each += "{file: ./%s}}\n"
    (folder / "outer.sch.yaml").write_text(f"{HEAD}jobs:\n{each % 'inner.sch.yaml'}")
    (folder / "inner.sch.yaml").write_text(f"{HEAD}jobs:\n{each % 'leaf.sch.yaml'}".replace("10000", "100"))
    (folder / "leaf.sch.yaml").write_text(LEAF)
    assert "outer.sch.yaml:6:14: this comes to 1,010,001 workflows" in mistakes(folder / "outer.sch.yaml")


def test_workflows_are_contained_in_one_another_to_a_bound(folder):
    for level in range(200):
        (folder / f"w{level}.sch.yaml").write_text(f"{HEAD}jobs:\n{call('m', f'w{level + 1}.sch.yaml')}")
    (folder / "w200.sch.yaml").write_text(LEAF)
    assert "w50.sch.yaml:4:57: workflows are contained in one another more than 50 deep" in mistakes(
        folder / "w0.sch.yaml"
    )


def test_a_plan_of_27_years_looks_at_its_ends_and_says_the_same(folder):
    (folder / "day.sch.yaml").write_text(
        HEAD + "params: {EXECUTION_DATE: '${dataflow.yesterday}', T: db.t}\njobs:\n"
        '  - job: {id: h, type: HWM, hwm: {table: "${T}", datetime: "${EXECUTION_DATE}", timezone: UTC}}\n'
    )
    text = (
        f"{HEAD}jobs:\n  - foreach:\n      id: f\n      dates: {{from: 1999-01-01, to: 2025-12-31}}\n"
        "      job: {id: m, type: Subworkflow, subworkflow: {file: ./day.sch.yaml,"
        ' params: {EXECUTION_DATE: "${dataflow.each}"}}}\n'
    )
    (folder / "all.sch.yaml").write_text(text)
    began = time.monotonic()
    found = plan_run(load_workflow(folder / "all.sch.yaml", Request(ends_only=True)))
    assert time.monotonic() - began < 5
    (step,) = found.steps
    assert (len(step.dates), step.dates[0], step.dates[-1]) == (9862, "1999-01-01", "2025-12-31")
    (folder / "all.sch.yaml").write_text(text.replace("1999-01-01", "2025-12-20"))
    whole, ends = (
        plan_run(load_workflow(folder / "all.sch.yaml", Request(ends_only=it, run_id="r"))) for it in (False, True)
    )
    assert dataclasses.asdict(whole) == dataclasses.asdict(ends)


def test_a_statement_is_nested_to_a_bound(folder):
    (folder / "deep.sql").write_text(f"INSERT INTO a.b SELECT {'(' * 3000}1{')' * 3000}")
    (folder / "x.sch.yaml").write_text(f"{HEAD}jobs:\n  - job: {{id: d, type: Spark, spark: {{script: ./deep.sql}}}}\n")
    with pytest.raises(DefinitionError, match=r"deep\.sql:1:1: a statement is nested too deep to be read"):
        plan_run(load_workflow(folder / "x.sch.yaml"))


def test_a_type_is_nested_to_a_bound():
    assert str(parse_type("array<" * 49 + "int" + ">" * 49)).startswith("array<array<")
    for text in ("array<" * 1000 + "int" + ">" * 1000, "struct<a:" * 1000, "map<int," * 3000):
        with pytest.raises(ValueError, match="nested more than 50 deep"):
            parse_type(text)
