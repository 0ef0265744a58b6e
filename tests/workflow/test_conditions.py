"""A step that runs only where a parameter has a value, or on some days of the week."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import jsonschema
import pytest
import yaml

from dataflow.runner.plan import plan_run
from dataflow.workflow.json_schema import json_schema
from dataflow.workflow.load import Request
from dataflow.workflow.resolved import ForeachStep, Workflow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Load = Callable[..., Workflow]
    Mistakes = Callable[..., list[str]]
    Write = Callable[..., str]

SATURDAY, SUNDAY, MONDAY = (dt.date(2026, 1, 31) + dt.timedelta(days=n) for n in range(3))
TEXT = """\
version: 1
workflow: {id: w, owner: alice}
params: {MODE: daily, N: 007, EXECUTION_DATE: "${dataflow.yesterday}"}
jobs:
  - job:
      id: step
      when: %s
      type: Metadata
      metadata: {table: a.t, owner: o}
  - job: {id: after, type: Metadata, metadata: {table: a.u, owner: o}}
"""
WRITE = "{id: w, type: Spark, spark: {script: ddl.sql}}"


@pytest.fixture
def write(package: Path) -> Write:
    """Write a definition whose first step has this condition; return its name."""

    def written(when: str, text: str = TEXT) -> str:
        (package / "w.sch.yaml").write_text(text % when)
        return "w.sch.yaml"

    return written


@pytest.mark.parametrize(
    ("when", "request_", "why"),
    [
        ("{param: MODE, is: daily}", Request(), None),
        ("{param: MODE, is: [full, daily]}", Request(), None),
        ("{param: MODE, is: full}", Request(), "MODE is daily, not full"),
        ("{param: MODE, is: full}", Request(params={"MODE": "full"}), None),
        ("{param: MODE, is: [full, half]}", Request(), "MODE is daily, not full or half"),
        ("{param: N, is: 007}", Request(), None),
        ("{param: N, is: 7}", Request(), "N is 007, not 7"),
        ('{param: MODE, is: "${N}"}', Request(), "MODE is daily, not 007"),
        ("{param: dataflow.env, is: production}", Request(), "dataflow.env is sandbox, not production"),
        ("{day: [mon, thu]}", Request(date=MONDAY), None),
        ("{day: [mon, thu]}", Request(date=SUNDAY), "2026-02-01 is a sun, not a mon or thu"),
        ("{day: sat}", Request(date=SATURDAY), None),
        ("{param: MODE, is: daily, day: sat}", Request(date=SUNDAY), "2026-02-01 is a sun, not a sat"),
        ("{param: MODE, is: full, day: sun}", Request(date=SUNDAY), "MODE is daily, not full"),
    ],
)
def test_a_step_is_left_out_where_its_condition_does_not_hold(
    when: str, request_: Request, why: str | None, write: Write, load: Load
) -> None:
    workflow = load(write(when), request_)
    step, after = workflow.steps
    assert (step.left_out, after.left_out) == (why, None)
    assert workflow.needs["after"] == {"step"}, "it still comes after it"
    assert [it.id for it in workflow.leaf_steps()] == ["step", "after"], "lineage and checks see all steps"


def test_a_plan_says_what_is_left_out_and_why(write: Write, load: Load) -> None:
    plan = plan_run(load(write("{day: mon}"), Request(date=SUNDAY)))
    assert "left out: 2026-02-01 is a sun, not a mon\n" in plan.render_text()
    assert [step["left_out"] for step in plan.to_dict()["steps"]] == ["2026-02-01 is a sun, not a mon", None]


def test_inside_a_foreach_each_date_has_its_day(write: Write, load: Load) -> None:
    text = (
        "version: 1\nworkflow: {id: w, owner: alice}\njobs:\n  - foreach:\n      id: each\n"
        "      dates: {from: 2026-01-31, to: 2026-02-02}\n"
        "      job: {id: m, when: %s, type: Metadata, metadata: {table: a.t, owner: o}}\n"
    )
    (each,) = load(write("{day: [mon, sun]}", text)).steps
    assert isinstance(each, ForeachStep)
    assert [item.step.left_out for item in each.items] == ["2026-01-31 is a sat, not a mon or sun", None, None]


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        ("template", f"{{id: s, when: %s, type: wap, table: a.t, write: [{{job: {WRITE}}}]}}"),
        ("foreach", "{id: s, when: %s, items: [a], job: {id: m, type: Metadata, metadata: {table: a.t, owner: o}}}"),
        ("job", "{id: s, when: %s, type: Subworkflow, subworkflow: {file: main.sch.yaml}}"),
    ],
)
def test_every_kind_of_step_may_have_one(kind: str, step: str, write: Write, load: Load) -> None:
    head = "version: 1\nworkflow: {id: w, owner: alice}\nparams: {MODE: daily, TARGET_TABLE: a.t}\n"
    text = f"{head}jobs:\n  - {kind}: {step}\n"
    (found,) = load(write("{param: MODE, is: full}", text)).steps
    assert found.left_out == "MODE is daily, not full"


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("{param: MDOE, is: full}", "7:21: undefined parameter 'MDOE'; did you mean 'MODE'?"),
        ("{param: MODE}", "needs 'param' with 'is', or 'day'"),
        ("{is: full}", "needs 'param' with 'is', or 'day'"),
        ("{}", "needs 'param' with 'is', or 'day'"),
        ("{day: []}", "needs at least one item"),
        ("{day: monday}", "did you mean 'mon'?"),
        ("{param: MODE, equals: full}", "equals"),
        ("MODE == full", "when"),
    ],
)
def test_a_condition_that_is_none_is_a_mistake_at_its_place(
    when: str, expected: str, write: Write, mistakes: Mistakes
) -> None:
    found = mistakes(write(when))
    assert any(expected in it and it.startswith("w.sch.yaml:7:") for it in found), found


@pytest.mark.parametrize(
    ("when", "fits"),
    [
        ({"param": "MODE", "is": "full"}, True),
        ({"param": "MODE", "is": ["full", 1]}, True),
        ({"day": "mon"}, True),
        ({"day": ["mon", "sun"]}, True),
        ({"param": "MODE"}, False),
        ({"day": ["monday"]}, False),
        ({}, False),
    ],
)
def test_editors_know_of_conditions(when: dict[str, object], fits: bool) -> None:
    definition = yaml.safe_load(TEXT % "x")
    definition["jobs"][0]["job"]["when"] = when
    assert jsonschema.Draft202012Validator(json_schema()).is_valid(definition) is fits
