"""How a program starts a Spark of its own: the run's settings as a folder of configuration, and its variables.

sparklyr and a jar that has only a `main` run beside the run's session, not in it. They find catalog and everything
else where Spark looks by itself: in `SPARK_CONF_DIR`. What they may write, and on which branch, is a variable.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from dataflow.home import subfolder
from dataflow.spark.spark_home import spark_home

_QUIET_LOG = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex
"""

_SUBMITTED = """\
logger.client.name = org.apache.spark.deploy.ClientEndpoint
logger.client.level = info
"""
"""Says which driver was started."""

_LISTENERS = "spark.sql.queryExecutionListeners"


def _ignore(_: Path) -> None:
    """Ignore the lineage of a program's own Spark."""


@dataclass(frozen=True)
class SparkLaunch:
    """How a program starts a Spark of its own that works like the run's.

    Attributes:
        settings: What the run's Spark was started with, secrets put in: never print or log it.
        spark_home: The Spark that the run uses.
        java_home: The Java that the run uses, or None for the PATH's.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    spark_home: Path = field(default_factory=spark_home)
    java_home: Path | None = None

    @property
    def master(self) -> str:
        """Where Spark runs."""
        return self.settings.get("spark.master", "local[*]")

    def variables(self, conf: Path | None = None) -> dict[str, str]:
        """Return the environment variables of the program.

        Args:
            conf: Its `SPARK_CONF_DIR`; None for a unit test, which brings its own settings.
        """
        found = {key: value for key, value in os.environ.items() if not key.startswith("SPARK_")}
        # A Spark that pip installed does not name its version where sparklyr looks for it.
        found |= {"SPARK_HOME": str(self.spark_home), "SPARK_HOME_VERSION": version("pyspark")}
        if conf is not None:
            found["SPARK_CONF_DIR"] = str(conf)
        if self.java_home is not None:
            found["JAVA_HOME"] = str(self.java_home)
        if self.master.startswith("local"):
            found["SPARK_LOCAL_IP"] = "127.0.0.1"
        return found

    @contextlib.contextmanager
    def conf_folder(
        self, collect_lineage: Callable[[Path], None] = _ignore, *, elsewhere: bool = False
    ) -> Iterator[Path]:
        """Lend a folder for `SPARK_CONF_DIR`: private to this user, as settings may hold secrets, and removed later.

        Args:
            collect_lineage: Called with the folder that the lineage listener of the started Spark wrote to.
            elsewhere: Whether the driver runs on another machine, which sees the Dataflow home.
        """
        folder = Path(tempfile.mkdtemp(prefix="dataflow-", dir=subfolder("programs") if elsewhere else None))
        lineage = folder / "lineage"
        lineage.mkdir()
        try:
            own = {**self.settings, **listener_settings(self.settings, lineage)}
            (folder / "spark-defaults.conf").write_text(properties_file(own), "utf-8")
            (folder / "log4j2.properties").write_text(_QUIET_LOG + (_SUBMITTED if elsewhere else ""), "utf-8")
            yield folder
            collect_lineage(lineage)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def listener_settings(settings: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the settings under which a Spark writes its lineage into a folder, beside the listeners that it has."""
    listeners = [settings.get(_LISTENERS, ""), "dataflow.lineage.FileListener"]
    return {_LISTENERS: ",".join(filter(None, listeners)), "spark.dataflow.lineage": str(folder)}


def properties_file(settings: Mapping[str, str]) -> str:
    """Write settings as Spark's properties files have them, one a line."""
    return "".join(f"{key}={_escaped(value)}\n" for key, value in sorted(settings.items()))


def _escaped(value: str) -> str:
    """Escape the characters that a properties file reads in another way."""
    escaped = value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return f"\\{escaped}" if escaped.startswith(" ") else escaped
