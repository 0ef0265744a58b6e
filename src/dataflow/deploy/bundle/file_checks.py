"""Checking the files of a package on the disk: what a deployment would refuse is reported by `validate`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.deploy.bundle.script_checks import (
    conflict_markers,
    errors_among,
    file_errors,
    r_program,
    r_syntax_errors,
    script_files,
    syntax_problems,
)
from dataflow.deploy.bundle.script_dependencies import files_beside, needed_files
from dataflow.repository.tree import Tree, tree_of_disk

if TYPE_CHECKING:
    from dataflow.errors import Problem
    from dataflow.workflow.resolved import Workflow


class PackageFileCheck:
    """Checks the files of packages, each file once.

    Attributes:
        problems: What can't run at all: conflict markers, and syntax errors.
        has_unchecked_r_scripts: Whether there are R scripts that were not checked because R is not installed.
    """

    def __init__(self) -> None:
        self.problems: set[Problem] = set()
        self.has_unchecked_r_scripts = False
        self._tree = cache(tree_of_disk)
        self._seen: set[Path] = set()
        self._r: set[Path] = set()

    def check(self, workflow: Workflow) -> None:
        """Check the scripts of a workflow, what is deployed with them, and the text files beside its definition."""
        self.problems |= set(errors_among(syntax_problems(workflow)))
        for script in script_files(workflow):
            if script.suffix in {".py", ".R"}:
                self._check_dependencies(self._tree(script.parent.resolve()), script.name)
        tree = self._tree(workflow.folder.resolve())
        for folder, _, names in tree.walk():
            for name in names:
                self.problems |= set(conflict_markers(folder / name))

    def finish(self) -> None:
        """Check all R scripts at once, as R takes a while to start."""
        self.problems |= set(r_syntax_errors(sorted(self._r)))
        self.has_unchecked_r_scripts = bool(self._r) and r_program() is None

    def _check_dependencies(self, tree: Tree, script: str) -> None:
        base = tree.root
        for name in needed_files(base, script, files_beside(tree, base)):
            path = base / name
            if name.endswith("/") or path in self._seen:
                continue
            self._seen.add(path)
            self.problems |= set(file_errors(path))
            if path.suffix == ".R":
                self._r.add(path)
