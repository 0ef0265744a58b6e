"""The Spark session of a notebook or a Python prompt: `dataflow.session()`."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.home import subfolder
from dataflow.spark.guard import user_scope
from dataflow.spark.session import Engine, has_session, second_session_error
from dataflow.workflow.project import environment, find_project

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_interactive: Engine | None = None


def interactive_session(env: str | None, conf: Mapping[str, str], *, write: bool = False) -> SparkSession:
    """Return a session that lives until Python ends, or until its own `stop()`.

    A second call returns the same session, with the settings applied; another environment needs another process.

    Args:
        env: Name of an environment of the nearest `dataflow.yaml`.
        conf: Spark settings that win over the environment's.
        write: Whether it may write all that the catalog's login may write, beyond the sandbox's database.

    Raises:
        DataflowError: Spark can't be started, or this process has another session already.
    """
    global _interactive  # noqa: PLW0603  # Spark allows one context in a process
    wanted = environment(find_project(Path.cwd()), env)
    if not has_session():
        if _interactive is not None:  # its session was stopped by hand
            _interactive.close()
        wanted = dataclasses.replace(wanted, spark={**wanted.spark, **conf})
        log = subfolder("logs") / f"session-{os.getpid()}.log"
        scope = user_scope(wanted, write=write)
        _interactive = Engine(wanted, log, train=False, scope=scope, interactive=True, report=_print)
        return _interactive.spark
    if _interactive is None or _interactive.environment.name != wanted.name:
        raise second_session_error()
    spark = _interactive.spark
    for key, value in conf.items():
        if spark.conf.isModifiable(key):
            spark.conf.set(key, value)
    return spark


def _print(line: str) -> None:
    sys.stderr.write(f"{line}\n")
