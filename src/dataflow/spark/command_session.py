"""A short Spark session, for a command that looks or works once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dataflow.home import subfolder
from dataflow.report import Report, silent
from dataflow.spark.session import Engine
from dataflow.tables.catalog import is_embedded

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.workflow.project import Environment


@contextlib.contextmanager
def command_session(
    environment: Environment, name: str, *, small: bool | None = None, read_only: bool = False, report: Report = silent
) -> Iterator[SparkSession]:
    """Start a session on an environment's catalog, and end it with the block.

    Args:
        environment: Where to work.
        name: What the log is called.
        small: Whether to start fast rather than run long; where the catalog is embedded when omitted.
        read_only: Whether the session is for SQL of the user's, which may change nothing.
        report: Receives what takes a while, such as a one-time download.

    Raises:
        DataflowError: There is no Java, or Spark can't be started.
    """
    fast = is_embedded(environment) if small is None else small
    log = subfolder("logs") / f"{name}.log"
    with Engine(environment, log, small=fast, train=False, report=report) as engine:
        yield engine.reader if read_only else engine.spark
