"""A foreach over the days that changed: what is asked, what is answered, and the mistakes that it can have."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from dataflow.workflow.changed_dates import ChangedQuestion, DatesFound
from dataflow.workflow.dates import ChangedSource
from dataflow.workflow.load import Request
from dataflow.workflow.resolved import ForeachStep, Workflow

if TYPE_CHECKING:
    from collections.abc import Callable

    Load = Callable[..., Workflow]
    Edit = Callable[..., None]
    Mistakes = Callable[..., list[str]]

DAY = dt.date(2026, 1, 31)
CHANGED = "changed:\n          - ${SOURCE_TABLE}\n        last: ${LOOKBACK_DAYS}"


@pytest.fixture(autouse=True)
def over_changes(edit: Edit) -> None:
    edit("daily.sch.yaml", "last: ${LOOKBACK_DAYS}", CHANGED)


def foreach(workflow: Workflow) -> ForeachStep:
    (step,) = workflow.steps
    assert isinstance(step, ForeachStep)
    return step


def answer(*dates: str) -> tuple[list[ChangedQuestion], Callable[[ChangedQuestion], DatesFound]]:
    asked: list[ChangedQuestion] = []

    def look(question: ChangedQuestion) -> DatesFound:
        asked.append(question)
        return DatesFound(dates)

    return asked, look


def test_the_workflow_that_runs_says_what_its_source_is_and_where_the_mark_stands(load: Load) -> None:
    asked, look = answer("2026-01-05", "2026-01-30")
    daily = load("daily.sch.yaml", Request(date=DAY, look=look))
    (question,) = asked
    assert question.sources == (ChangedSource(table="demo.playback"),)
    assert question.targets == ("alice_sandbox.alice_titles_results",)
    assert (question.last, question.max, question.in_order, question.yesterday) == (3, 30, False, DAY)
    assert question.environment.params["TARGET_DB"] == "alice_sandbox"
    assert [item.value for item in foreach(daily).items] == ["2026-01-05", "2026-01-30"]


def test_a_parameter_of_the_command_line_decides_what_is_asked(load: Load) -> None:
    asked, look = answer("2026-01-05")
    load("daily.sch.yaml", Request(date=DAY, look=look, params={"SOURCE_TABLE": "`my.db`.rows"}))
    assert [it.table for it in asked[0].sources] == ["`my.db`.rows"]


def test_no_day_at_all_is_a_step_without_items(load: Load) -> None:
    _, look = answer()
    step = foreach(load("daily.sch.yaml", Request(date=DAY, look=look)))
    assert (step.items, step.dates, step.on_failure) == ((), (), "stop")


def test_who_only_checks_a_definition_sees_the_last_days(load: Load) -> None:
    step = foreach(load("daily.sch.yaml", Request(date=DAY)))
    assert [item.value for item in step.items] == ["2026-01-29", "2026-01-30", "2026-01-31"]


def test_a_source_may_name_its_columns_and_days_may_depend_on_each_other(load: Load, edit: Edit) -> None:
    named = "table: ${SOURCE_TABLE}\n            column: ts\n            day: event_date\n          - db.more"
    edit("daily.sch.yaml", "${SOURCE_TABLE}", f"{named}\n        from: earliest changed\n        max: 7")
    edit("daily.sch.yaml", "      parallel: 2\n", "")
    asked, look = answer("2026-01-05")
    load("daily.sch.yaml", Request(date=DAY, look=look))
    assert asked[0].sources == (
        ChangedSource(table="demo.playback", column="ts", day="event_date"),
        ChangedSource(table="db.more"),
    )
    assert (asked[0].in_order, asked[0].max) == (True, 7)
    assert [it.day_column for it in asked[0].sources] == ["event_date", None]


def test_days_of_instants_are_cut_where_the_first_trigger_is_or_where_a_source_says(load: Load, edit: Edit) -> None:
    asked, look = answer()
    load("daily.sch.yaml", Request(date=DAY, look=look))
    edit("daily.sch.yaml", "timezone: UTC", "timezone: Europe/Berlin")
    edit("daily.sch.yaml", "- ${SOURCE_TABLE}", "- {table: db.more, timezone: '${ZONE}'}")
    edit("main.sch.yaml", "params:\n", "params:\n  ZONE: Asia/Tokyo\n")
    load("daily.sch.yaml", Request(date=DAY, look=look))
    assert [it.zone for it in asked] == ["UTC", "Europe/Berlin"]
    assert asked[1].sources[0].timezone == "Asia/Tokyo"
    assert [it.arrival_column for it in asked[1].sources] == [None]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("${SOURCE_TABLE}", "{table: db.plays, column: Day, day: day}",
         "16:13: item 1 of 'changed': 'column' and 'day' are both day: name one of them"),
        ("${SOURCE_TABLE}", "{table: db.plays, timezone: Europe/Berln}",
         "16:13: unknown time zone 'Europe/Berln'; write it as Europe/Berlin or UTC"),
        ("${SOURCE_TABLE}", "${SOURCE_TABEL}",
         "16:13: undefined parameter 'SOURCE_TABEL'; did you mean 'SOURCE_TABLE'?"),
        ("${SOURCE_TABLE}", "${dataflow.eahc}",
         "16:13: unknown built-in 'dataflow.eahc'; did you mean 'dataflow.env'?"),
        ("${SOURCE_TABLE}", "db..plays",
         "16:13: 'table': 'db..plays' is not a table's name: write database.table, "
         "in backticks what holds a dot"),
        ("\n          - ${SOURCE_TABLE}", " []", "15:18: 'changed' needs at least one item"),
        ("${SOURCE_TABLE}", "{table: db.plays, dya: d}", "16:31: unknown key 'dya'; did you mean 'day'?"),
        ("${LOOKBACK_DAYS}", "1\n        max: 0", "18:14: 'max' should be at least 1, not 0"),
        ("${LOOKBACK_DAYS}", "1\n        from: yesterday",
         "18:15: 'from' can't be 'yesterday'; valid here: earliest changed"),
        ("${LOOKBACK_DAYS}", "1\n        from: earliest changed",
         "12:5: 'foreach': 'from: earliest changed' runs one day after the other: leave out 'parallel'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_where_it_is(edit: Edit, mistakes: Mistakes, old: str, new: str, said: str) -> None:
    edit("daily.sch.yaml", old, new)
    assert mistakes("daily.sch.yaml") == [f"daily.sch.yaml:{said}"]


def test_changes_need_a_mark_that_remembers_them(edit: Edit, mistakes: Mistakes) -> None:
    edit("main.sch.yaml", "type: HWM", "type: Notification")
    edit("main.sch.yaml", "hwm:\n        table: ${TARGET_TABLE}\n        datetime: ${EXECUTION_DATE}",
         "notification:\n        to: [owner]\n        subject: done")  # fmt: skip
    assert mistakes("daily.sch.yaml") == [
        "daily.sch.yaml:16:11: changes are remembered by a high-water mark, and the job here has no HWM job"
    ]


def test_a_trigger_by_tables_names_them_as_the_workflow_that_runs_does(load: Load, edit: Edit) -> None:
    edit("daily.sch.yaml", "  timezone: UTC", "  tables:\n    - ${SOURCE_TABLE}\n    - db.titles")
    trigger = load("daily.sch.yaml").trigger
    assert trigger is not None
    assert (trigger.cron, trigger.tables) == ("0 3 * * *", ["demo.playback", "db.titles"])
    assert trigger.text == "0 3 * * * UTC; when demo.playback and db.titles have a new day"


def test_a_trigger_says_when(edit: Edit, mistakes: Mistakes) -> None:
    edit("daily.sch.yaml", '  cron: "0 3 * * *"\n', "")
    assert mistakes("daily.sch.yaml") == ["daily.sch.yaml:4:1: 'trigger': needs 'cron', 'tables' or both"]
    edit("daily.sch.yaml", "  timezone: UTC", "  tables:\n    - ${SOURCE_TABEL}")
    assert mistakes("daily.sch.yaml") == [
        "daily.sch.yaml:6:5: undefined parameter 'SOURCE_TABEL'; did you mean 'SOURCE_TABLE'?"
    ]
