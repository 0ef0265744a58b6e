"""A workflow of one job, and what failed of a run."""

from __future__ import annotations

from tests.support.packages import definition, spark


def one(script):
    """Return the definition of a workflow that is one script."""
    return definition(spark(script, "one"), name="${dataflow.package_id}.one")


def failed(result):
    """Return step and message of what failed first."""
    _, step = result.failed_steps[0]
    return step.id, step.error.message
