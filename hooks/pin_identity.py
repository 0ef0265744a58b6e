"""After generation: write `identity.yaml`, which says whose package it is.

Copier runs this in the new package's folder with its own Python, where Dataflow may not be installed: hence
standard library only, and the one module that knows about identities is loaded from this very checkout.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

_IDENTITY = Path(__file__).parents[1] / "src" / "dataflow" / "workflow" / "identity.py"


def main(shortname: str, workflow_id: str) -> None:
    """Pin the package in the current folder, unless it is pinned already."""
    _load_identity().pin(Path.cwd(), shortname, workflow_id)


def _load_identity() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dataflow_identity", _IDENTITY)
    if spec is None or spec.loader is None:
        raise ImportError(f"can't load {_IDENTITY}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(*sys.argv[1:])
