"""The Dataflow home: what belongs to a user rather than to a project (catalog, run records, logs, jars)."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def home() -> Path:
    """Return the Dataflow home, absolute, without creating it.

    `DATAFLOW_HOME` wins; else `dataflow` in the user's data folder (XDG on Linux, Library on macOS).
    """
    if explicit := os.environ.get("DATAFLOW_HOME"):
        return Path(explicit).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "dataflow"
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "dataflow"


def subfolder(*names: str) -> Path:
    """Return a folder below the Dataflow home, created when missing."""
    folder = home().joinpath(*names)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
