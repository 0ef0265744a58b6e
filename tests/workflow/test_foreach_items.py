"""A foreach over a list: countries, tables, whatever a parameter may be."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import jsonschema
import pytest
import yaml

from dataflow.runner.plan import plan_run
from dataflow.workflow.json_schema import json_schema
from dataflow.workflow.load import Request
from dataflow.workflow.resolved import ForeachStep, JobStep, SubworkflowStep, Workflow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Load = Callable[..., Workflow]
    Mistakes = Callable[..., list[str]]

HEAD = "version: 1\nworkflow: {id: w, owner: alice}\n"
CALLED = """\
jobs:
  - foreach:
      id: each_country
      items: %s
      job:
        id: main
        type: Subworkflow
        subworkflow:
          file: ./main.sch.yaml
          params: {SOURCE_TABLE: "demo.playback_${dataflow.each}"}
"""


@pytest.fixture
def over(package: Path) -> Callable[..., str]:
    """Write a definition whose foreach goes over these items; return its name."""

    def write(items: str, text: str = CALLED, params: str = "{}") -> str:
        (package / "each.sch.yaml").write_text(f"{HEAD}params: {params}\n{text % items}")
        return "each.sch.yaml"

    return write


def each(workflow: Workflow) -> ForeachStep:
    (step,) = workflow.steps
    assert isinstance(step, ForeachStep)
    return step


def tables(workflow: Workflow) -> list[str]:
    steps = [item.step for item in each(workflow).items]
    return [step.workflow.params["SOURCE_TABLE"] for step in steps if isinstance(step, SubworkflowStep)]


@pytest.mark.parametrize(
    ("items", "params", "request_", "expected"),
    [
        ("[DE, AT, NO]", "{}", Request(), ["DE", "AT", "NO"]),
        ("[1, 007, 1.50, true, null_]", "{}", Request(), ["1", "007", "1.50", "true", "null_"]),
        ('["${A}", "x-${A}"]', "{A: DE}", Request(), ["DE", "x-DE"]),
        ("${COUNTRIES}", "{COUNTRIES: 'DE, AT'}", Request(), ["DE", "AT"]),
        ("${COUNTRIES}", "{COUNTRIES: 'DE, AT'}", Request(params={"COUNTRIES": "FR"}), ["FR"]),
        ("[2026-01-31]", "{}", Request(), ["2026-01-31"]),
    ],
)
def test_each_item_is_put_in_as_it_is_written(
    items: str, params: str, request_: Request, expected: list[str], over: Callable[..., str], load: Load
) -> None:
    workflow = load(over(items, params=params), request_)
    assert [item.value for item in each(workflow).items] == expected
    assert tables(workflow) == [f"demo.playback_{item}" for item in expected]
    assert (each(workflow).over, each(workflow).unit) == ("items", "item")


def test_a_date_is_the_run_s_and_not_the_item_s(over: Callable[..., str], load: Load) -> None:
    workflow = load(over("[DE, AT]"), Request(date=dt.date(2026, 1, 31)))
    inner = [item.step for item in each(workflow).items]
    dates = [step.workflow.params["EXECUTION_DATE"] for step in inner if isinstance(step, SubworkflowStep)]
    assert dates == ["2026-01-31", "2026-01-31"]


def test_an_item_may_be_what_a_job_itself_is_about(over: Callable[..., str], load: Load) -> None:
    text = (
        "jobs:\n  - foreach:\n      id: e\n      items: %s\n      parallel: 2\n"
        "      job: {id: m, type: Metadata, metadata: {table: '${dataflow.each}', owner: o}}\n"
    )
    step = each(load(over("[db.one, db.two]", text)))
    steps = [item.step for item in step.items]
    assert [it.job.writes for it in steps if isinstance(it, JobStep)] == [("db.one",), ("db.two",)]
    assert step.parallel == 2


def test_a_plan_names_the_first_items_and_shows_the_first_one_s_steps(over: Callable[..., str], load: Load) -> None:
    plan = plan_run(load(over("[DE, AT, NO, FR, IT, ES]")))
    text = plan.render_text()
    assert "6 items: DE, AT, NO, FR, IT, …\n" in text
    assert "for DE:\n" in text
    (step,) = plan.to_dict()["steps"]
    assert (step["items"], step["dates"]) == (("DE", "AT", "NO", "FR", "IT", "ES"), ())


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("[DE, AT, DE]", "'DE' stands there twice: each item runs once"),
        ("'DE,,AT'", "an item should be one line of at most 200 characters, and not empty"),
        ('["a\\nb"]', "an item should be one line of at most 200 characters, and not empty"),
        ("[]", "'items' needs at least one item"),
        ("{a: b}", "'items' should be a list"),
        ("[[DE]]", "should be"),
        ("[DE]\n      dates: {last: 2}", "needs either 'dates' or 'items'"),
        ('["${NOWHERE}"]', "undefined parameter 'NOWHERE'"),
    ],
)
def test_what_is_wrong_with_items_is_said_where_it_stands(
    items: str, expected: str, over: Callable[..., str], mistakes: Mistakes
) -> None:
    found = mistakes(over(items))
    assert len(found) == 1, found
    assert expected in found[0]


def test_a_foreach_over_nothing_says_what_it_may_go_over(package: Path, mistakes: Mistakes) -> None:
    (package / "each.sch.yaml").write_text(HEAD + CALLED.replace("      items: %s\n", ""))
    found = mistakes("each.sch.yaml")
    assert any("needs either 'dates' or 'items'" in it for it in found), found


def test_a_parameter_that_is_each_item_is_not_given_for_the_run(over: Callable[..., str], mistakes: Mistakes) -> None:
    (found,) = mistakes(over("[DE]"), Request(params={"SOURCE_TABLE": "a.b"}))
    assert "'SOURCE_TABLE' is each item in turn here: choose the items, not --param SOURCE_TABLE" in found


@pytest.mark.slow
def test_too_many_items_are_refused_before_they_are_loaded(over: Callable[..., str], mistakes: Mistakes) -> None:
    (found,) = mistakes(over(f"[{', '.join(f'c{n}' for n in range(10_001))}]"))
    assert "10,000" in found or "10000" in found


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({"items": ["DE", 1, "${A}"]}, True),
        ({"items": "${COUNTRIES}"}, True),
        ({"dates": {"last": 3}}, True),
        ({"items": []}, False),
        ({"items": ["DE"], "dates": {"last": 3}}, False),
        ({}, False),
    ],
)
def test_editors_know_of_both(change: dict[str, object], fits: bool) -> None:
    definition = yaml.safe_load(HEAD + CALLED.replace("      items: %s\n", ""))
    definition["jobs"][0]["foreach"] |= change
    assert jsonschema.Draft202012Validator(json_schema()).is_valid(definition) is fits
