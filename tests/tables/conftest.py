from __future__ import annotations

import itertools

import pytest

from tests.support.run_package import package

__all__ = ["package"]

_numbers = itertools.count(1)


@pytest.fixture
def namespace(spark):
    """A database of the test's own."""
    name = f"tables_{next(_numbers)}"
    spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {name}")
    return name


@pytest.fixture
def by_date(spark, namespace):
    """A table with a row on each of two days."""
    table = f"{namespace}.by_date"
    spark.sql(f"CREATE TABLE {table} (id INT, date DATE) USING iceberg PARTITIONED BY (date)")
    spark.sql(f"INSERT INTO {table} VALUES (1, DATE '2026-01-01'), (2, DATE '2026-01-02')")
    return table
