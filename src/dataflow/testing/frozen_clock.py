"""A frozen clock and seeded random functions, for what a script runs in a test.

Spark's own functions are frozen in the analysed plan, by `jvm/src/testing/Frozen.scala`: whatever language and spelling
asks for them. Where PySpark draws a seed before there is a plan, what it draws from is seeded.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dataflow.errors import UsageError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_NOW = "spark.dataflow.frozen.now"
_SEED = "spark.dataflow.frozen.seed"
_DRAWS = ("SparkClassUtils$", "Utils$")  # what Spark's functions and DataFrames draw their seeds from
_SEEDS = range(-(2**63), 2**63)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def moment_of(text: str) -> dt.datetime:
    """Return the moment that a test says it is: a date is its midnight, and in UTC where no zone is named.

    Raises:
        ValueError: It is not a moment.
    """
    with contextlib.suppress(ValueError):
        day = dt.date.fromisoformat(text)
        return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)
    from dataflow.mocks.yaml_scalars import read_scalar
    from dataflow.tables.schema.spark_types import SqlType

    found = read_scalar(text, quoted=True, type_=SqlType("timestamp"))
    assert isinstance(found, dt.datetime)  # noqa: S101  # what a timestamp is read as
    return found


class FrozenClock:
    """The clock and the seed that a test has frozen.

    Args:
        spark: The session in which it holds.
    """

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._undo = contextlib.ExitStack()

    def freeze(self, now: dt.datetime | None, seed: int | None) -> None:
        """Freeze the clock at a moment, and seed random functions; None leaves either unchanged.

        Raises:
            UsageError: Spark has no such seed.
        """
        if now is not None:
            moment = now.replace(tzinfo=dt.UTC) if now.tzinfo is None else now
            self._set(_NOW, (moment - _EPOCH) // dt.timedelta(microseconds=1))
        if seed is not None:
            if seed not in _SEEDS:
                raise UsageError(f"{seed} is not a seed: Spark's are of 64 bits")
            self._set(_SEED, seed)
            self._undo.enter_context(_python_s(seed))
            for draws in _draws(self._spark):
                draws.setSeed(seed)
                self._undo.callback(draws.setSeed, random.getrandbits(62))  # any will do

    def thaw(self) -> None:
        """Restore the clock and random functions."""
        self._undo.close()

    def _set(self, name: str, value: int) -> None:
        self._spark.conf.set(name, str(value))
        self._undo.callback(self._spark.conf.unset, name)


@contextlib.contextmanager
def _python_s(seed: int) -> Iterator[None]:
    """Seed Python's `random`, from which PySpark draws as well, for a time."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


def _draws(spark: SparkSession) -> Iterator[Any]:
    jvm: Any = spark._jvm
    for name in _DRAWS:
        with contextlib.suppress(Exception):  # another Spark: its DataFrames draw from elsewhere, its plans are frozen
            yield getattr(getattr(jvm.org.apache.spark.util, name), "MODULE$").random()
