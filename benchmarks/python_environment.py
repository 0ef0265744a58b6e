"""How much later a run starts whose Python code needs packages, with the environment made before.

`python -m benchmarks python-environment` measures it: from the start of the process to the line that says that the run
begins, of the same script with and without a `pyproject.toml`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from benchmarks.measure import RunFailed

_MAIN = """\
version: 1
workflow:
  id: ${dataflow.package_id}.main
jobs:
  - job:
      id: one
      type: Spark
      spark:
        script: job.py
"""
_PROJECT = """\
[project]
name = "bench"
version = "1"
requires-python = ">=3.11"
dependencies = ["iniconfig"]
"""


def measured(folder: Path, runs: int, report: Callable[[str], None]) -> tuple[float, float]:
    """Return the medians without and with an environment.

    Args:
        folder: Where the packages and the Dataflow home of the measurement are made.
        runs: How often each is started.
        report: Told of each start.
    """
    env = {**os.environ, "DATAFLOW_HOME": str(folder / "home"), "DATAFLOW_USER": "bench"}
    packages = folder / "plain", folder / "locked"
    for package in packages:
        package.mkdir(parents=True)
        (package / "main.sch.yaml").write_text(_MAIN)
        (package / "job.py").write_text("def main(args, spark): pass\n")
    (folder / "locked" / "pyproject.toml").write_text(_PROJECT)
    for package in packages:
        _until_it_begins(package, env)
    times: dict[Path, list[float]] = {package: [] for package in packages}
    for turn in range(runs):
        for package in packages:
            times[package].append(_until_it_begins(package, env))
            report(f"  {turn + 1}/{runs}  start, {package.name}: {times[package][-1]:.2f} s")
    without, within = (median(times[package]) for package in packages)
    return without, within


def _until_it_begins(package: Path, env: Mapping[str, str]) -> float:
    command = [str(Path(sys.executable).with_name("dataflow")), "workflow", "run", "main.sch.yaml"]
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=package, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        for line in process.stderr or ():
            if line.startswith("run "):
                return time.monotonic() - began
        raise RunFailed(f"{' '.join(command)} ended before it began")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
