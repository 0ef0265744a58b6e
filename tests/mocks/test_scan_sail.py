"""Conditions that PyIceberg can't evaluate are Sail's where it evaluates them as Spark does: no JVM for a mock."""

from __future__ import annotations

import contextlib
import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest

from dataflow.mocks import scan_sail
from dataflow.mocks.create import make_mock
from dataflow.mocks.source_rows import MockRequest
from dataflow.tables.catalog import open_catalog
from dataflow.workflow.project import Environment

pytestmark = pytest.mark.slow

COUNT = 3_000


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """The embedded catalog with one table."""
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "hö me"))
    moments = [dt.datetime(2026, 1, 1, i % 24, tzinfo=dt.UTC) for i in range(COUNT)]
    rows = pa.table(
        {
            "id": pa.array(range(COUNT), pa.int32()),
            "country": [("US", "éÉ", None)[i % 3] for i in range(COUNT)],
            "price": pa.array([Decimal(i) / 4 if i % 7 else None for i in range(COUNT)], pa.decimal128(10, 2)),
            "at": pa.array(moments, pa.timestamp("us", "UTC")),
            "tags": pa.array([(None, [], ["a", None])[i % 3] for i in range(COUNT)], pa.list_(pa.string())),
        }
    )
    environment = Environment("sandbox")
    catalog = open_catalog(environment)
    catalog.create_namespace("db")
    catalog.create_table("db.plays", rows.schema, location=str(tmp_path / "hö me" / "plays")).append(rows)
    return environment


def made(environment, where, sessions=None, **wanted):
    def none(reason):
        raise AssertionError(f"Spark was asked for: {reason}")

    return make_mock(environment, MockRequest("db.plays", where=where, **wanted), sessions or none)


@pytest.mark.parametrize(
    ("where", "same"),
    [
        ("upper(country) = 'US' AND id < 50", "country = 'US' AND id < 50"),
        ("length(country) = 2 AND price * 2 < 21", "country IS NOT NULL AND price < 10.5"),
        ("abs(id) = 9 -- a comment", "id = 9"),
    ],
)
def test_the_rows_are_those_of_the_same_condition_by_pyiceberg(environment, where, same):
    found, expected = made(environment, where), made(environment, same)
    assert (found.engine, expected.engine) == ("sail", "pyiceberg")
    assert found.mock.rows == expected.mock.rows
    assert found.mock.columns == expected.mock.columns
    assert (found.looked_at, found.complete) == (found.total, True)


def test_rows_that_stand_out_are_chosen(environment):
    found = made(environment, "id % 2 = 1", columns=("id", "price", "tags"), rows=8)
    assert found.total == COUNT // 2
    assert len(found.mock.rows) == 8
    values = list(zip(*found.mock.rows, strict=True))
    assert {1, COUNT - 1} <= set(values[0])
    assert None in values[1]


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("exp(id) > 3", "exp differs: its last digit is another one"),
        ("soundex(country) = 'U200'", "soundex was not compared"),
    ],
)
def test_what_sail_does_not_answer_as_spark_is_read_through_spark(environment, where, reason):
    @contextlib.contextmanager
    def sessions(why):
        said.append(why)
        raise InterruptedError
        yield

    said = []
    with pytest.raises(InterruptedError):
        made(environment, where, sessions)
    assert reason in said[0]


def test_too_many_rows_are_read_through_spark(environment, monkeypatch):
    monkeypatch.setattr(scan_sail, "VALUES_AT_MOST", 100)
    with pytest.raises(AssertionError, match=r"3,000 rows are too many to be looked at together"):
        made(environment, "abs(id) >= 0")
