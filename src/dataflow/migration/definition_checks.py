"""Definitions with all that they run: their mistakes, and those that their DDL makes in the workflows around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.deploy.bundle.file_checks import PackageFileCheck
from dataflow.deploy.bundle.script_checks import R_UNCHECKED
from dataflow.errors import DataflowError, DefinitionError, Problem
from dataflow.lineage.query import checkout_root
from dataflow.migration.script_checks import check_scripts, downstream_problems
from dataflow.workflow.load import load_workflow

if TYPE_CHECKING:
    from dataflow.lineage.checkout import CheckoutLineage
    from dataflow.workflow.load import Request
    from dataflow.workflow.resolved import Workflow


@dataclass(frozen=True)
class DefinitionChecks:
    """What was found in definitions and their scripts.

    Attributes:
        files: The definitions.
        problems: Mistakes, each with its place.
        unchecked: What could not be checked, in words.
    """

    files: Sequence[Path]
    problems: Sequence[Problem]
    unchecked: Sequence[str]

    def require_none(self) -> None:
        """Refuse what has mistakes.

        Raises:
            DefinitionError: There are some.
        """
        if self.problems:
            raise DefinitionError(self.problems)


def check_definitions(files: Sequence[Path], request: Request) -> DefinitionChecks:
    """Check definitions and their scripts, and the workflows around them that read what their DDL makes.

    Args:
        files: The definitions.
        request: The parameters and the environment that they are checked with.
    """
    problems: list[Problem] = []
    package_files = PackageFileCheck()
    unchecked: dict[str, None] = {}
    checked = {file.resolve() for file in files}
    for file in files:
        around = _checkout_around(file, request.env)
        try:
            workflow = load_workflow(file, request)
            package_files.check(workflow)
            found = check_scripts(workflow, around)
            problems += found.problems
            unchecked.update(dict.fromkeys(found.unchecked))
            if found.declares and (checkout := around()) is not None:
                problems += downstream_problems(workflow, found, checkout, request.env, checked)
        except DefinitionError as error:
            problems += error.problems
    package_files.finish()
    if package_files.has_unchecked_r_scripts:
        unchecked[R_UNCHECKED] = None
    return DefinitionChecks(files, sorted({*problems, *package_files.problems}), tuple(unchecked))


def require_valid_sql(workflow: Workflow, env: str | None) -> None:
    """Refuse a workflow whose SQL has mistakes that its text and its tables' columns show.

    Raises:
        DefinitionError: It has some.
    """
    around = _checkout_around(workflow.file, env)
    problems = [problem for inner in workflow.walk() for problem in check_scripts(inner, around).problems]
    if problems:
        raise DefinitionError(problems)


def _checkout_around(file: Path, env: str | None) -> Callable[[], CheckoutLineage | None]:
    return lambda: _read_checkout(checkout_root(file.parent), env)


@cache
def _read_checkout(root: Path, env: str | None) -> CheckoutLineage | None:
    """Return the workflows below a folder, read once for all that asks; None where too much lies there."""
    from dataflow.lineage.checkout import CheckoutLineage

    found = CheckoutLineage(root, env)
    try:
        found.tables()
    except DataflowError:
        return None
    return found
