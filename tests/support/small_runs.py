"""A workflow of one job, and what failed of a run."""

from __future__ import annotations

ONE = """
version: 1
workflow:
  id: ${dataflow.package_id}.one
jobs:
  - job:
      id: one
      type: Spark
      spark:
        script: %s
"""


def failed(result):
    """Return step and message of what failed first."""
    _, step = result.failed_steps[0]
    return step.id, step.error.message
