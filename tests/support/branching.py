"""Writing to a run's branch and publishing it, as a job does."""

from __future__ import annotations

from dataflow.spark.guard import WriteScope, scoped_session
from dataflow.tables import branch_publish
from dataflow.tables.publish import clear, outcome, publish


def rows(spark, table):
    return sorted(tuple(row) for row in spark.sql(f"SELECT id, CAST(date AS STRING) FROM {table}").collect())


def write(spark, branch, statement):
    """Write as a script does: plainly, in a session that is given the branch."""
    with scoped_session(
        spark, WriteScope("table", "dataflow", table=branch.table, branch=branch.name, keep=branch.keeps)
    ) as session:
        session.sql(statement)


def settled(spark, branch):
    """Return what the branch made of its partition, once what was there before is off it."""
    made = outcome(spark, branch)
    return made if branch.keeps else clear(spark, branch, made, spark.newSession)


def published(spark, branch, summary=None):
    """Publish a branch as a job does; return the snapshot."""
    return publish(spark, branch, settled(spark, branch), summary or {})


def run(spark, table, values, statement, name="dataflow_r_wap", keeps=False):
    """Do all of it for one statement."""
    branch = branch_publish.begin(spark, table, values, name, keeps=keeps)
    try:
        write(spark, branch, statement)
        return published(spark, branch, {"dataflow.run-id": name})
    except BaseException:
        branch_publish.abandon(spark, branch)
        raise
