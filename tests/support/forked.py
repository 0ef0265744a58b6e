"""Commands in processes that begin with Dataflow's modules loaded: to load them is most of what most commands do.

A server that has loaded them, and runs nothing else, forks for each command: what one leaves behind in memory no other
one sees. Standard output and error are files, the environment is the test's, as for a process started from a shell.
"""

from __future__ import annotations

import multiprocessing
import os
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import dataflow

_FOR_TESTS_OF_SPARK = ("dataflow.jobs", "dataflow.spark", "dataflow.testing")  # these need pyspark and pytest
_OTHERS = ("copier", "pyarrow.parquet", "pyiceberg.catalog.sql", "rich.table", "sqlalchemy", "sqlglot", "tenacity")


@cache
def _preloaded() -> list[str]:
    """Return the modules that commands are made of, but for those that only a run or a test needs."""
    ours = (it.name for it in pkgutil.walk_packages(dataflow.__path__, "dataflow."))
    return [*(it for it in ours if not it.startswith((*_FOR_TESTS_OF_SPARK, "dataflow.__main__"))), *_OTHERS]


def run(
    arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run the command line, and return what it came to as `subprocess.run` does."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_preloaded())
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = context.Process(target=_main, args=(list(arguments), str(cwd), dict(env), str(out), str(err)))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(list(arguments), timeout)
        said, told = out.read_text("utf-8"), err.read_text("utf-8")
    return subprocess.CompletedProcess(list(arguments), process.exitcode, said, told)


def _main(arguments: list[str], cwd: str, env: dict[str, str], out: str, err: str) -> None:
    for descriptor, name in ((1, out), (2, err)):
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(file, descriptor)
        os.close(file)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = ["dataflow", *arguments]
    from dataflow.cli.main import main

    main()
