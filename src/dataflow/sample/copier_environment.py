"""The environment variables of the programs that Copier starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from dataflow.git import REPOSITORY_VARIABLES


@contextmanager
def copier_environment(**variables: str) -> Iterator[None]:
    """Give the programs that Copier starts the current environment, and these variables on top.

    Copier starts them through plumbum, which copied `os.environ` when it was imported. What names another repository
    is left out.
    """
    from plumbum import local

    with local.env(**{**os.environ, **variables}):
        for name in REPOSITORY_VARIABLES:
            if name in local.env:
                del local.env[name]
        yield
