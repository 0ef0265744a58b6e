"""A run of many small jobs: what one costs beyond its statement does not grow with those before it."""

from __future__ import annotations

import pytest
from py4j.clientserver import ClientServerConnection

from dataflow.runner.progress import NoProgress

pytestmark = pytest.mark.spark

JOB = """
  - job:
      id: step_{0}
      type: Spark
      spark:
        script: step_{0}.sql
"""
JOBS = 14


class Counting(NoProgress):
    """Keeps how many calls into the JVM each job made."""

    def __init__(self):
        self.calls = 0
        self.before = 0
        self.jobs = []

    def started(self, *_):
        self.before = self.calls

    def finished(self, *_):
        self.jobs.append(self.calls - self.before)


@pytest.fixture
def counting(monkeypatch):
    counting, send = Counting(), ClientServerConnection.send_command

    def counted(connection, command):
        counting.calls += not command.startswith("m\n")  # what Python's collector gives back, whenever it runs
        return send(connection, command)

    monkeypatch.setattr(ClientServerConnection, "send_command", counted)
    return counting


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE {db}.t{n} USING iceberg AS SELECT id FROM range(10)",
        "INSERT INTO {db}.t0 SELECT id FROM range(10)",
    ],
)
def test_a_job_asks_no_more_of_the_jvm_than_the_jobs_before_it(package, counting, statement):
    database = f"{package.user}_sandbox"
    package.spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {database}")
    package.spark.sql(f"CREATE TABLE {database}.t0 (id BIGINT) USING iceberg")
    for number in range(1, JOBS + 1):
        package.write(f"step_{number}.sql", statement.format(db=database, n=number))
    jobs = "".join(JOB.format(number) for number in range(1, JOBS + 1))
    package.write("main.sch.yaml", f"version: 1\nworkflow:\n  id: ${{dataflow.package_id}}.main\njobs:{jobs}")
    assert package.runner(counting).run(package.load()).status == "succeeded"
    early, late = max(counting.jobs[2:6]), max(counting.jobs[-4:])
    assert 10 < late <= early + 5, counting.jobs
