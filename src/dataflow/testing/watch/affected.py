"""Tests that a saved file affects: those that refer to it, themselves or through what they import and run."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from dataflow.testing.suites.discovery import PYTHON_TESTS
from dataflow.testing.suites.model import Suite
from dataflow.testing.watch.references import FileReferences, references_of
from dataflow.workflow.discovery import is_generated as is_generated_folder

_LONGEST_PATH = 255

_LANGUAGES = {"sbt": {".java", ".sbt", ".scala"}, "testthat": {".r"}, "pytest": {".py"}}
"""Suffixes that concern one kind of suite alone, where a package has several."""


@dataclass(frozen=True)
class Selection:
    """What is to run again.

    Attributes:
        suite: Of which suite.
        targets: pytest's arguments, from the suite's folder; nothing for all that there is.
        why: The reason, as shown behind the file's name.
        sure: Whether the tests are known to use the file.
    """

    suite: Suite
    targets: tuple[str, ...]
    why: str
    sure: bool = True


class Affected:
    """Finds the tests that saved files affect; references are kept until a file changes."""

    def __init__(self, suites: Collection[Suite]) -> None:
        self._suites = suites
        self._read: dict[Path, tuple[tuple[int, int], FileReferences]] = {}

    def by(self, saved: Path) -> list[Selection]:
        """Return the tests that a file affects, written, moved or deleted: a selection for each suite.

        Args:
            saved: The file's absolute path.
        """
        found = [it for suite in self._suites if suite.kind == "pytest" and (it := self._select_users(suite, saved))]
        named = {id(it.suite) for it in found}
        return found + [
            Selection(suite, (), "all tests" if suite.kind != "pytest" else "all tests, as none names it", sure=False)
            for suite in self._suites
            if id(suite) not in named and saved.is_relative_to(suite.package) and self._concerns(suite, saved, found)
        ]

    def _concerns(self, suite: Suite, saved: Path, found: list[Selection]) -> bool:
        """Say whether a file that no test names may matter to a suite."""
        if suite.kind == "pytest" and is_test(saved):  # deleted, or another suite's
            return False
        others = [it for it in self._suites if it.package == suite.package and it.kind != suite.kind]
        owners = {kind for kind, suffixes in _LANGUAGES.items() if saved.suffix.lower() in suffixes}
        if owners & {it.kind for it in others}:
            return False
        return suite.kind != "pytest" or not any(it.suite.package == suite.package for it in found)

    def _select_users(self, suite: Suite, saved: Path) -> Selection | None:
        tests = sorted(tests_of(suite))
        if saved in tests:
            return Selection(suite, (_relative(saved, suite),), "its own tests")
        if saved.name == "conftest.py":
            below = [_relative(it, suite) for it in tests if it.is_relative_to(saved.parent)]
            return Selection(suite, tuple(below), "the tests beside and below it") if below else None
        targets = [target for test in tests for target in self._targets(suite, test, saved)]
        if not targets:
            return None
        if any("::" not in it for it in targets):
            return Selection(suite, tuple(targets), f"{_count(len(targets), 'file')} with tests that use it")
        return Selection(
            suite, tuple(targets), f"{_count(len(targets), 'test')} that use{'s' * (len(targets) == 1)} it"
        )

    def _targets(self, suite: Suite, test: Path, saved: Path) -> list[str]:
        named, file = self._references(test), _relative(test, suite)
        conftests = [it / "conftest.py" for it in test.parents if it.is_relative_to(suite.folder)]
        files = [it for module in named.modules for it in _module_files(module, test, suite)]
        if any(self._leads_to(it, saved, suite, {test}) for it in [*files, *conftests]):
            return [file]
        hit = [unit.name for unit in named.units if self._reaches(unit.words, test, saved, suite, {test})]
        return [file] if "" in hit else [f"{file}::{name}" for name in hit]

    def _leads_to(self, file: Path, saved: Path, suite: Suite, seen: set[Path]) -> bool:
        if file == saved:
            return True
        if file in seen or not file.is_file():
            return False
        seen.add(file)
        named = self._references(file)
        files = [it for module in named.modules for it in _module_files(module, file, suite)]
        return any(self._leads_to(it, saved, suite, seen) for it in files) or self._reaches(
            named.words, file, saved, suite, seen
        )

    def _reaches(self, words: Collection[str], file: Path, saved: Path, suite: Suite, seen: set[Path]) -> bool:
        """Say whether words name the saved file, or a script that leads to it."""
        for word in words:
            if not word or len(word) > _LONGEST_PATH or "\n" in word or "\0" in word:
                continue
            if "/" not in word and "." in word and word == saved.name:  # as in Path(__file__).parent / "mocks" / word
                return True
            for base in {file.parent, suite.folder}:
                path = Path(os.path.normpath(base / word))
                if path == saved or _is_folder_of(path, saved, file, suite):
                    return True
                if path.suffix == ".py" and self._leads_to(path, saved, suite, seen):
                    return True
        return False

    def _references(self, file: Path) -> FileReferences:
        try:
            status = file.stat()
        except OSError:
            return FileReferences(frozenset(), ())
        stamp = (status.st_mtime_ns, status.st_size)
        if file not in self._read or self._read[file][0] != stamp:
            self._read[file] = (stamp, references_of(file))
        return self._read[file][1]


def is_test(file: Path) -> bool:
    """Say whether pytest looks for tests in a file of this name."""
    return PYTHON_TESTS.fullmatch(file.name) is not None


def is_generated(path: Path, top: Path) -> bool:
    """Say whether a file below a folder is one that tools write, or an editor for itself."""
    parts = path.relative_to(top).parts
    hidden = any(it.startswith("pytest-cache-files-") or is_generated_folder(it) for it in parts)
    return hidden or path.suffix in {".pyc", ".swp", ".tmp"} or path.name.endswith("~")


def files_below(top: Path, ignored: Collection[Path] = ()) -> Iterator[Path]:
    """Yield the files below a folder, but for folders that tools write, and those that are ignored."""
    for name, folders, files in os.walk(top):
        folder = Path(name)
        kept = (it for it in folders if not is_generated(folder / it, top))
        folders[:] = [it for it in kept if folder / it not in ignored]
        yield from (folder / it for it in files)


def tests_of(suite: Suite) -> Iterator[Path]:
    """Yield the files in which pytest finds a suite's tests."""
    for top in suite.only or (suite.folder,):
        yield from filter(is_test, files_below(top, suite.ignored))


def _module_files(module: str, file: Path, suite: Suite) -> Iterator[Path]:
    """Yield where an imported module of the package may be; installed ones are left out."""
    dots = len(module) - len(module.lstrip("."))
    parts = module.lstrip(".").split(".") if module.strip(".") else []
    if dots:
        bases = [file.parents[dots - 1]] if dots <= len(file.parents) else []
    else:
        bases = [it for it in file.parents if it.is_relative_to(suite.folder)]
        bases += [suite.folder / "src"]
    for base in bases:
        for path in (base.joinpath(*parts).with_suffix(".py") if parts else None, base.joinpath(*parts, "__init__.py")):
            if path is not None and path.is_file():
                yield path


def _is_folder_of(path: Path, saved: Path, file: Path, suite: Suite) -> bool:
    """Say whether a word names a folder in which the saved file is, and means more than 'here'."""
    return path in saved.parents and path not in file.parents and suite.folder in path.parents


def _relative(file: Path, suite: Suite) -> str:
    return os.path.relpath(file, suite.folder)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
