"""`dataflow doctor`: checks what a pipeline needs, one thing at a time, each with the command that mends it."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import sqlalchemy as sa

from dataflow import git, installers
from dataflow.errors import DataflowError
from dataflow.home import home, subfolder
from dataflow.report import Report, silent
from dataflow.secret import without_credentials
from dataflow.spark import class_data_archive, jars
from dataflow.spark.catalog_jars import catalog_jars
from dataflow.spark.comet import hindrance, is_fetched, lacking
from dataflow.spark.command_session import command_session
from dataflow.spark.config import is_local, spark_conf
from dataflow.spark.java import Java, find_java
from dataflow.spark.jvm import class_path_of
from dataflow.spark.sizing import FEW_ROWS
from dataflow.state.database import StateDatabase, is_made
from dataflow.state.run_records import runs
from dataflow.tables.catalog import is_embedded, warehouse
from dataflow.wording import plural
from dataflow.workflow.project import Environment

_LEAST_FREE = 2_000_000_000
_R_PACKAGES = ("dplyr", "dbplyr", "testthat", "yaml")


@dataclass(frozen=True)
class Diagnosis:
    """The result of one check.

    Attributes:
        name: What was checked.
        ok: Whether a pipeline can use it.
        detail: What is there, or what is wrong.
        fix: How to mend it.
        optional: Whether only some pipelines need it, so that the machine is fine without it.
        fetched: The file that stands in for it, as a run fetched it.
    """

    name: str
    ok: bool
    detail: str
    fix: str | None = None
    optional: bool = False
    fetched: Path | None = None


def diagnose(
    environment: Environment, report: Report = silent, looking: Callable[[str], None] = silent
) -> Iterator[Diagnosis]:
    """Run the checks, cheapest first; what needs a missing thing is not tried.

    Args:
        environment: Where a pipeline would run.
        report: Receives lines about what takes a while.
        looking: Receives the name of what is looked at next.
    """
    cheap = (("Python", _python), ("git", _git), ("Spark", _pyspark), ("home", _home))
    for name, look in cheap:
        looking(name)
        yield look()
    looking("run records")
    yield _checked("run records", lambda: _run_records(environment))
    java: list[Java] = []
    looking("Java")
    yield _checked("Java", lambda: _java(java, report))
    looking("R and sbt")
    yield from _of_one_recipe()
    looking("Sail")
    yield _sail()
    if not java:
        return
    looking("Iceberg's jars")
    fetched = _checked("Iceberg", lambda: _iceberg(java[0], environment, report))
    yield fetched
    if fetched.ok:
        looking("a row that Spark writes and reads")
        yield _checked("write and read", lambda: _write_and_read(environment, report))
        yield _class_data(java[0], environment)
    yield _comet(environment)


def _checked(name: str, look: Callable[[], str]) -> Diagnosis:
    try:
        return Diagnosis(name, True, look())
    except DataflowError as error:
        return Diagnosis(name, False, error.message, error.hint)


def _python() -> Diagnosis:
    fix = installers.install_command(installers.PYTHON)
    return Diagnosis("Python", sys.version_info >= (3, 11), f"{platform.python_version()} in {sys.prefix}", fix)


def _git() -> Diagnosis:
    fix = installers.install_command(installers.GIT)
    if not git.is_installed():
        return Diagnosis("git", False, "not found: packages can't be updated from their recipes", fix)
    found = git.version()
    return Diagnosis("git", found is not None, found or "", fix)


def _pyspark() -> Diagnosis:
    wanted = jars.spark_version()
    fix = f"pip install pyspark=={wanted}"
    try:
        found = version("pyspark")
    except PackageNotFoundError:
        return Diagnosis("Spark", False, "pyspark is not installed", fix)
    detail = found if found == wanted else f"pyspark {found}, but Dataflow is built for {wanted}"
    return Diagnosis("Spark", found == wanted, detail, fix)


def _sail() -> Diagnosis:
    """Check whether queries are answered without a JVM; the check never fails, as Spark answers them all the same."""
    from dataflow.sail.server import missing, start_and_stop

    detail = (
        f"{version('pysail')}: answers queries without Java where it answers as Spark does" if not missing() else ""
    )
    try:
        if detail:
            start_and_stop()
    except DataflowError as error:
        detail = f"{error.message}; Spark answers each query"
    return Diagnosis("Sail", True, detail or f"none, for want of {missing()}: Spark answers each query")


def _home() -> Diagnosis:
    try:
        folder = subfolder()
        with tempfile.NamedTemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        elsewhere = f"export DATAFLOW_HOME={shlex.quote(str(Path.home() / 'dataflow'))}"
        return Diagnosis("home", False, f"{home()}: {error.strerror}", elsewhere)
    detail = f"{home()}, {free / 1e9:.0f} GB free"
    return Diagnosis("home", free >= _LEAST_FREE, detail, "export DATAFLOW_HOME=/another/disk, or free 2 GB here")


def _run_records(environment: Environment) -> str:
    if not is_made(environment.state):
        return "none yet: the first run makes them"
    with StateDatabase(environment.state) as database:
        database.require_sound()
        (found,) = database.rows(sa.select(sa.func.count().label("runs")).select_from(runs))
        return f"{plural(found['runs'], 'run')} at {without_credentials(str(database.engine.url))}"


def _java(found: list[Java], report: Report) -> str:
    found.append(java := find_java(report))
    return f"{java.version} ({java.vendor}) in {java.home}"


def _of_one_recipe() -> Iterator[Diagnosis]:
    """Check what the sparklyr recipe needs, then what the scala recipe can use."""
    from dataflow.jobs.spark.r_script import find_r, install_command, install_packages

    r = find_r()
    if r is None:
        yield Diagnosis("R", False, "not found: the sparklyr recipe needs it", install_command(), optional=True)
        then = install_packages(["sparklyr", *_R_PACKAGES])
        yield Diagnosis("sparklyr", False, "not looked for: there is no R", then, optional=True)
    else:
        found = [f"{name} {r.packages[name]}" for name in _R_PACKAGES if name in r.packages]
        missing = [name for name in _R_PACKAGES if name not in r.packages]
        detail = ", ".join([r.version, *found, *(f"no {name}" for name in missing)])
        yield Diagnosis("R", not missing, detail, install_packages(missing), optional=True)
        detail = r.packages.get("sparklyr", "not installed: the sparklyr recipe needs it")
        yield Diagnosis("sparklyr", "sparklyr" in r.packages, detail, install_packages(["sparklyr"]), optional=True)
    sbt = shutil.which("sbt")
    launcher = jars.folder() / jars.SBT.file_name
    fetched = launcher if sbt is None and launcher.is_file() else None
    yield Diagnosis("sbt", True, sbt or "none on the PATH: fetched when a Scala pipeline is built", fetched=fetched)


def _iceberg(java: Java, environment: Environment, report: Report) -> str:
    wanted = catalog_jars(environment)
    jars.ensure(java, environment.spark, report, wanted)
    ways = [f"with {jar.title}" for jar in wanted if jar not in jars.JARS]
    if mirror := jars.mirror(environment.spark):
        ways.append(f"mirror {without_credentials(mirror)}")
    if proxy := os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        ways.append(f"proxy {without_credentials(proxy)}")
    return ", ".join([f"{jars.ICEBERG.version} in {jars.folder()}", *ways])


def _write_and_read(environment: Environment, report: Report) -> str:
    """Write a row into a table of its own, read it, and drop the table."""
    from dataflow.spark.errors import short_message

    namespace = f"dataflow_doctor_{os.getpid()}"
    with command_session(environment, "doctor", small=True, report=report) as spark:
        try:
            spark.sql(f"CREATE NAMESPACE {namespace}")
            spark.sql(f"CREATE TABLE {namespace}.scratch (id INT) USING iceberg")
            spark.sql(f"INSERT INTO {namespace}.scratch VALUES (1)")
            rows = spark.table(f"{namespace}.scratch").count()
        except Exception as error:
            raise DataflowError(short_message(error), f"see {subfolder('logs') / 'doctor.log'}") from error
        finally:
            spark.sql(f"DROP TABLE IF EXISTS {namespace}.scratch PURGE")
            spark.sql(f"DROP NAMESPACE IF EXISTS {namespace}")
            if is_embedded(environment):  # Iceberg leaves the folders
                shutil.rmtree(warehouse() / namespace, ignore_errors=True)
    if rows != 1:
        raise DataflowError(f"wrote 1 row and read {rows}")
    return f"1 row, catalog {environment.catalog_name}"


def _comet(environment: Environment) -> Diagnosis:
    """Check whether large data is executed in native code; the check never fails, as Spark executes it all the same."""
    there = (
        f"{jars.COMET.version} in {jars.folder()}" if is_fetched() else f"fetched once, {jars.COMET.size / 1e6:.0f} MB"
    )
    if environment.accelerator == "none":
        detail = "off: the environment has accelerator: none"
    elif why := hindrance(environment):
        detail = f"off: {why}"
    elif environment.accelerator == "comet":
        detail = f"on: the environment has accelerator: comet; {there}"
    elif why := lacking():
        detail = f"off: {why}"
    else:
        detail = f"on for runs that read more than {FEW_ROWS:,} rows; {there}"
    return Diagnosis("Comet", True, detail)


def _class_data(java: Java, environment: Environment) -> Diagnosis:
    """Check whether commands start fast; the check never fails."""
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
    return Diagnosis("class data", True, detail)
