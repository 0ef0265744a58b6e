"""Data frames of scripts in Python, written as SQL: Sail's rows are Spark's, or the frame is Spark's by name."""

from __future__ import annotations

import datetime as dt
import os
import re
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
import yaml

from dataflow.sail.judgement import SparkDecides
from dataflow.sail.server import Sail
from dataflow.sail.session import SailSession
from tests.support.two_engines import rows_of

pytestmark = [pytest.mark.spark, pytest.mark.tools("PySpark's client")]

PLAYS = pa.table(
    {
        "id": pa.array([1, 2, 3, 4, 5, None], pa.int32()),
        "country": ["DE", "DE", "AT", None, "", "DE"],
        "hours": [1.5, 2.0, None, -0.25, 4.0, 1.5],
        "price": pa.array([Decimal("1.25"), None, Decimal("-3.50"), Decimal(0), Decimal("9.99"), Decimal("1.25")]),
        "day": [dt.date(2026, 1, it) for it in (30, 31, 31, 31, 30, 30)],
        "a b": pa.array([1, 2, None, 4, 5, 6], pa.int64()),
    }
)
NAMES = pa.table({"id": pa.array([1, 2, 2, 9, None], pa.int32()), "country": ["DE", "DE", "FR", "AT", "DE"]})

FRAMES = yaml.safe_load((Path(__file__).parent / "frames.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def session():
    with Sail(threads=1) as sail:
        found = SailSession(sail)
        found.hold("plays", PLAYS)
        found.hold("names", NAMES)
        yield found


@contextmanager
def connected(session):
    """Lend PySpark's client, taken over as a preview does it, and what it refused."""
    from dataflow.preview.python_by_sail import _Run
    from dataflow.testing.sail_python import _connected

    run = _Run(session, SimpleNamespace(table="results"), None)
    with _connected(session.sail, run.take_over) as spark:
        yield spark, run


def frame(spark, text):
    from pyspark.sql import Window
    from pyspark.sql import functions as F  # noqa: N812

    known = {"F": F, "Window": Window, "dt": dt, "spark": spark}
    return eval(text, known | {"plays": spark.table("plays"), "names": spark.table("names")})  # noqa: S307


def test_frames_have_spark_s_rows_and_types(spark, session):
    for name, rows in (("plays", PLAYS), ("names", NAMES)):
        spark.createDataFrame(rows).createOrReplaceTempView(name)
    lines = FRAMES["answered"].strip().splitlines()
    expected = {line: frame(spark, line).toArrow() for line in lines}
    with connected(session) as (client, _):
        assert os.environ["SPARK_CONNECT_MODE_ENABLED"] == "1"
        for line in lines:
            found = frame(client, line).toArrow()
            assert (line, [str(it.type) for it in found.schema]) == (
                line,
                [str(it.type) for it in expected[line].schema],
            )
            assert (line, found.schema.names) == (line, expected[line].schema.names)
            one, other = ([*map(repr, rows_of(it))] for it in (found, expected[line]))
            is_sorted = "orderBy" in line and ".over(" not in line
            assert (line, one if is_sorted else sorted(one)) == (line, other if is_sorted else sorted(other))


def test_what_was_not_compared_is_spark_s_by_name_even_where_the_script_catches_it(session):
    for line in FRAMES["left"].strip().splitlines():
        text, reason = (it.strip() for it in line.rsplit("|", 1))
        with connected(session) as (client, run):
            with pytest.raises(SparkDecides, match=re.escape(reason)):
                frame(client, text).toArrow()
            assert run.refused is not None, text
