"""The start of a process that a job's code spawned: it opens the job's modules under the names that the job uses."""

from __future__ import annotations

import sys

if __name__ == "__mp_main__":
    from dataflow.jobs.spark.modules import open_parent_space

    open_parent_space(sys.argv.pop(1))
