"""The settings of a Spark session: the catalog, those for one machine, and the environment's own on top."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import UsageError
from dataflow.home import UMASK, home, subfolder
from dataflow.spark import jars
from dataflow.spark.catalog_jars import catalog_jars, on_s3
from dataflow.spark.comet import comet_settings, memory
from dataflow.system_errors import LOCK_TIMEOUT
from dataflow.tables.catalog import catalog_file, is_embedded, warehouse
from dataflow.workflow.parameters import resolve_secrets

if TYPE_CHECKING:
    from dataflow.workflow.project import Environment

_EXTENSIONS = "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions,dataflow.guard.GuardExtensions"
_ICEBERG_CATALOG = "org.apache.iceberg.spark.SparkCatalog"
_SESSION_CATALOG = "org.apache.iceberg.spark.SparkSessionCatalog"
GUARDED_CATALOG = "dataflow.guard.GuardedCatalog"
"""Iceberg's catalog, each write to which is checked."""
_S3_FILES = "org.apache.iceberg.aws.s3.S3FileIO"
_CATALOG_CLASS = re.compile(r"spark\.sql\.catalog\.[^.]+")

GUARD_JAR = Path(__file__).parent / "dataflow-guard.jar"
"""Dataflow's code in Spark's JVM (`jvm/`); it goes wherever Iceberg's jar goes."""

PREVIEWS = "dataflow_preview"
"""A catalog of tables in memory, of which each session has its own: what a preview writes."""
_PREVIEWS = {
    f"spark.sql.catalog.{PREVIEWS}": GUARDED_CATALOG,
    f"spark.sql.catalog.{PREVIEWS}.catalog-impl": "org.apache.iceberg.inmemory.InMemoryCatalog",
    f"spark.sql.catalog.{PREVIEWS}.warehouse": "memory",
    f"spark.sql.catalog.{PREVIEWS}.cache-enabled": "false",
}

_GIB = 1024**3

_HADOOP_FILES = ("jdbc", "hive")
"""Catalogs that read and write by Hadoop unless they are told otherwise; Spark's own Hadoop has no S3."""

_ALWAYS = {
    "spark.app.name": "dataflow",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.sources.partitionOverwriteMode": "dynamic",
    # Ours is strict; Spark's turns a missing name into an empty string, and reads the process's environment.
    "spark.sql.variable.substitute": "false",
    "spark.sql.extensions": _EXTENSIONS,
    # The catalog of name `spark_catalog` is not ours; without this it would ask for a Hive metastore.
    "spark.sql.catalogImplementation": "in-memory",
}

_CLUSTER = {
    # A session holds the cores that it works with, and gives them back while it audits, publishes or waits. Without a
    # shuffle service on the nodes an executor stays for as long as somebody may read what it shuffled.
    "spark.dynamicAllocation.enabled": "true",
    "spark.dynamicAllocation.shuffleTracking.enabled": "true",
}
_FIXED = ("spark.dynamicAllocation.enabled", "spark.executor.instances")
"""What an environment says that wants as many executors all the time."""

DEPLOY_MODE = "spark.submit.deployMode"
"""Of an environment: where the driver runs of a jar that has only a `main`. A run's own session is its driver."""

_JOINED = {  # lists, to which an environment adds rather than replaces what Iceberg needs
    "spark.driver.extraClassPath": os.pathsep,
    "spark.driver.extraLibraryPath": os.pathsep,
    "spark.jars": ",",
    "spark.plugins": ",",
    "spark.sql.extensions": ",",
}


def spark_conf(environment: Environment, *, small: bool = False, comet: bool = False) -> dict[str, str]:
    """Return all that a Spark session needs, secrets put in: never print or log it.

    Args:
        environment: Where to run; its own settings win.
        small: The data is small: a JVM that starts fast rather than one that runs long.
        comet: Comet executes what it can.

    Raises:
        DataflowError: A secret is not there.
    """
    found = settings(environment, small=small, comet=comet)
    return {**_PREVIEWS, **{key: resolve_secrets(value) for key, value in found.items()}}


def settings(environment: Environment, *, small: bool = False, comet: bool = False) -> dict[str, str]:
    """Return the settings of `spark_conf` with secrets still written `${secret:NAME}`, so that they can be shown."""
    own = {"spark.master": "local[*]", **environment.spark}
    own.pop(DEPLOY_MODE, None)
    class_path = [*map(str, jars.paths(catalog_jars(environment))), str(GUARD_JAR)]
    found = {**_ALWAYS, **_catalog(environment), "spark.driver.extraClassPath": os.pathsep.join(class_path)}
    if is_local(own):
        found |= _for_this_machine(small, quick=small or comet)
        if comet:
            found |= comet_settings(found["spark.driver.extraClassPath"])
    else:
        found["spark.jars"] = ",".join(class_path)  # executors get them from the driver
    if is_cluster(own) and not any(key in own for key in _FIXED):
        found |= _CLUSTER
    for key, value in own.items():
        ours = found.get(key) if key in _JOINED else None
        found[key] = f"{value}{_JOINED[key]}{ours}" if ours else value
    return dict(_guarded(key, value) for key, value in found.items())


def _guarded(key: str, value: str) -> tuple[str, str]:
    """Replace Iceberg's catalog by the guarded one, in any catalog: it checks each write.

    Raises:
        UsageError: It is Iceberg's for Spark's own session catalog, whose other tables are not guarded.
    """
    if _CATALOG_CLASS.fullmatch(key) and value == _SESSION_CATALOG:
        raise UsageError(
            f"{key} is {_SESSION_CATALOG}, whose tables of other formats are not guarded",
            f"use an Iceberg catalog of its own: {_ICEBERG_CATALOG}",
        )
    if _CATALOG_CLASS.fullmatch(key) and value == _ICEBERG_CATALOG:
        return key, GUARDED_CATALOG
    # Iceberg looks whether the catalog is REST's own before it takes this one.
    return key.replace(".rest-catalog-purge", ".purge-by-server"), value


def is_local(spark: Mapping[str, str]) -> bool:
    """Return whether Spark runs in the driver's own JVM."""
    return re.fullmatch(r"local(\[.*\])?", spark.get("spark.master", "local")) is not None


def is_cluster(spark: Mapping[str, str]) -> bool:
    """Return whether Spark's executors run on machines that others share: `spark://`, `yarn` or `k8s://`."""
    return re.match(r"local\b", spark.get("spark.master", "local")) is None


def _catalog(environment: Environment) -> dict[str, str]:
    name = environment.catalog_name
    if is_embedded(environment):
        subfolder()  # SQLite makes its file, not the folder
        private = {"spark.hadoop.fs.permissions.umask-mode": f"{UMASK:03o}"}  # Hadoop asks no process for its umask
        properties = {
            "type": "jdbc",
            "uri": f"jdbc:sqlite:{catalog_file()}?journal_mode=WAL&busy_timeout={LOCK_TIMEOUT * 1000}",
            "jdbc.schema-version": "V1",
            "warehouse": str(warehouse()),
        }
    else:
        private = {}
        properties = {key: value for key, value in environment.catalog.items() if key != "name"}
        if properties.get("type") in _HADOOP_FILES and on_s3(properties.get("warehouse", "")):
            properties = {"io-impl": _S3_FILES, **properties}
    # A cached table would not show a branch that another session of this JVM has just made.
    properties = {"cache-enabled": "false", **properties}
    prefix = f"spark.sql.catalog.{name}"
    return {
        **private,
        "spark.sql.defaultCatalog": name,
        prefix: _ICEBERG_CATALOG,
        **{f"{prefix}.{key}": value for key, value in properties.items()},
        # Where Iceberg looks for a table that is named by its folder; it would make an unguarded one itself.
        "spark.sql.catalog.default_iceberg": _ICEBERG_CATALOG,
        "spark.sql.catalog.default_iceberg.type": "hadoop",
        "spark.sql.catalog.default_iceberg.warehouse": str(home() / "spark-warehouse"),
    }


def _for_this_machine(small: bool, *, quick: bool) -> dict[str, str]:
    """Return settings for one machine, which keep Spark from connecting to any other."""
    found = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g" if small else f"{_driver_gib()}g",
        "spark.sql.warehouse.dir": str(home() / "spark-warehouse"),  # else it lands in the current folder
        "spark.sql.shuffle.partitions": "4" if small else str(max(32, 4 * (os.cpu_count() or 1))),
    }
    if quick:  # compiling and collecting in the background pay off where the JVM works for more than half a minute
        found["spark.driver.extraJavaOptions"] = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
    return found


def _driver_gib() -> int:
    """Return a quarter of the machine's memory, from 1 to 8 GiB."""
    total = memory()
    return 2 if total is None else min(8, max(1, total // 4 // _GIB))
