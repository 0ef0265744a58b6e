"""The query that shows the rows for which a run failed."""

from __future__ import annotations

import shlex

import pytest

from dataflow.jobs.audit import AuditResult
from dataflow.jobs.audit.failed_rows import failed_rows_query

AUDITED, KEPT = "`db`.`t`.`branch_r1`", "`db`.`t`.`branch_failed_r1`"


def result(offending, *, passed=False, blocking=True):
    return AuditResult("a", "f", blocking, passed, 1, "0", offending=offending)


@pytest.mark.parametrize(
    ("results", "printed"),
    [
        (
            [
                result(None, passed=True),
                result(f"SELECT * FROM {AUDITED} WHERE true AND (`d` = 1) AND (x < 1)"),
            ],
            '"SELECT * FROM db.t.branch_failed_r1 WHERE (d = 1) AND (x < 1)"',
        ),
        (
            [result(f"SELECT 1 FROM {AUDITED}", blocking=False), result(None)],
            "\"SELECT * FROM db.t.branch_failed_r1 WHERE `d` = DATE '2026-01-31'\"".replace("`", ""),
        ),
        (
            [result(f"SELECT * FROM {AUDITED} WHERE true AND (`two words` = '$HOME')")],
            shlex.quote("SELECT * FROM db.t.branch_failed_r1 WHERE (`two words` = '$HOME')"),
        ),
    ],
    ids=["of the audit", "of the day", "a shell takes nothing of it"],
)
def test_the_rows_are_named_where_they_are_now_in_one_word_of_a_shell(results, printed):
    assert failed_rows_query(results, AUDITED, KEPT, "`d` = DATE '2026-01-31'") == printed
    assert len(shlex.split(printed)) == 1
