"""Definitions that run for hours, weeks and months: what they are given, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dataflow.errors import UsageError
from dataflow.workflow.changed_dates import ChangedQuestion, DatesFound
from dataflow.workflow.load import Request
from dataflow.workflow.periods import Cadence

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflow.workflow.resolved import Workflow

    Load = Callable[..., Workflow]
    Edit = Callable[..., None]
    Mistakes = Callable[..., list[str]]


@pytest.fixture
def paced(edit: Edit) -> Callable[[str], None]:
    """Give the definitions of the package a cadence."""

    def change(cadence: str) -> None:
        edit("main.sch.yaml", "version: 1\n", f"version: 1\ncadence: {cadence}\n")
        edit("daily.sch.yaml", "version: 1\n", f"version: 1\ncadence: {cadence}\n")
        edit("main.sch.yaml", "${dataflow.yesterday}", f"${{dataflow.{Cadence(cadence).built_in}}}")

    return change


@pytest.mark.parametrize(
    ("cadence", "date", "days"),
    [
        ("hourly", "2026-01-01 01:00", ["2025-12-31T23:00", "2026-01-01T00:00", "2026-01-01T01:00"]),
        ("weekly", "2026-01-07", ["2025-12-22", "2025-12-29", "2026-01-05"]),
        ("monthly", "2026-01", ["2025-11-01", "2025-12-01", "2026-01-01"]),
    ],
)
def test_the_last_periods_end_with_the_date_that_is_asked_for(
    load: Load, paced: Callable[[str], None], cadence: str, date: str, days: list[str]
) -> None:
    paced(cadence)
    (step,) = load("daily.sch.yaml", Request(date=date)).steps
    assert [it.value for it in step.items] == days
    assert [it.step.workflow.params["EXECUTION_DATE"] for it in step.items] == days
    assert (step.unit, step.items[0].step.workflow.cadence) == (Cadence(cadence).unit, cadence)
    main = load("main.sch.yaml", Request(date=date))
    assert (main.params["EXECUTION_DATE"], main.steps[1].template.partition) == (days[-1], {"date": days[-1]})


@pytest.mark.parametrize(
    ("cadence", "span", "days"),
    [
        ("hourly", ("2026-03-29T01", "2026-03-29T03"), ["2026-03-29T01:00", "2026-03-29T02:00", "2026-03-29T03:00"]),
        ("weekly", ("2025-W52", "2026-01-04"), ["2025-12-22", "2025-12-29"]),
        ("monthly", ("2025-12", "2026-01"), ["2025-12-01", "2026-01-01"]),
    ],
)
def test_a_range_goes_from_period_to_period(
    load: Load, edit: Edit, paced: Callable[[str], None], cadence: str, span: tuple[str, str], days: list[str]
) -> None:
    paced(cadence)
    edit("daily.sch.yaml", "last: ${LOOKBACK_DAYS}", f"from: {span[0]}\n        to: {span[1]}")
    edit("daily.sch.yaml", "params:\n  LOOKBACK_DAYS: 3\n", "")
    (step,) = load("daily.sch.yaml").steps
    assert list(step.dates) == days


def test_a_date_of_another_cadence_is_refused_with_what_is_expected(load: Load, paced: Callable[[str], None]) -> None:
    with pytest.raises(UsageError) as found:
        load("main.sch.yaml", Request(date="2026-01-29T05"))
    assert (found.value.message, found.value.hint) == (
        "'2026-01-29T05' is not a date",
        "write it as YYYY-MM-DD, for example 2026-01-31",
    )
    paced("weekly")
    with pytest.raises(UsageError) as found:
        load("main.sch.yaml", Request(date="2026-01"))
    assert (found.value.message, found.value.hint) == (
        "'2026-01' is not a week",
        "write it as YYYY-Www, for example 2026-W05, or as a date in it",
    )


def test_parameters_are_read_by_the_cadence_of_the_definition_that_has_them(
    load: Load, mistakes: Mistakes, edit: Edit, paced: Callable[[str], None]
) -> None:
    paced("weekly")
    assert (
        load("main.sch.yaml", Request(params={"EXECUTION_DATE": "2026-W05"})).params["EXECUTION_DATE"] == "2026-01-26"
    )
    edit("main.sch.yaml", "cadence: weekly", "cadence: hourly")
    edit("main.sch.yaml", "last_week", "last_hour")
    assert mistakes("daily.sch.yaml", Request(date="2026-W05"))[0] == (
        "daily.sch.yaml:24:29: EXECUTION_DATE should be an hour such as 2026-01-31T05, not '2026-01-12'"
    )
    edit("main.sch.yaml", "cadence: hourly", "cadence: hourlly")
    assert mistakes("main.sch.yaml")[0].startswith(
        "main.sch.yaml:2:10: 'cadence' can't be 'hourlly'; did you mean 'hourly'?"
    )


def test_what_changed_is_asked_for_in_periods_of_the_cadence(
    load: Load, edit: Edit, paced: Callable[[str], None]
) -> None:
    paced("hourly")
    edit("daily.sch.yaml", "last: ${LOOKBACK_DAYS}", "changed:\n          - ${SOURCE_TABLE}\n        last: 2")
    edit("daily.sch.yaml", "params:\n  LOOKBACK_DAYS: 3\n", "")
    asked: list[ChangedQuestion] = []

    def look(question: ChangedQuestion) -> DatesFound:
        asked.append(question)
        return DatesFound(("2026-01-29T05:00",), cadence=question.cadence)

    (step,) = load("daily.sch.yaml", Request(date="2026-01-29T06", look=look)).steps
    assert [str(it) for it in asked[0].last_ones] == ["2026-01-29T05:00", "2026-01-29T06:00"]
    assert [it.value for it in step.items] == ["2026-01-29T05:00"]


def test_conditions_on_days_of_the_week_are_about_the_day_of_an_hour(
    load: Load, edit: Edit, paced: Callable[[str], None]
) -> None:
    paced("hourly")
    edit("main.sch.yaml", "      id: ddl\n", "      id: ddl\n      when:\n        day: mon\n")
    workflow = load("main.sch.yaml", Request(date="2026-01-29T05"))
    assert workflow.steps[0].left_out == "2026-01-29 is a thu, not a mon"
    (step,) = load("daily.sch.yaml", Request(date="2026-01-26T01")).steps
    left_out = [item.step.workflow.steps[0].left_out for item in step.items]
    assert left_out == ["2026-01-25 is a sun, not a mon", None, None], "each hour has a day of its own"
