"""A team's cluster: workers, PostgreSQL as catalog and state, and an environment that names both."""

from __future__ import annotations

import contextlib
import functools
import shutil
import sys

import pytest

from dataflow.spark import jars
from dataflow.spark.java import find_java
from dataflow.tables.catalog import open_catalog
from dataflow.tables.pyiceberg_catalog import find_table, load_table
from dataflow.workflow.project import environment, find_project
from tests.build.python.conftest import index
from tests.support.cluster import Cluster, Postgres
from tests.support.places import EXAMPLE

__all__ = ["index"]

DAYS = ("2026-01-28", "2026-01-29", "2026-01-30", "2026-01-31")
TABLE = "prod.alice_package_results"
PROJECT = """\
version: 1
project: team
environments:
  production:
    state: ${secret:LAKE_STATE}
    catalog:
      name: lake
      type: jdbc
      uri: {jdbc}
      jdbc.user: {user}
      jdbc.password: ${secret:LAKE_PASSWORD}
      jdbc.schema-version: V1
      warehouse: {warehouse}
    spark:
      spark.master: {master}
      spark.driver.host: 127.0.0.1
      spark.driver.memory: 900m
      spark.executor.memory: 600m
      spark.sql.shuffle.partitions: "4"
      spark.pyspark.python: {python}
    params:
      TARGET_DB: prod
  submitted:
    catalog: {name: pond, type: hadoop, warehouse: {warehouse}-of-mains}
    spark:
      spark.master: {master}
      spark.submit.deployMode: cluster
      spark.driver.host: 127.0.0.1
      spark.driver.memory: 900m
      spark.executor.memory: 600m
      spark.dynamicAllocation.executorIdleTimeout: 5s
      spark.sql.shuffle.partitions: "4"
    params:
      TARGET_DB: prod
"""


WRITE = """\
        - job:
            id: write
            type: Spark
            spark:
              script: ./src/sparksql_write.sql
"""
HOLD = """\
        - job:
            id: hold
            type: Spark
            spark:
              script: ./src/hold.py
"""
WAIT = """\
import time
from pathlib import Path


def main(args, spark):
    deadline = time.monotonic() + 300
    while not Path({file!r}).exists():
        assert time.monotonic() < deadline, "nobody let it go on"
        time.sleep(0.1)
"""


class Team:
    """A team's project on its cluster."""

    def __init__(self, command, cluster, postgres, folder) -> None:
        self.command = command
        self.cluster = cluster
        self.postgres = postgres
        command.environ |= {"LAKE_PASSWORD": postgres.PASSWORD, "LAKE_STATE": postgres.address}
        values = {"jdbc": postgres.jdbc, "user": postgres.USER, "warehouse": folder / "warehouse"}
        values |= {"master": cluster.address, "python": sys.executable}
        text = PROJECT
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", str(value))
        (command.folder / "dataflow.yaml").write_text(text)

    def add(self, example, name):
        """Copy a package into the project."""
        shutil.copytree(example, self.command.folder / name)

    def __call__(self, *arguments, **options):
        return self.command(*arguments, "--env", "production", **options)

    @contextlib.contextmanager
    def held(self):
        """Have each day of the package wait, its rows on its branch, for who is lent to let all go on."""
        package, file = self.command.folder / "package", self.command.folder / "go-on"
        main, script = package / "main.sch.yaml", package / "src" / "hold.py"
        text = main.read_text()
        assert WRITE in text
        main.write_text(text.replace(WRITE, WRITE + HOLD))
        script.write_text(WAIT.format(file=str(file)))
        try:
            yield file.touch
        finally:
            main.write_text(text)
            script.unlink()
            file.unlink(missing_ok=True)

    def written(self, name=TABLE):
        """Return the branches of a table that have rows of their own; none where there is no table yet."""
        table = find_table(self._catalog, name)
        refs = {} if table is None else {ref: found.snapshot_id for ref, found in table.refs().items()}
        main = refs.pop("main", None)
        return {ref for ref, snapshot in refs.items() if snapshot != main}

    def table(self, name=TABLE):
        """Return a table as PyIceberg finds it in the catalog."""
        return load_table(self._catalog, name)

    def rows_by_day(self, name=TABLE):
        """Return the rows of each day that a reader sees; none where there is no table yet."""
        table = find_table(self._catalog, name)
        rows = [] if table is None else table.scan().to_arrow().to_pylist()
        found = {}
        for row in rows:
            found.setdefault(str(row["date"]), []).append(tuple(row.values()))
        return {day: sorted(lines, key=str) for day, lines in found.items()}

    @functools.cached_property
    def _catalog(self):
        """The catalog, opened once: each has connections of its own, of which PostgreSQL allows a hundred."""
        return open_catalog(environment(find_project(self.command.folder), "production"))


@pytest.fixture(scope="module")
def team(tmp_path_factory, spark_commands, request):
    """A cluster of two workers, or as many as a module's WORKERS says, with the example and four days of its source."""
    folder = tmp_path_factory.mktemp("team")
    jars.ensure(find_java(), {}, wanted=(jars.POSTGRESQL,))
    postgres = Postgres()
    cluster = Cluster(folder / "cluster", workers=getattr(request.module, "WORKERS", 2))
    try:
        with pytest.MonkeyPatch.context() as patch:
            found = Team(spark_commands(folder / "project", folder / "home"), cluster, postgres, folder)
            for name in ("DATAFLOW_HOME", "LAKE_PASSWORD", "LAKE_STATE"):
                patch.setenv(name, found.command.environ[name])
            found.add(EXAMPLE, "package")
            found("sample", "source", "--rows", "4000", "--from", DAYS[0], "--until", DAYS[-1])
            yield found
    finally:
        cluster.stop()
        postgres.stop()
