"""The command line in the tests' own process."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from dataflow.cli.main import main


@dataclass
class Done:
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


class HereCommand:
    """The command line in this very process: a campaign's tests call it a hundred times."""

    def __init__(self, folder, environ):
        self.folder = folder
        self.environ = environ

    def __call__(self, *arguments, code=0):
        """Run a command, expect an exit code, and return what it came to."""
        said, told = io.StringIO(), io.StringIO()
        before = Path.cwd(), sys.argv, signal.getsignal(signal.SIGTERM)
        os.chdir(self.folder)
        sys.argv = ["dataflow", *map(str, arguments)]
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(told), pytest.raises(SystemExit) as ended:
                main()
        finally:
            gc.enable()
            os.chdir(before[0])
            sys.argv = before[1]
            signal.signal(signal.SIGTERM, before[2])
        done = Done(int(ended.value.code or 0), said.getvalue(), told.getvalue())
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments):
        """Run a command with `--output json` and return what it answers."""
        return json.loads(self(*arguments, "--output", "json").stdout)
