"""What a process begins with that a job's code spawned: the job's modules, under the names that it knows them by."""

from __future__ import annotations

import sys

if __name__ == "__mp_main__":
    from dataflow.jobs.spark.modules import adopt

    adopt(sys.argv.pop(1))
