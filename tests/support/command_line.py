"""The `dataflow` command as tests call it: in a process of its own, in a forked one, or in this one."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from dataflow.cli.main import main
from tests.support import forked


class CommandLine:
    """The `dataflow` command as a user types it: a process of its own, a home and a user that are the test's."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self.environ = environ

    def __call__(self, *arguments: object, user: str | None = None, folder: Path | None = None, code: int | None = 0):
        """Run a command, expect an exit code (None for any), and return the finished process."""
        environ = {**self.environ, **({"DATAFLOW_USER": user} if user else {})}
        done = self.run(list(map(str, arguments)), cwd=folder or self.folder, env=environ, timeout=600)
        assert "the lineage of this run is incomplete" not in done.stdout + done.stderr, done.stdout + done.stderr
        if code is not None:
            assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: object, **options):
        """Run a command with `--output json` and return what it answers."""
        return json.loads(self(*arguments, "--output", "json", **options).stdout)

    def run(self, arguments, **options):
        """Run a command in a process of its own."""
        command = [sys.executable, "-m", "dataflow", *arguments]
        return subprocess.run(command, **options, capture_output=True, text=True, check=False)


class ForkedCommand(CommandLine):
    """The same in a process that begins with Dataflow's modules loaded; what starts a JVM had better not."""

    def run(self, arguments, **options):
        """Run a command in a process of its own."""
        return forked.run(arguments, **options)


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


def clean_environ(**values: str) -> dict[str, str]:
    """Return this process's environment without what would point a command at the user's own things."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("DATAFLOW_", "PYTEST_", "SPARK_"))}
    return {**kept, **values}


def command_line(folder: Path, home: Path, user: str = "alice", kind: type[CommandLine] = CommandLine) -> CommandLine:
    """Return the command line in an empty folder, with a home and a user."""
    folder.mkdir(exist_ok=True)
    return kind(folder, clean_environ(DATAFLOW_HOME=str(home), DATAFLOW_USER=user, COLUMNS="200"))
