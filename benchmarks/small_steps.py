"""Jobs of ten rows, many of them in one run: what each costs beside its bare statement, and whether that grows.

`python -m benchmarks steps` measures it. Run as a script, it runs such jobs in the current Dataflow home, in between
the same statements by themselves, and prints the seconds of both as JSON.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if __package__ in {None, ""}:  # the jobs are a process of their own, in a home of their own
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import Command, answer

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

STEPS = 500
END = 100
"""How many at either end are compared."""

_SELECT = "SELECT id, id * 2 AS twice, 'x' AS letter FROM range(10)"
KINDS = {
    "CREATE TABLE AS": "CREATE TABLE {database}.t{number} USING iceberg AS " + _SELECT,
    "INSERT": "INSERT INTO {database}.t0 " + _SELECT,
}
_FIRST = {"CREATE TABLE AS": "SELECT 1", "INSERT": KINDS["CREATE TABLE AS"].replace("{number}", "0")}
_JOB = "  - job:\n      id: step_{number}\n      type: Spark\n      spark:\n        script: step_{number}.sql\n"


@dataclass(frozen=True)
class Steps:
    """Seconds of each step.

    Attributes:
        jobs: As jobs of one run.
        bare: The same statements by themselves, each behind its job, in a session of the same JVM.
    """

    jobs: list[float]
    bare: list[float]

    @property
    def over(self) -> float:
        """What a job takes beyond its statement."""
        return median(self.jobs) - median(self.bare)

    @property
    def growth(self) -> tuple[float, float]:
        """The medians of the last and of the first jobs."""
        return median(self.jobs[-END:]), median(self.jobs[:END])


def measured(folder: Path, steps: int, report: Callable[[str], None]) -> dict[str, Steps]:
    """Run the jobs of each kind below a folder."""
    found = {}
    for number, kind in enumerate(KINDS):
        home = folder / f"steps-{number}"
        home.mkdir(parents=True)
        command = [sys.executable, str(Path(__file__).resolve()), kind, "--steps", str(steps)]
        env = {"DATAFLOW_HOME": str(home / "home"), "DATAFLOW_USER": "bench"}
        found[kind] = Steps(**json.loads(answer(Command([command], env, cwd=home))))
        report(f"  {kind}: {median(found[kind].jobs):.3f} s, bare {median(found[kind].bare):.3f} s")
    return found


def write_package(folder: Path, kind: str, steps: int) -> Path:
    """Write a package of small jobs, and return its workflow's file."""
    folder.mkdir()
    for number in range(steps + 1):
        statement = (KINDS if number else _FIRST)[kind].replace("{database}", "${TARGET_DB}")
        (folder / f"step_{number}.sql").write_text(statement.replace("{number}", str(number)), "utf-8")
    jobs = "".join(_JOB.replace("{number}", str(number)) for number in range(steps + 1))
    file = folder / "main.sch.yaml"
    file.write_text(f"version: 1\nworkflow:\n  id: bench.steps.main\njobs:\n{jobs}", "utf-8")
    return file


def run(kind: str, steps: int) -> Steps:
    """Run the jobs, and each one's statement behind it."""
    from dataflow.runner.context import RunContext
    from dataflow.runner.progress import NoProgress
    from dataflow.runner.runner import Runner
    from dataflow.spark.session import Engine
    from dataflow.state.database import StateDatabase
    from dataflow.state.run_records import RunRecords
    from dataflow.workflow.load import Request, load_workflow

    workflow = load_workflow(write_package(Path("package"), kind, steps), Request(date=dt.date(2026, 1, 1)))
    bare: list[float] = []

    class Beside(NoProgress):
        """Runs the bare statement when its job has ended, so that both meet the same machine."""

        def __init__(self, spark: SparkSession) -> None:
            spark.sql("CREATE NAMESPACE bare")
            self.statements = [(KINDS if it else _FIRST)[kind] for it in range(steps + 1)]
            self.spark = spark

        def finished(self, *_: Any) -> None:
            statement = self.statements[len(bare)].replace("{database}", "bare")
            began = time.perf_counter()
            self.spark.sql(statement.replace("{number}", str(len(bare))))
            bare.append(time.perf_counter() - began)

    with Engine(workflow.environment, Path("spark.log"), train=False) as engine:
        runner = Runner(
            RunContext(engine.spark, RunRecords(StateDatabase(None)), Beside(engine.spark), Path("run.log"))
        )
        result = runner.run(workflow)
    if result.status != "succeeded":
        sys.exit(str(result.failed_steps[0][1].error))
    return Steps([step.seconds for step in result.steps][1:], bare[1:])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--steps", type=int, default=STEPS)
    given = parser.parse_args()
    json.dump(vars(run(given.kind, given.steps)), sys.stdout)
