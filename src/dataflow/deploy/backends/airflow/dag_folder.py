"""The folder of an environment's DAG files: what of it is rendered anew, and what is taken away.

All files in it are ours; beside them lies what each was rendered from, so that of a thousand workflows only those are
rendered that changed. Each file takes the place of the one before at once, and names its own bundle: what is killed in
between leaves old and new files that each run what they say, and the next deployment goes on.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import dataflow
from dataflow.deploy.backends.airflow.dag_file import DagFile
from dataflow.deploy.bundle.manifest import digest, load_bundle
from dataflow.errors import DataflowError, UsageError
from dataflow.files import exclusive_lock, write_file

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.bundle.manifest import Bundle
    from dataflow.deploy.deployments import Deployment
    from dataflow.deploy.plan.definition import PreparedPlan

RECORD = ".rendered.json"
"""What each file was rendered from; Airflow looks at files that end in `.py`."""

UNKNOWN = "known once it is deployed"
"""What stands for the id of a bundle that is not there yet."""

_LOCK = ".dataflow.lock"


def follow(folder: Path, deployment: Deployment | None, registry: Registry) -> list[str]:
    """Make a folder hold the DAG files of what an environment runs, and nothing else.

    Args:
        folder: The environment's folder, which need not be there.
        deployment: What it runs; None where it runs nothing any more.
        registry: Where its bundles are.

    Returns:
        The files that changed or are gone.

    Raises:
        DataflowError: The folder can't be written, or a bundle can't be read.
    """
    wanted = {} if deployment is None else dict(_wanted(deployment))
    if not wanted and not folder.exists():
        return []
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        before = _recorded(folder)
        there = {it.name for it in folder.glob("*.py")}
        new = {name for name, (key, _) in wanted.items() if before.get(name) != key or name not in there}
        gone = sorted(there - wanted.keys())
        for name, text in _rendered(registry, deployment, new):
            write_file(folder / name, text)
        for name in gone:
            (folder / name).unlink(missing_ok=True)
        record = {name: key for name, (key, _) in sorted(wanted.items())}
        if record != before:
            write_file(folder / RECORD, json.dumps(record, indent=0))
        if not wanted:
            _remove(folder)
    return sorted([*new, *gone])


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let nobody else write DAG files beside a folder for as long as a block."""
    with contextlib.ExitStack() as stack:
        with _writing(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(exclusive_lock(folder.parent / _LOCK, f"writing DAG files to {folder.parent}"))
        yield


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataflowError(
            f"DAG files can't be written to {folder}: {error.strerror}",
            "the deployment stands; deploying again goes on where this ended",
        ) from error


def write_planned(folder: Path, planned: PreparedPlan, now: dt.datetime) -> list[Path]:
    """Write the DAG files that a deployment would make of what it changes, to look at them; nobody runs those.

    Args:
        folder: Where to write them; made where it is missing.
        planned: The plan.
        now: When a package that is new would be deployed.

    Returns:
        The files.

    Raises:
        UsageError: The workflows would not be run by Airflow.
        DataflowError: The folder can't be written.
    """
    deployed = {} if planned.before is None else planned.before.revision.packages
    written = []
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for key in planned.packages_to_build:
            package = planned.prepared[key]
            if package.environment.backend != "airflow":
                raise UsageError(f"{package.environment.name} is not run by Airflow: it has no DAG files")
            since = deployed[key].since if key in deployed else None
            for workflow in package.own_workflows.values():
                file = DagFile(package, UNKNOWN, workflow, since or now)
                write_file(folder / file.name, file.render())
                written.append(folder / file.name)
    return written


def taken(root: Path, own: Path, workflows: Iterable[str]) -> Iterator[str]:
    """Yield which workflows another environment has in the same folder: Airflow knows one DAG of a name."""
    for record in sorted(root.glob(f"*/{RECORD}")):
        if record.parent != own:
            for name in sorted({f"{it}.py" for it in workflows} & _recorded(record.parent).keys()):
                yield f"{record.parent.name} has a DAG {name.removesuffix('.py')} in {root} already"


def _wanted(deployment: Deployment) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the files that should be there, each with what it is rendered from and its package."""
    for package_key, package in deployment.revision.packages.items():
        since = package.since or deployment.revision.at
        for id_ in package.workflows:
            key = digest([dataflow.__version__, package.bundle, since.isoformat()])
            yield f"{id_}.py", (key, package_key)


def _rendered(registry: Registry, deployment: Deployment | None, names: set[str]) -> Iterator[tuple[str, str]]:
    if deployment is None:
        return
    for package in deployment.revision.packages.values():
        mine = {f"{id_}.py" for id_ in package.workflows} & names
        if mine:
            bundle: Bundle = load_bundle(registry, package.bundle)
            since = package.since or deployment.revision.at
            for workflow in bundle.own_workflows.values():
                file = DagFile(bundle, package.bundle, workflow, since)
                if file.name in mine:
                    yield file.name, file.render()


def _recorded(folder: Path) -> Mapping[str, str]:
    """Return what the files of a folder were rendered from; nothing where that can't be read."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((folder / RECORD).read_text("utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def _remove(folder: Path) -> None:
    """Remove an empty folder; one in which somebody else put something stays."""
    (folder / RECORD).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
