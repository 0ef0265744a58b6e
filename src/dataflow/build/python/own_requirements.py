"""What Dataflow itself needs of the Python that people's code runs in: it goes on there, beside their packages."""

from __future__ import annotations

import functools
import hashlib
import os
import site
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NAME = "dataflow-recipes"
ORIGIN = "dataflow-origin"
"""The file of an environment that names, a line each, where the packages of the Dataflow that made it are."""

BROUGHT = frozenset({"py4j", "pyspark"})
"""What no environment holds: Dataflow's own is held to one version, and Spark has it wherever it runs."""

_EXTRAS = frozenset({"pandas", "postgresql", "s3"})


def python_version() -> str:
    """Return the Python that Dataflow runs on, such as `3.11`."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def packages() -> list[str]:
    """Return the folders that Dataflow's own packages are in, also where it goes on in an environment."""
    noted = Path(sys.prefix) / ORIGIN
    if noted.is_file():
        return noted.read_text("utf-8").splitlines()
    user = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    return [it for it in [*user, *site.getsitepackages()] if Path(it).is_dir()]


def fingerprint() -> str:
    """Return a checksum of this Python and of all that is installed in it, by names and versions."""
    installed = [name for folder in packages() for name in os.listdir(folder) if name.endswith("-info")]  # noqa: PTH208
    about = [python_version(), sys.base_prefix, *packages(), *sorted(installed)]
    return hashlib.sha256("\0".join(about).encode()).hexdigest()


def requirements() -> list[str]:
    """Return what Dataflow itself asks for, extras included."""
    return [f"{canonicalize_name(it.name)}{it.specifier}" for it in _required(NAME, _EXTRAS) if str(it.specifier)]


@functools.cache
def needed() -> Mapping[str, tuple[Requirement, ...]]:
    """Return what Dataflow, and each package that it brings, requires."""
    found: dict[str, tuple[Requirement, ...]] = {}
    todo = [(NAME, _EXTRAS)]
    while todo:
        name, extras = todo.pop()
        known = found.get(name, ())
        new = tuple(it for it in _required(name, extras) if it not in known)
        if new or name not in found:
            found[name] = (*known, *new)
            todo += [(canonicalize_name(it.name), frozenset(it.extras)) for it in new]
    return found


def clashes(locked: Mapping[str, str]) -> Iterator[str]:
    """Say which locked versions Dataflow can't go on with: both sides, a sentence each.

    Args:
        locked: The versions, by package. What one of them needs itself is settled by the lock.
    """
    for name, wanted in needed().items():
        if name in locked and name not in BROUGHT:
            continue
        for each in wanted:
            version = locked.get(canonicalize_name(each.name))
            if version is not None and not each.specifier.contains(version, prereleases=True):
                by = "Dataflow" if name == NAME else f"{name}, which Dataflow brings,"
                yield f"{canonicalize_name(each.name)} {version} is locked, and {by} needs {each.specifier}"


def _required(name: str, extras: frozenset[str]) -> Iterator[Requirement]:
    try:
        wanted = metadata.requires(name) or ()
    except metadata.PackageNotFoundError:  # of an extra that is not installed
        return
    for text in wanted:
        requirement = Requirement(text)
        if applies(requirement.marker, extras):
            yield requirement


def applies(marker: Marker | None, extras: frozenset[str] = frozenset()) -> bool:
    """Say whether something is for this Python, on this machine."""
    return marker is None or any(marker.evaluate({"extra": it}) for it in extras or {""})
