"""Moments that were missed, run for real: by processes of their own, from the registry, on Spark."""

from __future__ import annotations

import datetime as dt

import pytest

from dataflow.deploy.due import run_due
from dataflow.state.database import StateDatabase
from dataflow.state.run_records import RunRecords

pytestmark = pytest.mark.spark

WRITE = """
INSERT OVERWRITE ${TARGET_TABLE} PARTITION (date = DATE '${EXECUTION_DATE}') SELECT 1 AS id, 1.0D AS hours;
"""


def test_moments_that_were_missed_run_one_after_the_other_each_for_its_own_day(repo):
    repo.write("top/src/write.sql", WRITE)
    repo.edit("top/daily.sch.yaml", "jobs:\n", "run_strategy: sequential\njobs:\n")
    repo.edit("top/daily.sch.yaml", "LOOKBACK_DAYS: 3", "LOOKBACK_DAYS: 1")
    repo.commit()
    deployment = repo.deploy().deployment
    later, said = deployment.revision.at + dt.timedelta(days=2), []
    ended = list(run_due(repo.registry, "production", later, said.append, dry_run=False))
    assert [(it.workflow, it.status) for it in ended] == [("alice.top.daily", "succeeded")] * 2, said
    first, second = (it.date for it in ended)
    assert second - first == dt.timedelta(days=1)
    with StateDatabase(deployment.revision.state) as database:
        found = RunRecords(database).recent("alice.top.main", 9, children=True)
    assert [it["params"]["EXECUTION_DATE"] for it in sorted(found, key=lambda it: it["started"])] == [
        str(first),
        str(second),
    ]
    assert list(run_due(repo.registry, "production", later, said.append, dry_run=False)) == []
