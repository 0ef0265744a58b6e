"""The lines that the listener in Spark's JVM emits, and the lineage of a run that they add up to; without Spark."""

from __future__ import annotations

import json

from dataflow.lineage.model import UNKNOWN_COLUMNS, Flow
from dataflow.lineage.spark_plan.plan_lineage import RecordedLineage, SnapshotRead, lines_in


def recorded(*lines):
    """Return the lineage of lines, tables of the catalog `lake`."""
    found = RecordedLineage()
    found.add_lines([line if isinstance(line, str) else json.dumps(line) for line in lines], "lake")
    return found


def write(target, *flows, given=(), names=(), **more):
    """Spell the line of one write."""
    return {"writes": [{"target": target, "flows": list(flows), "given": list(given), "names": list(names), **more}]}


def test_a_write_has_direct_and_indirect_flows_and_names_without_the_catalog():
    found = recorded(
        write(
            "lake.s.out",
            ["lake.s.a", "", "", False],
            ["lake.s.a", "x", "y", False],
            ["lake.s.a", "k", "", True],
            given=["y", "day"],
        )
    )
    (out,) = found.flows()
    assert out.target == "s.out"
    assert out.flows == {Flow("s.a"), Flow("s.a", "x", "y"), Flow("s.a", "k", "", True)}
    assert (out.assigned_columns, out.constant_columns) == ({"y", "day"}, {"day"})


def test_two_writes_of_a_table_are_one():
    found = recorded(write("s.out", ["s.a", "x", "y", False]), write("s.out", ["s.b", "z", "y", False]))
    (out,) = found.flows()
    assert out.flows == {Flow("s.a", "x", "y"), Flow("s.b", "z", "y")}


def test_columns_that_other_queries_name_are_reference_only_flows_of_each_write():
    found = recorded(
        {"names": [["lake.s.a", "hours"]], "tables": ["lake.s.a"]}, write("s.out", ["s.a", "x", "y", False])
    )
    (out,) = found.flows()
    assert {flow for flow in out.flows if flow.is_reference_only} == {Flow("s.a", "hours")}


def test_a_table_that_was_seen_but_never_followed_is_read_with_unknown_columns():
    found = recorded({"seen": ["s.a", "s.b"]}, {"tables": ["s.a"]}, write("s.out"))
    (out,) = found.flows()
    assert out.flows == {Flow("s.b"), Flow("s.b", UNKNOWN_COLUMNS)}


def test_rows_that_code_made_may_come_from_each_table_that_was_collected():
    found = recorded({"collected": ["s.a"]}, write("s.one", opaque=True), write("s.two"))
    one, two = found.flows()
    assert one.flows == {Flow("s.a"), Flow("s.a", UNKNOWN_COLUMNS)}
    assert not two.flows


def test_the_oldest_snapshot_that_was_read_of_a_source_counts():
    found = recorded({"reads": [["s.out", "s.a", 7, 70]]}, {"reads": [["s.out", "s.a", 5, 50]]})
    assert list(found.reads.values()) == [SnapshotRead("s.out", "s.a", 5, 50)]


def test_a_line_that_is_cut_short_is_an_error_and_the_others_count():
    found = recorded('{"writ', write("s.out"), {"error": "no"})
    assert [write.target for write in found.flows()] == ["s.out"]
    assert found.errors == ['a line is cut short: {"writ', "no"]


def test_lines_of_several_sparks_are_read_from_the_files_of_a_folder(tmp_path):
    (tmp_path / "app-2.jsonl").write_text('{"b": 1}\n')
    (tmp_path / "app-1.jsonl").write_text("{}\n")
    (tmp_path / "other.txt").write_text("no")
    assert lines_in(tmp_path) == ["{}", '{"b": 1}']
