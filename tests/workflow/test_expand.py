"""Expansion: dates laid out, contained workflows loaded, steps put in an order that can run."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from dataflow.workflow.expansion import contained
from dataflow.workflow.load import Request
from dataflow.workflow.resolved import ForeachStep, SubworkflowStep, Workflow
from dataflow.workflow.yamlfile import read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Load = Callable[..., Workflow]
    Edit = Callable[..., None]
    Mistakes = Callable[..., list[str]]

DAY = dt.date(2026, 1, 31)


def foreach(workflow: Workflow) -> ForeachStep:
    (step,) = workflow.steps
    assert isinstance(step, ForeachStep)
    return step


def children(workflow: Workflow) -> list[Workflow]:
    return [item.step.workflow for item in foreach(workflow).items if isinstance(item.step, SubworkflowStep)]


def test_daily_runs_main_for_the_last_days(load: Load) -> None:
    daily = load("daily.sch.yaml", Request(date=DAY, run_id="r1"))
    assert foreach(daily).parallel == 2
    assert [item.value for item in foreach(daily).items] == ["2026-01-29", "2026-01-30", "2026-01-31"]
    assert [child.params["EXECUTION_DATE"] for child in children(daily)] == ["2026-01-29", "2026-01-30", "2026-01-31"]
    assert [child.run_id for child in daily.walk()] == ["r1", "r1_1", "r1_2", "r1_3"]
    assert {child.origins["EXECUTION_DATE"] for child in children(daily)} == {"caller"}
    assert all(child.builtins["yesterday"] == "2026-01-31" for child in children(daily))


def test_a_range_of_dates_includes_both_ends(load: Load, edit: Edit) -> None:
    edit("daily.sch.yaml", "last: ${LOOKBACK_DAYS}", "from: ${FROM_DATE}\n        to: 2026-02-01")
    edit("daily.sch.yaml", "LOOKBACK_DAYS: 3", "FROM_DATE: 2026-01-30")
    assert [item.value for item in foreach(load("daily.sch.yaml")).items] == ["2026-01-30", "2026-01-31", "2026-02-01"]


def test_yesterday_is_where_the_triggers_clock_is(load: Load, edit: Edit) -> None:
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        edit("daily.sch.yaml", "timezone: ", f"timezone: {zone} # ")
        expected = {
            (dt.datetime.now(dt.UTC) + dt.timedelta(hours=h)).date() for h in ((14,) if "K" in zone else (-12,))
        }
        found = dt.date.fromisoformat(load("daily.sch.yaml").builtins["today"])
        assert found in expected | {
            day - dt.timedelta(days=1) for day in expected if dt.datetime.now(dt.UTC).minute == 0
        }


def test_steps_run_in_the_order_of_the_dag(load: Load, edit: Edit) -> None:
    edit("main.sch.yaml", "jobs:\n", "dag: [hwm -> wap]\njobs:\n")
    main = load()
    assert [step.id for step in main.steps] == ["ddl", "hwm", "wap"]
    assert main.needs == {"ddl": frozenset(), "wap": {"hwm"}, "hwm": frozenset()}


def test_param_reaches_contained_workflows(load: Load) -> None:
    daily = load("daily.sch.yaml", Request(params={"SOURCE_TABLE": "my.rows"}))
    assert {child.params["SOURCE_TABLE"] for child in children(daily)} == {"my.rows"}


def test_definitions_that_contain_each_other_are_a_cycle(edit: Edit, mistakes: Mistakes) -> None:
    job = "  - job:\n      id: up\n      type: Subworkflow\n      subworkflow:\n        file: ./daily.sch.yaml\n"
    edit("main.sch.yaml", "jobs:\n", "jobs:\n" + job)
    assert mistakes("daily.sch.yaml") == [
        "main.sch.yaml:14:15: a workflow can't be part of itself: daily.sch.yaml -> main.sch.yaml -> daily.sch.yaml"
    ]


def test_each_date_is_filled_into_its_own_step(load: Load, edit: Edit) -> None:
    edit("daily.sch.yaml", "id: main", "id: main_${dataflow.each}")
    steps = [item.step.job.id for item in foreach(load("daily.sch.yaml", Request(date=DAY))).items]
    assert steps == ["main_2026-01-29", "main_2026-01-30", "main_2026-01-31"]


def test_what_contains_others_is_counted_by_its_text_alone(package: Path, edit: Edit) -> None:
    daily = package / "daily.sch.yaml"
    assert contained(daily, read_yaml) == 2
    edit("daily.sch.yaml", "file: ./main.sch.yaml", "file: ./daily.sch.yaml")
    assert contained(daily, read_yaml) == 2
    edit("daily.sch.yaml", "file: ./daily.sch.yaml", "file: ./${NAME}.sch.yaml")
    assert contained(daily, read_yaml) == 1
