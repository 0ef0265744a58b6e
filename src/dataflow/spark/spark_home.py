"""Where the pip-installed Spark is, found without importing it."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from dataflow.errors import DataflowError


@cache
def spark_home() -> Path:
    """Return pyspark's folder, whatever `SPARK_HOME` says: Dataflow is built for the version it pins.

    Raises:
        DataflowError: pyspark is not installed beside Dataflow.
    """
    found = find_spec("pyspark")
    if found is None or found.origin is None:
        raise DataflowError(
            "pyspark is not installed beside dataflow", "pip install --force-reinstall dataflow-recipes"
        )
    return Path(found.origin).parent
