"""Audits as data: what each counts, what the counts mean, and the columns that it names. No Spark."""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from pydantic import TypeAdapter

from dataflow.workflow import audits
from dataflow.workflow.audits import Audit, RowAudit, audit_models
from dataflow.workflow.audits.base import AuditColumn
from dataflow.workflow.json_schema import json_schema


@dataclass(frozen=True)
class Rows:
    """Rows of a table whose columns are all there."""

    history: Sequence[int] = ()
    source: str = "t WHERE true"

    def column(self, name: str) -> AuditColumn:
        return AuditColumn(name, f"`{name}`", name == "hours", repr)


def audit(**fields: object) -> RowAudit:
    found = TypeAdapter[Audit](Audit).validate_python(fields)
    assert isinstance(found, RowAudit)
    return found


NULLS = functools.partial(audit, function="columns_should_not_have_nulls")
COUNT = functools.partial(audit, function="row_count_should_be_between")
BETWEEN = functools.partial(audit, function="column_should_be_between")
NEAR = functools.partial(audit, function="row_count_should_be_near_history")


def test_each_module_of_the_package_is_an_audit_that_definitions_and_editors_know() -> None:
    modules = {found.name for found in pkgutil.iter_modules(audits.__path__)} - {"base"}
    functions = {model.model_fields["function"].annotation.__args__[0] for model in audit_models()}
    assert len(functions) == len(modules)
    known = {
        model["properties"]["function"]["const"]
        for model in json_schema()["$defs"].values()
        if "function" in model.get("properties", {})
    }
    assert known == functions


def test_nulls_are_counted_together_and_by_column() -> None:
    query = NULLS(columns=["a", "b"]).query(Rows())
    assert query.counts == ("count_if(`a` IS NULL OR `b` IS NULL)", "count_if(`a` IS NULL)", "count_if(`b` IS NULL)")
    assert query.offending == "SELECT * FROM t WHERE true AND (`a` IS NULL OR `b` IS NULL)"
    assert query.judge([0, 0, 0]).finding == "0 rows with NULL in a, b"
    assert query.judge([2, 0, 2]).finding == "2 rows with NULL in b"
    verdict = query.judge([3, 3, 1])
    assert (verdict.passed, verdict.figure, verdict.finding) == (False, 3, "3 rows with NULL in a, b (a: 3, b: 1)")


def test_duplicates_are_the_rows_beyond_the_first_of_a_key() -> None:
    query = audit(function="columns_should_be_unique", columns=["a.b", "c"]).query(Rows())
    assert query.counts == ("count(*) - (SELECT count(*) FROM (SELECT 1 FROM t WHERE true GROUP BY `a.b`, `c`))",)
    assert query.judge([0]).passed
    assert query.judge([1]).finding == "1 duplicate row for key (a.b, c)"
    assert query.judge([2]).finding == "2 duplicate rows for key (a.b, c)"
    assert query.offending is not None
    assert query.offending.startswith("SELECT `a.b` AS `a.b`, `c` AS `c`, count(*) AS `rows`")


@pytest.mark.parametrize(
    ("bounds", "count", "passed", "expected"),
    [
        ({"min": 1}, 0, False, "at least 1"),
        ({"max": 5}, 5, True, "at most 5"),
        ({"min": 1, "max": 5}, 6, False, "between 1 and 5"),
    ],
)
def test_the_number_of_rows_is_held_to_its_bounds(
    bounds: dict[str, int], count: int, passed: bool, expected: str
) -> None:
    verdict = COUNT(**bounds).query(Rows()).judge([count])
    assert (verdict.passed, verdict.figure, verdict.expected) == (passed, count, expected)


def test_values_outside_of_bounds_are_counted_nan_included_and_null_not() -> None:
    assert BETWEEN(column="id", min=0, max=9).query(Rows()).counts == (
        "count_if(`id` IS NOT NULL AND (`id` < 0 OR `id` > 9))",
    )
    assert BETWEEN(column="hours", max=24).query(Rows()).counts == (
        "count_if(`hours` IS NOT NULL AND (`hours` > 24 OR isnan(`hours`)))",
    )
    listed = audit(function="values_should_be_in", column="kind", values=["x", "y"]).query(Rows())
    assert listed.counts == ("count_if(`kind` IS NOT NULL AND `kind` NOT IN ('x', 'y'))",)


def test_the_number_of_rows_is_held_to_the_median_once_there_is_a_history() -> None:
    near = NEAR(tolerance=0.1, runs=3)
    assert near.history_runs == 3
    assert near.query(Rows([1, 2])).judge([7]).expected == "anything: the history has 2 of the 3 runs that it needs"
    query = near.query(Rows([100, 90, 110, 5]))
    assert query.judge([110]).passed
    assert not query.judge([111]).passed
    assert query.judge([1]).expected == "between 90 and 110: 10% around 100, the median of the last 3 runs"


def test_an_audit_says_which_columns_its_definition_names() -> None:
    assert NULLS(columns=["a", "b.c"]).named_columns == ["a", "b.c"]
    assert BETWEEN(column="id", min=0).named_columns == ("id",)
    assert COUNT(min=1).named_columns == ()


def test_rows_are_compared_with_their_source_by_number_or_by_values():
    fields = {"function": "rows_should_match_source", "source": "db.plays", "where": "date = DATE '2026-01-31'"}
    query = audit(**fields, tolerance=0.1).query(Rows())
    assert query.counts == (
        "count(*)",
        "(SELECT count(*) FROM `db`.`plays` WHERE true AND (date = DATE '2026-01-31'))",
    )
    assert query.judge([90, 100]).passed
    verdict = query.judge([89, 100])
    assert (verdict.passed, verdict.figure, verdict.finding) == (False, 89, "89 rows")
    assert verdict.expected == "100, as many as db.plays has within 0.1 of it"
    exact = audit(**fields).query(Rows()).judge([1, 0])
    assert (exact.passed, exact.expected) == (False, "0, as many as db.plays has")
    assert audit(**fields).query(Rows()).judge([0, 0]).passed

    by_values = audit(**fields, columns=["country_code", "title_id"]).query(Rows())
    missing, extra = by_values.counts
    assert missing == (
        "(SELECT count(*) FROM (SELECT `country_code`, `title_id` FROM `db`.`plays` WHERE true AND "
        "(date = DATE '2026-01-31') EXCEPT SELECT `country_code`, `title_id` FROM t WHERE true))"
    )
    assert extra.startswith("(SELECT count(*) FROM (SELECT `country_code`, `title_id` FROM t WHERE true EXCEPT ")
    assert by_values.judge([0, 0]).passed
    assert by_values.judge([2, 1]).finding == "2 values of country_code, title_id only in db.plays, 1 not in it"
