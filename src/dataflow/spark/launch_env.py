"""What a script needs that starts a Spark of its own: the run's settings as a folder of configuration.

sparklyr and a jar that has only a `main` run beside the run's session, not in it. They find catalog and everything
else where Spark looks by itself: in `SPARK_CONF_DIR`. What they may write, and on which branch, is a variable.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

_QUIET_LOG = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex
"""

_LISTENERS = "spark.sql.queryExecutionListeners"


def _deaf(_: Path) -> None:
    """Hear nothing."""


@contextlib.contextmanager
def conf_folder(settings: Mapping[str, str], heard: Callable[[Path], None] = _deaf) -> Iterator[Path]:
    """Lend a folder for `SPARK_CONF_DIR`; it is this user's alone, as settings may hold secrets, and gone afterwards.

    Args:
        settings: What the run's own Spark was started with.
        heard: Gets the folder with what the lineage listener of the Spark that was started wrote, before it is gone.
    """
    folder = Path(tempfile.mkdtemp(prefix="dataflow-"))
    told = folder / "lineage"
    told.mkdir()
    try:
        own = {**settings, **listener_settings(settings, told)}
        (folder / "spark-defaults.conf").write_text(properties_file(own), "utf-8")
        (folder / "log4j2.properties").write_text(_QUIET_LOG, "utf-8")
        yield folder
        heard(told)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def listener_settings(settings: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the settings under which a Spark tells its lineage to a file in a folder, beside who listens already."""
    listeners = [settings.get(_LISTENERS, ""), "dataflow.lineage.FileListener"]
    return {_LISTENERS: ",".join(filter(None, listeners)), "spark.dataflow.lineage": str(folder)}


def environ(conf: Path | None, spark_home: Path, master: str, java_home: Path | None) -> dict[str, str]:
    """Return the variables of a program that starts a Spark of its own.

    Args:
        conf: What `conf_folder` lent; None for a unit test, which brings its own settings.
        spark_home: The Spark that the run uses.
        master: Where it runs.
        java_home: The Java that the run uses, or None for the PATH's.
    """
    found = {key: value for key, value in os.environ.items() if not key.startswith("SPARK_")}
    # A Spark that pip installed does not say its version where sparklyr looks for it.
    found |= {"SPARK_HOME": str(spark_home), "SPARK_HOME_VERSION": version("pyspark")}
    if conf is not None:
        found["SPARK_CONF_DIR"] = str(conf)
    if java_home is not None:
        found["JAVA_HOME"] = str(java_home)
    if master.startswith("local"):
        found["SPARK_LOCAL_IP"] = "127.0.0.1"
    return found


def properties_file(settings: Mapping[str, str]) -> str:
    """Write settings as Spark's properties files have them, one a line."""
    return "".join(f"{key}={_escaped(value)}\n" for key, value in sorted(settings.items()))


def _escaped(value: str) -> str:
    """Escape what a properties file would read otherwise."""
    escaped = value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return f"\\{escaped}" if escaped.startswith(" ") else escaped
