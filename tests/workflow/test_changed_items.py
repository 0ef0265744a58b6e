"""Definitions whose foreach goes over the items that changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dataflow.workflow.changed_dates import ChangedQuestion, DatesFound
from dataflow.workflow.dates import ChangedSource
from dataflow.workflow.load import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflow.workflow.resolved import Workflow

    Load = Callable[..., Workflow]
    Edit = Callable[..., None]
    Mistakes = Callable[..., list[str]]

ITEMS = """items:
        changed:
          - ${SOURCE_TABLE}
          - table: db.more
            column: land
        column: country"""


@pytest.fixture(autouse=True)
def by_country(edit: Edit) -> None:
    edit("main.sch.yaml", "datetime: ${EXECUTION_DATE}", "item: ${COUNTRY}")
    edit("main.sch.yaml", "params:\n", "params:\n  COUNTRY: DE\n")
    edit("daily.sch.yaml", "dates:\n        last: ${LOOKBACK_DAYS}", ITEMS)
    edit("daily.sch.yaml", "params:\n  LOOKBACK_DAYS: 3\n", "")
    edit("daily.sch.yaml", "EXECUTION_DATE: ${dataflow.each}", "COUNTRY: ${dataflow.each}")


def test_items_are_asked_for_by_the_column_and_the_marks_of_items(load: Load) -> None:
    asked: list[ChangedQuestion] = []

    def look(question: ChangedQuestion) -> DatesFound:
        asked.append(question)
        return DatesFound(("AT", "DE"), cadence=None)

    (step,) = load("daily.sch.yaml", Request(look=look)).steps
    assert asked[0].sources == (ChangedSource(table="demo.playback"), ChangedSource(table="db.more", column="land"))
    assert (asked[0].column, asked[0].targets, asked[0].max) == ("country", ("alice_sandbox.alice_titles_results",), 30)
    assert [(it.value, it.step.workflow.params["COUNTRY"]) for it in step.items] == [("AT", "AT"), ("DE", "DE")]
    assert step.unit == "item"


def test_who_only_checks_a_definition_sees_one_item_that_stands_for_any(load: Load) -> None:
    (step,) = load("daily.sch.yaml").steps
    assert step.dates == ("ITEM",)


def test_what_is_wrong_is_told_with_its_place(mistakes: Mistakes, edit: Edit) -> None:
    edit("daily.sch.yaml", "        column: country", "        colum: country")
    assert mistakes("daily.sch.yaml") == ["daily.sch.yaml:17:9: unknown key 'colum'; did you mean 'column'?"]
    edit("daily.sch.yaml", "        colum: country", "        column: country")
    edit("main.sch.yaml", "item: ${COUNTRY}", "datetime: ${EXECUTION_DATE}")
    assert mistakes("daily.sch.yaml") == [
        "daily.sch.yaml:14:11: changes are remembered by a high-water mark, and the job here has no HWM job with 'item'"
    ]
    edit("main.sch.yaml", "datetime: ${EXECUTION_DATE}", "datetime: ${EXECUTION_DATE}\n        item: ${COUNTRY}")
    assert "needs either 'datetime' or 'item'" in mistakes("main.sch.yaml")[0]
