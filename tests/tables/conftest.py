from __future__ import annotations

import itertools

import pytest

_numbers = itertools.count(1)


@pytest.fixture
def namespace(spark):
    """A database of the test's own."""
    name = f"tables_{next(_numbers)}"
    spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {name}")
    return name
