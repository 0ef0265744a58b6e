"""Git, as Copier uses it: with settings of its own, and asked short questions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from dataflow.git import HOW_TO_GET, OF_ONE_REPOSITORY, ask, is_installed, is_root, run

__all__ = ["HOW_TO_GET", "ask", "environment", "is_installed", "is_root", "run"]


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Give the programs that Copier starts the current environment, and these variables on top.

    Copier starts them through plumbum, which copied `os.environ` when it was imported. What names another repository
    is left out.
    """
    from plumbum import local

    with local.env(**{**os.environ, **variables}):
        for name in OF_ONE_REPOSITORY:
            if name in local.env:
                del local.env[name]
        yield
