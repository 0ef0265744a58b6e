"""The environment of people's code on a cluster's executors: its packages, packed, and unpacked there by Spark."""

from __future__ import annotations

import dataclasses
import os
import tarfile
from typing import TYPE_CHECKING

from dataflow.build.python.environment import PATH_FILE, current, site_packages
from dataflow.files import draft_of, exclusive_lock
from dataflow.report import Report, silent
from dataflow.spark.config import is_local

if TYPE_CHECKING:
    from pathlib import Path

    from dataflow.workflow.project import Environment

_FOLDER = "dataflow-packages"
"""What an executor has them as, in the folder that it works in."""


def with_packages(environment: Environment, report: Report = silent) -> Environment:
    """Return an environment whose executors have the packages that this process has for people's code.

    They need no more where Spark runs in the driver's own JVM: their workers are this Python. On a cluster, workers are
    the Python that is installed there, of the same version, as without packages.
    """
    folder = current()
    if folder is None or is_local(environment.spark):
        return environment
    archive = folder / f"{_FOLDER}.tar.gz"
    with exclusive_lock(folder.with_suffix(".lock"), "packing a Python environment", report):
        if not archive.exists():
            report("packing the Python environment for the executors …")
            _pack(archive)
    given = environment.spark
    ours = {
        "spark.archives": _joined(",", given.get("spark.archives"), f"{archive.as_uri()}#{_FOLDER}"),
        "spark.executorEnv.PYTHONPATH": _joined(os.pathsep, _FOLDER, given.get("spark.executorEnv.PYTHONPATH")),
    }
    return dataclasses.replace(environment, spark={**given, **ours})


def _pack(archive: Path) -> None:
    packages = site_packages()
    if packages is None:
        raise AssertionError("there is an environment")
    with (
        draft_of(archive, archive.with_suffix(".part")) as draft,  # a killed writer's is overwritten: it is large
        tarfile.open(draft, "w:gz", compresslevel=1) as file,
    ):
        for each in sorted(packages.iterdir()):
            if each.name != PATH_FILE and not each.name.startswith("_virtualenv"):
                file.add(each, each.name)


def _joined(by: str, *parts: str | None) -> str:
    return by.join(filter(None, parts))
