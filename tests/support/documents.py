"""Blocks of documents, run as they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.command_line import CommandLine

ALICE = {f"GIT_{role}_{what}": "alice@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
"""The variables by which git takes commits for hers."""


def bash_blocks(text: str) -> list[str]:
    """Return the blocks of a Markdown text that a shell runs."""
    return re.findall(r"```bash\n(.*?)```", text, re.DOTALL)


def run_block(
    command: CommandLine, block: str, folder: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a block in bash, with this `dataflow`; each of its lines has to succeed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{command.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=folder or command.folder,
        env={**command.environ, "PATH": path, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done
