"""A wap template whose phases are runs of their own, as a scheduler starts them one by one."""

from __future__ import annotations

import json

import pytest

from dataflow.jobs.context import PartOfRun
from dataflow.runner.options import RunOptions
from dataflow.tables.iceberg import load
from tests.support.small_runs import failed

pytestmark = pytest.mark.spark

WAITS = "has no rows of this run that wait to be audited and published"


@pytest.fixture
def split(package):
    """A package with its table, and what runs one phase of it for a run of the scheduler."""
    assert package.run(only="ddl").status == "succeeded"

    def run(phase, name="scheduled__1", day=1):
        part = PartOfRun(name, phase=phase)
        return package.runner().run(package.load(day=day), RunOptions("wap", part=part))

    package.phase = run
    return package


def summary(package) -> dict:
    return {str(k): str(v) for k, v in dict(load(package.spark, package.target).currentSnapshot().summary()).items()}


def test_readers_see_rows_after_the_last_phase_and_the_history_says_what_one_run_would_have_said(split):
    split.add_source((1, 1.5, 1), (2, None, 1))
    for phase, detail in (("write", "2 rows"), ("audit", "2 audits, 1 warned")):
        result = split.phase(phase)
        assert result.status == "succeeded", failed(result)
        assert result.steps[0].detail == detail
        assert split.rows() == []
    result = split.phase("publish")
    assert result.status == "succeeded", failed(result)
    assert [it.rows for it in result.published] == [2]
    assert split.rows() == [(1, 1), (2, 1)]
    assert split.refs() == {"main"}
    in_parts = summary(split)
    again = split.phase("publish")  # as after a machine that died before it could say so
    assert (again.status, again.steps[0].detail) == ("succeeded", "2 rows, published before")

    assert split.run(only="wap").status == "succeeded"
    whole, own = summary(split), {"dataflow.run-id", "dataflow.part"}
    assert {k: v for k, v in in_parts.items() if k.startswith("dataflow.") and k not in own} == {
        k: v for k, v in whole.items() if k.startswith("dataflow.") and k not in own
    }
    assert len(json.loads(whole["dataflow.sources"])) == 1


def test_a_phase_that_is_tried_again_begins_from_what_the_one_before_left(split):
    split.add_source((1, 1.5, 1))
    assert WAITS in failed(split.phase("audit"))[1]
    for phase in ("write", "write", "audit", "audit"):
        result = split.phase(phase)
        assert result.status == "succeeded", failed(result)
    split.add_source((2, 1.5, 1))
    assert split.phase("write").status == "succeeded"  # done again: its rows are not audited yet
    assert "was not audited: run the audit first" in failed(split.phase("publish"))[1]
    assert WAITS in failed(split.phase("publish", name="scheduled__2"))[1]  # another run's is none of its own
    for phase in ("audit", "publish"):
        assert split.phase(phase).status == "succeeded"
    assert split.rows() == [(1, 1), (2, 1)]


def test_rows_that_fail_an_audit_are_kept_beside_and_are_published_by_nothing(split):
    split.add_source((1, 1.5, 1), (1, 2.5, 1))
    assert split.phase("write").status == "succeeded"
    step, message = failed(split.phase("audit"))
    assert (step, message.partition(":")[0]) == ("wap", "an audit failed")
    assert any(ref.startswith("dataflow_failed_part_") for ref in split.refs())
    assert WAITS in failed(split.phase("publish"))[1]
    assert split.rows() == []


def test_what_is_published_is_held_to_the_main_that_the_write_began_with(split):
    split.add_source((1, 1.5, 1), (7, 1.5, 2))
    for phase in ("write", "audit"):
        assert split.phase(phase).status == "succeeded"
    assert split.run(day=2, only="wap").status == "succeeded"  # another day is no conflict
    for phase in ("write", "audit"):
        assert split.phase(phase, name="scheduled__2").status == "succeeded"
    assert split.phase("publish").status == "succeeded"
    _, message = failed(split.phase("publish", name="scheduled__2"))
    assert "was changed by somebody else during this run" in message
    assert split.rows() == [(1, 1), (7, 2)]


def test_a_write_of_no_rows_that_keeps_the_old_ones_leaves_nothing_to_the_other_phases(split):
    split.edit("main.sch.yaml", "      write:\n", "      empty: keep\n      write:\n")
    for phase in ("write", "audit", "publish"):
        result = split.phase(phase)
        assert result.status == "succeeded", failed(result)
        assert result.steps[0].detail == "0 rows, the old ones stay"
    assert split.refs() == {"main"}
