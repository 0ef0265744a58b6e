"""What a suite of tests is called where people read of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import display_path

if TYPE_CHECKING:
    from dataflow.testing.suites.model import Suite


def suite_name(suite: Suite) -> str:
    """Return what a suite is called for people."""
    folder = Path(display_path(suite.folder))
    shown = folder if folder.is_absolute() or folder == Path() else f"./{folder}"
    return f"{shown} ({suite.kind})"
