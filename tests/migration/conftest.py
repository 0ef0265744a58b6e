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
from campaign_world import World
from lineage_state import State
from servers import Hook, Mail

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


@pytest.fixture
def here_command(dataflow_command, monkeypatch):
    """Return the command line in this process, with the home and the user of `dataflow_command`."""
    for name, value in dataflow_command.environ.items():
        if name.startswith("DATAFLOW_") or name == "COLUMNS":
            monkeypatch.setenv(name, value)
    return HereCommand(dataflow_command.folder, dataflow_command.environ)


@pytest.fixture
def state(tmp_path):
    found = State(f"sqlite:///{tmp_path / 'home' / 'state.db'}")
    yield found
    found.records.close()


@pytest.fixture
def servers():
    """A real mail server and a webhook, as `servers.PROJECT` names them."""
    with Mail() as mail, Hook() as hook:
        yield mail, hook


@pytest.fixture
def world(spark, tmp_path, servers, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    found = World(spark, tmp_path, *servers)
    yield found
    found.records.close()
