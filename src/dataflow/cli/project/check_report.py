"""The part of `dataflow project test` that renders workflows and checks them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.cli.console import err, out
from dataflow.errors import display_path

if TYPE_CHECKING:
    from dataflow.deploy.static_checks import CheckedDefinition

_STYLES = {"passed": "green", "failed": "bold red", "skipped": "yellow"}


def check_workflows(paths: Sequence[Path]) -> list[CheckedDefinition]:
    """Render and check the workflows below folders, with a word while it takes its time."""
    from dataflow.deploy.static_checks import check_workflows as check

    with err().status("Rendering workflows …"):
        return check(paths)


def print_checked(checked: Sequence[CheckedDefinition]) -> None:
    """Print a line for each workflow, and below it what is wrong."""
    from rich.text import Text

    for it in checked:
        word = Text(it.status.upper().ljust(7), style=_STYLES[it.status])
        note = f"  ({it.notes[0]})" if it.notes else ""
        out().print(Text.assemble(word, f" ./{display_path(it.file)} (workflow){note}"))
        for line in it.problems:
            out().print(f"    {line}")


def checked_facts(it: CheckedDefinition) -> dict[str, Any]:
    """Return a check for `--output json`."""
    return {
        "package": display_path(it.package),
        "file": display_path(it.file),
        "kind": "workflow",
        "status": it.status,
        "rendered": display_path(it.rendered) if it.rendered else None,
        "problems": list(it.problems),
        "notes": list(it.notes),
    }
