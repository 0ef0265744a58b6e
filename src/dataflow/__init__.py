"""Dataflow: a paved path for batch pipelines on Spark and Iceberg."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__version__ = "0.1.0"
__all__ = ["__version__", "session"]


def session(env: str | None = None, *, write: bool = False, **conf: str) -> SparkSession:
    """Open a Spark session on the catalog that `dataflow workflow run` uses, for notebooks and scripts.

    Args:
        env: Name of an environment of the nearest `dataflow.yaml`; the user's sandbox when omitted.
        write: Whether it may write all that the catalog's login may write. Without it, a session writes your
            sandbox's database, and nothing in an environment that is shared.
        conf: Spark settings that win over the environment's, dots written as double underscores:
            `session(spark__sql__shuffle__partitions="8")`.

    Raises:
        dataflow.errors.DataflowError: Java is missing, or the environment does not exist.
    """
    from dataflow.spark.interactive import interactive_session

    return interactive_session(env, {key.replace("__", "."): value for key, value in conf.items()}, write=write)
