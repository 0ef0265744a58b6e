"""Finding the unit tests below a folder, whatever they are written with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dataflow.errors import UsageError, display_path
from dataflow.git import ignored
from dataflow.testing.suites.model import Kind, Suite
from dataflow.workflow.discovery import package_of, walk

PYTHON_TESTS = re.compile(r"test_.*\.py|.*_test\.py|.*\.test\.yaml")
"""Names of the files in which pytest looks for tests."""

_R_TESTS = re.compile(r"test.*\.[rR]")
_BUILDS: Mapping[str, Kind] = {
    "build.sbt": "sbt",
    "build.gradle": "gradle",
    "build.gradle.kts": "gradle",
    "settings.gradle": "gradle",
    "settings.gradle.kts": "gradle",
    "pom.xml": "maven",
}
_OWN_BUILD: Mapping[Kind, tuple[str, ...]] = {
    "sbt": ("project/build.properties",),
    "gradle": ("settings.gradle", "settings.gradle.kts"),
}
"""What makes a build file below another one of its kind more than a part of that build."""


def find_suites(paths: Sequence[Path], *, none_is_fine: bool = False) -> list[Suite]:
    """Find the suites below folders, in the order of their names.

    Args:
        paths: The folders; each has to hold some.
        none_is_fine: Whether a folder may also hold none.

    Raises:
        UsageError: A folder does not exist or holds no tests.
    """
    asked: dict[tuple[Path, Kind], set[Path]] = {}
    for path in paths:
        if not path.is_dir():
            wrong = "is a file: name a folder" if path.exists() else "does not exist"
            raise UsageError(f"{display_path(path)} {wrong}")
        top = path.resolve()
        found = set(_below(top))
        if not found and not none_is_fine:
            raise no_tests(path)
        for key in found:
            asked.setdefault(key, set()).add(top)
    return [_suite(folder, kind, tops, asked) for (folder, kind), tops in sorted(asked.items())]


def no_tests(path: Path) -> UsageError:
    """Return the error for a folder without unit tests."""
    return UsageError(
        f"{display_path(path)} contains no unit tests",
        "looked for test_*.py, *.test.yaml, build.sbt, src/test of Gradle and Maven, and tests/testthat",
    )


def _below(top: Path) -> Iterator[tuple[Path, Kind]]:
    loose: set[Path] = set()  # Python tests of no package: sub-folders go with the uppermost
    builds: dict[Kind, set[Path]] = {"sbt": set(), "gradle": set(), "maven": set()}
    unseen = ignored(top)
    for folder, folders, names in walk(top):
        folders[:] = [it for it in folders if folder / it not in unseen]
        files = [it for it in names if folder / it not in unseen]
        if any(map(PYTHON_TESTS.fullmatch, files)):
            package = package_of(folder)
            if package is None:
                package = next((it for it in folder.parents if it in loose), folder)
                loose.add(package)
            yield package, "pytest"
        yield from _of_jvm(folder, files, builds)
        if folder.parts[-2:] == ("tests", "testthat") and any(map(_R_TESTS.fullmatch, files)):
            yield folder.parents[1], "testthat"


def _of_jvm(folder: Path, files: Sequence[str], builds: Mapping[Kind, set[Path]]) -> Iterator[tuple[Path, Kind]]:
    """Note where builds begin; sbt's is a suite in any case, Gradle's and Maven's where there is a `src/test`."""
    for kind in dict.fromkeys(_BUILDS[it] for it in files if it in _BUILDS):
        if _is_build(folder, kind) or builds[kind].isdisjoint(folder.parents):
            builds[kind].add(folder)
            if kind == "sbt":
                yield folder, kind
    if folder.parts[-2:] == ("src", "test"):
        for kind in ("gradle", "maven"):
            if root := next((it for it in folder.parents if it in builds[kind]), None):
                yield root, kind


def _is_build(folder: Path, kind: Kind) -> bool:
    """Say whether a folder with a build file is more than a part of the build above it."""
    return any((folder / it).exists() for it in _OWN_BUILD.get(kind, ()))


def _suite(folder: Path, kind: Kind, tops: set[Path], asked: dict[tuple[Path, Kind], set[Path]]) -> Suite:
    package = package_of(folder) or folder
    if kind != "pytest":
        return Suite(kind, folder, package)
    only = () if any(folder.is_relative_to(top) for top in tops) else tuple(sorted(tops))
    ignored = sorted(it for it, other in asked if other == kind and folder in it.parents)
    return Suite(kind, folder, package, only, tuple(ignored))
