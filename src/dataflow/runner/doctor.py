"""Whether all that a pipeline needs is there: looked at piece by piece, each with the command that mends it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from dataflow import git
from dataflow.errors import DataflowError
from dataflow.home import home, subfolder
from dataflow.report import Report, silent
from dataflow.secret import without_credentials
from dataflow.spark import class_data_archive, jars
from dataflow.spark.config import is_local, spark_conf
from dataflow.spark.java import Java, find_java
from dataflow.spark.jvm import class_path_of
from dataflow.spark.session import Engine
from dataflow.tables.catalog import is_embedded, warehouse
from dataflow.workflow.project import Environment

_LEAST_FREE = 2_000_000_000
_R_PACKAGES = ("dplyr", "dbplyr", "testthat", "yaml")


@dataclass(frozen=True)
class Check:
    """What was found of one thing.

    Attributes:
        name: The thing.
        ok: Whether a pipeline can use it.
        detail: What is there, or what is wrong.
        fix: What to do when it is wrong.
        optional: Whether only some pipelines need it: without it nothing is wrong with the machine.
    """

    name: str
    ok: bool
    detail: str
    fix: str | None = None
    optional: bool = False


def checkup(environment: Environment, report: Report = silent) -> Iterator[Check]:
    """Look at each thing in turn, cheapest first; what needs a missing thing is not tried.

    Args:
        environment: Where a pipeline would run.
        report: Told of what takes a while.
    """
    yield _python()
    yield _git()
    yield _pyspark()
    yield _home()
    java: list[Java] = []
    yield _attempt("Java", lambda: _java(java, report))
    yield from _of_one_recipe()
    if not java:
        return
    fetched = _attempt("Iceberg", lambda: _iceberg(java[0], environment, report))
    yield fetched
    if fetched.ok:
        yield _attempt("write and read", lambda: _write_and_read(environment, report))
        yield _class_data(java[0], environment)


def _attempt(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except DataflowError as error:
        return Check(name, False, error.message, error.hint)


def _python() -> Check:
    fix = "install Python 3.11 or newer, and dataflow-recipes in it"
    return Check("Python", sys.version_info >= (3, 11), f"{platform.python_version()} in {sys.prefix}", fix)


def _git() -> Check:
    fix = "brew install git" if sys.platform == "darwin" else "sudo apt-get install git"
    if not git.is_installed():
        return Check("git", False, "not found: packages can't be updated from their recipes", fix)
    found = git.version()
    return Check("git", found is not None, found or "", fix)


def _pyspark() -> Check:
    wanted = jars.spark_version()
    fix = f"pip install pyspark=={wanted}"
    try:
        found = version("pyspark")
    except PackageNotFoundError:
        return Check("Spark", False, "pyspark is not installed", fix)
    detail = found if found == wanted else f"pyspark {found}, but Dataflow is built for {wanted}"
    return Check("Spark", found == wanted, detail, fix)


def _home() -> Check:
    try:
        folder = subfolder()
        with tempfile.NamedTemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check("home", False, f"{home()}: {error.strerror}", "export DATAFLOW_HOME=<a folder of yours>")
    detail = f"{home()}, {free / 1e9:.0f} GB free"
    return Check("home", free >= _LEAST_FREE, detail, "free some space, or export DATAFLOW_HOME=<another disk>")


def _java(found: list[Java], report: Report) -> str:
    found.append(java := find_java(report))
    return f"{java.version} ({java.vendor}) in {java.home}"


def _of_one_recipe() -> Iterator[Check]:
    """Look at what the sparklyr recipe needs, then at what the scala recipe can use."""
    from dataflow.jobs.spark.r_script import find_r, install_command, install_packages

    r = find_r()
    if r is None:
        yield Check("R", False, "not found: the sparklyr recipe needs it", install_command(), optional=True)
        yield Check("sparklyr", False, "not looked for: there is no R", optional=True)
    else:
        found = [f"{name} {r.packages[name]}" for name in _R_PACKAGES if name in r.packages]
        missing = [name for name in _R_PACKAGES if name not in r.packages]
        detail = ", ".join([r.version, *found, *(f"no {name}" for name in missing)])
        yield Check("R", not missing, detail, install_packages(missing), optional=True)
        detail = r.packages.get("sparklyr", "not installed: the sparklyr recipe needs it")
        yield Check("sparklyr", "sparklyr" in r.packages, detail, install_packages(["sparklyr"]), optional=True)
    sbt = shutil.which("sbt")
    yield Check("sbt", True, sbt or "none on the PATH: fetched when a Scala pipeline is built")


def _iceberg(java: Java, environment: Environment, report: Report) -> str:
    jars.ensure(java, environment.spark, report)
    ways = []
    if mirror := jars.mirror(environment.spark):
        ways.append(f"mirror {without_credentials(mirror)}")
    if proxy := os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        ways.append(f"proxy {without_credentials(proxy)}")
    return ", ".join([f"{jars.ICEBERG.version} in {jars.folder()}", *ways])


def _write_and_read(environment: Environment, report: Report) -> str:
    """Write a row into a table of its own, read it, drop it."""
    from dataflow.spark.errors import message_of

    namespace = f"dataflow_doctor_{os.getpid()}"
    with Engine(environment, subfolder("logs") / "doctor.log", small=True, train=False, report=report) as engine:
        spark = engine.spark
        try:
            spark.sql(f"CREATE NAMESPACE {namespace}")
            spark.sql(f"CREATE TABLE {namespace}.scratch (id INT) USING iceberg")
            spark.sql(f"INSERT INTO {namespace}.scratch VALUES (1)")
            rows = spark.table(f"{namespace}.scratch").count()
        except Exception as error:
            raise DataflowError(message_of(error), f"see {subfolder('logs') / 'doctor.log'}") from error
        finally:
            spark.sql(f"DROP TABLE IF EXISTS {namespace}.scratch PURGE")
            spark.sql(f"DROP NAMESPACE IF EXISTS {namespace}")
            if is_embedded(environment):  # Iceberg leaves the folders
                shutil.rmtree(warehouse() / namespace, ignore_errors=True)
    if rows != 1:
        raise DataflowError(f"wrote 1 row and read {rows}")
    return f"1 row, catalog {environment.catalog_name}"


def _class_data(java: Java, environment: Environment) -> Check:
    """Say whether commands start fast; nothing is wrong when they don't yet."""
    conf = spark_conf(environment)
    file = class_data_archive.archive_file(java, class_path_of(conf)) if is_local(conf) else Path("-")
    if class_data_archive.is_off():
        detail = "off (DATAFLOW_CLASS_DATA)"
    elif not java.has_class_data:
        detail = f"none: the Java in {java.home} has no archive of its own classes to build on"
    elif file.exists():
        detail = f"{file.stat().st_size / 1e6:.0f} MB: Spark starts fast"
    else:
        detail = "none yet: the first run makes it, and later ones start faster"
    return Check("class data", True, detail)
