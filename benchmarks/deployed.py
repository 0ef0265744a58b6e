"""A thousand deployed workflows on one registry: to a folder of DAG files, and to `workflow due`."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.measure import Command, seconds

PACKAGES = int(os.environ.get("BENCHMARK_PACKAGES", "500"))
"""Each has two workflows: one for a day, and one for all days, with a schedule."""

_PROJECT = """\
version: 1
project: many
environments:
  production:
    branch: main
    backend: airflow
    airflow:
      dags: {dags}
    params:
      TARGET_DB: prod
  staging:
    branch: staging
    params:
      TARGET_DB: stage
"""
_MAIN = """\
version: 1
workflow:
  id: ${dataflow.package_id}.main
  owner: ${dataflow.owner}
params:
  EXECUTION_DATE: ${dataflow.yesterday}
  TARGET_TABLE: ${TARGET_DB}.${dataflow.package_slug}_results
jobs:
  - job:
      id: ddl
      type: Spark
      spark:
        script: ddl.sql
  - template:
      id: wap
      type: wap
      table: ${TARGET_TABLE}
      partition:
        date: ${EXECUTION_DATE}
      write:
        - job:
            id: write
            type: Spark
            spark:
              script: write.sql
  - job:
      id: hwm
      type: HWM
      hwm:
        table: ${TARGET_TABLE}
        datetime: ${EXECUTION_DATE}
"""
_DAILY = """\
version: 1
workflow:
  id: ${dataflow.package_id}.daily
  owner: ${dataflow.owner}
trigger:
  cron: "0 3 * * *"
jobs:
  - foreach:
      id: each_day
      dates:
        last: 3
      job:
        id: main
        type: Subworkflow
        subworkflow:
          file: ./main.sch.yaml
          params:
            EXECUTION_DATE: ${dataflow.each}
"""
_DDL = "CREATE TABLE IF NOT EXISTS ${TARGET_TABLE} (id INT, date DATE) USING iceberg PARTITIONED BY (date);\n"
_WRITE = "INSERT OVERWRITE ${TARGET_TABLE} PARTITION (date = DATE '${EXECUTION_DATE}') SELECT %d AS id;\n"


def prepare(folder: Path, home: Path) -> Mapping[str, Command]:
    """Deploy a thousand workflows twice, and return what is measured then.

    Args:
        folder: Where the repository, its registry and the DAG files are made.
        home: The Dataflow home.
    """
    repository = folder / "many"
    repository.mkdir(parents=True)
    _git(repository, "init", "--quiet", "--initial-branch", "main")
    (repository / "dataflow.yaml").write_text(_PROJECT.format(dags=folder / "dags"), "utf-8")
    for number in range(PACKAGES):
        package = repository / f"p{number:03}"
        package.mkdir()
        identity = f"owner: bench\npackage_id: bench.p{number:03}\nuuid: uuid-of-p{number:03}\n"
        texts = {"main.sch.yaml": _MAIN, "daily.sch.yaml": _DAILY, "ddl.sql": _DDL, "write.sql": _WRITE % 0}
        for name, text in {**texts, "identity.yaml": identity}.items():
            (package / name).write_text(text, "utf-8")
    _commit(repository)
    numbers = itertools.count(1)

    def change() -> None:
        (repository / "p007" / "write.sql").write_text(_WRITE % next(numbers), "utf-8")
        _commit(repository)

    env = {"DATAFLOW_HOME": str(home), "DATAFLOW_USER": "bench"}
    deploy = (sys.executable, "-m", "dataflow", "project", "deploy")
    due = (sys.executable, "-m", "dataflow", "workflow", "due", "--env", "staging", "--dry-run")
    _git(repository, "switch", "--quiet", "--create", "staging")
    seconds(Command([deploy], env, cwd=repository))
    _git(repository, "switch", "--quiet", "main")
    seconds(Command([deploy], env, cwd=repository))
    return {
        "deploying one change": Command([deploy], env, change, repository),
        "deploying no change": Command([deploy], env, cwd=repository),
        "workflow due": Command([due], env, cwd=repository),
    }


def _commit(repository: Path) -> None:
    _git(repository, "add", "--all")
    _git(repository, "commit", "--quiet", "--message", "a change")


def _git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=Bench", "-c", "user.email=bench@example.org")
    subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True)
