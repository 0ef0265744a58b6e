"""uv, which builds wheels, locks what they need, and makes environments of locks."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from dataflow import git
from dataflow.errors import DataflowError
from dataflow.process import run_process

_AS_PIP = {  # where pip looks for packages, uv looks too
    "UV_INDEX_URL": "PIP_INDEX_URL",
    "UV_EXTRA_INDEX_URL": "PIP_EXTRA_INDEX_URL",
    "UV_FIND_LINKS": "PIP_FIND_LINKS",
    "SSL_CERT_FILE": "PIP_CERT",
}
INDEX_HINT = "packages come from PyPI, or from the index that UV_INDEX_URL or a uv.toml names"


def run_uv(
    arguments: Sequence[str],
    cwd: Path,
    output: Callable[[str], None],
    *,
    stopped: Callable[[], bool] = lambda: False,
    **variables: str,
) -> int:
    """Run uv to its end, and return its exit code.

    Args:
        arguments: Its command.
        cwd: Where it runs.
        output: Called with each line that it prints.
        stopped: Called while it runs; once it returns True, it is ended.
        variables: Environment variables on top of the current ones.

    Raises:
        DataflowError: There is no uv.
    """
    env = {key: value for key, value in git.environ().items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}
    env |= {ours: env[theirs] for ours, theirs in _AS_PIP.items() if theirs in env and ours not in env}
    command = [_uv(), *arguments, "--no-progress", "--color", "never"]
    return run_process(command, cwd=cwd, env={**env, **variables}, output=output, stopped=stopped)


def _uv() -> str:
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):  # a distribution that has uv as a program alone
        if found := shutil.which("uv"):
            return found
        raise DataflowError("there is no uv", "pip install uv", permanent=True) from None
