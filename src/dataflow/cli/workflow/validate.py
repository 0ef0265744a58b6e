"""What `workflow validate` and `workflow plan` look at before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.cli.console import say
from dataflow.cli.workflow.options import request
from dataflow.errors import DataflowError, DefinitionError, Problem

if TYPE_CHECKING:
    from dataflow.lineage.checkout import CheckoutLineage
    from dataflow.workflow.resolved import Workflow

_SHOWN = 10


@dataclass(frozen=True)
class Validated:
    """What was found in definitions and their scripts.

    Attributes:
        files: The definitions.
        problems: Mistakes, each with its place.
        unchecked: What could not be checked, in words.
    """

    files: Sequence[Path]
    problems: Sequence[Problem]
    unchecked: Sequence[str]

    def require(self) -> None:
        """Refuse what has mistakes.

        Raises:
            DefinitionError: There are some.
        """
        if self.problems:
            raise DefinitionError(self.problems)

    def tell(self) -> None:
        """Say what could not be checked."""
        for text in self.unchecked[:_SHOWN]:
            say(f"not checked: {text}")
        if len(self.unchecked) > _SHOWN:
            say(f"not checked: {len(self.unchecked) - _SHOWN} more; all with --output json")


def validated(files: Sequence[Path], env: str | None) -> Validated:
    """Check definitions and their scripts, and the workflows around them that read what their DDL makes."""
    from dataflow.deploy.file_checks import PackageFileCheck
    from dataflow.deploy.script_checks import R_UNCHECKED
    from dataflow.migration.script_checks import check_scripts, downstream_problems
    from dataflow.workflow.load import load_workflow

    problems: list[Problem] = []
    validity = PackageFileCheck()
    unchecked: dict[str, None] = {}
    looked_at = {file.resolve() for file in files}
    for file in files:
        around = _checkout(file, env)
        try:
            workflow = load_workflow(file, request(None, None, env))
            validity.check(workflow)
            found = check_scripts(workflow, around)
            problems += found.problems
            unchecked.update(dict.fromkeys(found.unchecked))
            if found.declares and (checkout := around()) is not None:
                problems += downstream_problems(workflow, found, checkout, env, looked_at)
        except DefinitionError as error:
            problems += error.problems
    validity.finish()
    if validity.has_unchecked_r_scripts:
        unchecked[R_UNCHECKED] = None
    return Validated(files, sorted({*problems, *validity.problems}), tuple(unchecked))


def require_right(workflow: Workflow, env: str | None) -> None:
    """Refuse a workflow whose SQL has mistakes that its text and its tables' columns show.

    Raises:
        DefinitionError: It has some.
    """
    from dataflow.migration.script_checks import check_scripts

    around = _checkout(workflow.file, env)
    problems = [problem for inner in workflow.walk() for problem in check_scripts(inner, around).problems]
    if problems:
        raise DefinitionError(problems)


def _checkout(file: Path, env: str | None) -> Callable[[], CheckoutLineage | None]:
    from dataflow.lineage.query import checkout_root

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
