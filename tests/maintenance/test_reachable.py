"""Which paths are one, and which folders overlap."""

from __future__ import annotations

import pytest

from dataflow.maintenance.reachable import normalized, overlapping


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("file:/a/b c.parquet", "/a/b c.parquet"),
        ("file:///a/b", "/a//b"),
        ("s3a://bucket/k#1", "s3://bucket/k#1"),
        ("/a/day=2026-01-31 05:00/x?y", "file:/a/day=2026-01-31 05:00/x?y"),
    ],
)
def test_paths_that_name_one_file_are_one(one, other):
    assert normalized(one) == normalized(other)


@pytest.mark.parametrize(
    ("one", "other"), [("s3://a/k", "s3://b/k"), ("/a/b", "/a/B"), ("hdfs://n/a", "/a"), ("gs://a/k", "s3://a/k")]
)
def test_paths_that_name_two_files_are_two(one, other):
    assert normalized(one) != normalized(other)


def test_tables_overlap_whose_folder_is_the_same_around_or_within():
    others = {"same": "file:/w/t/", "within": "/w/t/data/x", "around": "/w", "beside": "/w/t2", "other": "/v/t"}
    assert overlapping("/w/t", others) == ["around", "same", "within"]
