"""An audit of the table's primary key, whose columns the definition lists once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflow.workflow.resolved import Workflow

    Load = Callable[..., Workflow]
    Define = Callable[..., None]
    Mistakes = Callable[..., list[str]]

KEY = "- job: {id: m, type: Metadata, metadata: {table: a.t, owner: o, primary_key: [day, id]}}\n"
WRITE = "[{job: {id: w, type: Spark, spark: {script: ddl.sql}}}]"
WAP = (
    "- template: {id: wap, type: wap, table: %s, write: "
    + WRITE
    + ", audits: [{function: columns_should_be_unique%s}]}\n"
)
AUDIT = "{id: a, type: Audit, audit: {table: %s, audits: [{function: columns_should_be_unique}]}}"
PARAMS = "params: {TARGET_TABLE: a.t}\n"


def columns(workflow: Workflow) -> list[tuple[str, ...]]:
    return [tuple(found.audit.named_columns) for found in workflow.audits()]


@pytest.mark.parametrize(
    "audited",
    [
        WAP % ("a.t", ""),
        WAP % ("'`a`.T'", ""),
        WAP % ("'${TARGET_TABLE}'", ""),
        f"- job: {AUDIT % 'a.t'}\n",
        "- foreach: {id: each, dates: {last: 2}, job: " + AUDIT % "a.t" + "}\n",
    ],
    ids=["template", "spelled otherwise", "by parameter", "job", "job for each date"],
)
@pytest.mark.parametrize("key_first", [True, False])
def test_unique_are_the_columns_that_the_metadata_job_calls_the_key(
    audited: str, key_first: bool, load: Load, definition: Define
) -> None:
    definition(KEY + audited if key_first else audited + KEY, PARAMS)
    assert columns(load()) == [("day", "id")]


def test_columns_that_the_audit_names_are_its_own(load: Load, definition: Define) -> None:
    definition(KEY + WAP % ("a.t", ", columns: [name]"), PARAMS)
    assert columns(load()) == [("name",)]


@pytest.mark.parametrize("described", ["", KEY.replace("a.t", "a.other"), KEY.replace("[day, id]", "[]")])
def test_without_a_key_the_audit_s_line_says_what_to_add(
    described: str, mistakes: Mistakes, definition: Define
) -> None:
    definition(described + WAP % ("a.t", ""), PARAMS)
    line = 7 if described else 6
    (said,) = mistakes()
    assert said == (
        f"main.sch.yaml:{line}:130: 'columns_should_be_unique' needs 'columns': "
        "no Metadata job here gives a.t a 'primary_key'"
    )


def test_no_columns_at_all_are_a_mistake_and_not_the_key(mistakes: Mistakes, definition: Define) -> None:
    definition(KEY + WAP % ("a.t", ", columns: []"), PARAMS)
    assert len(mistakes()) == 1
