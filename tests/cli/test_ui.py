"""`dataflow ui` and `workflow report` as they are typed: what they say, where they serve, and what they refuse."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from dataflow.state import run_records as store
from dataflow.state.database import StateDatabase
from dataflow.state.utc import now


def add_run(home):
    with StateDatabase(f"sqlite:///{home / 'state.db'}") as database:
        run = {"run_id": "20260101t000000_abcdef", "workflow_id": "alice.x.main", "environment": "sandbox"}
        database.insert(store.runs, {**run, "status": "succeeded", "started": now(), "ended": now(), "params": {}})


def test_an_address_for_others_needs_a_token_that_is_long_enough(dataflow_command):
    done = dataflow_command("ui", "--host", "0.0.0.0", "--port", 0, code=2)  # noqa: S104
    assert done.stderr.splitlines() == [
        "error: 0.0.0.0 is not this machine alone: it needs a token",
        "  → export DATAFLOW_UI_TOKEN with at least 16 characters: `openssl rand -hex 16` makes some",
    ]
    dataflow_command.environ["DATAFLOW_UI_TOKEN"] = "short"
    assert "DATAFLOW_UI_TOKEN is too short" in dataflow_command("ui", "--port", 0, code=2).stderr


def test_a_port_that_is_taken_is_named(dataflow_command):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = dataflow_command("ui", "--port", port, code=2)
    assert f"127.0.0.1:{port} can't be listened at: Address already in use" in done.stderr


def test_where_the_extra_is_missing_it_is_named(here_command, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "starlette" else find(name))
    done = here_command("ui", code=1)
    assert done.stderr.splitlines() == [
        "error: `dataflow ui` needs starlette",
        "  → pip install 'dataflow-recipes[ui]'",
    ]


@pytest.mark.slow
def test_it_serves_until_it_is_stopped_and_leaves_nothing(dataflow_process):
    home = Path(dataflow_process.environ["DATAFLOW_HOME"])
    command = [sys.executable, "-m", "dataflow", "ui", "--port", "0", "--output", "json"]
    options = {"cwd": dataflow_process.folder, "env": dataflow_process.environ, "text": True}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as process:
        try:
            address = json.loads(process.stdout.readline())["address"]
            assert address.startswith("http://127.0.0.1:")
            with urllib.request.urlopen(address) as answer:
                assert b"No tables yet" in answer.read()
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=120)[1]
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Traceback" not in said
    assert not (home / "state.db").exists()
    assert not (home / "catalog.db").exists()


def test_a_report_is_written_where_one_says(dataflow_command):
    add_run(Path(dataflow_command.environ["DATAFLOW_HOME"]))
    done = dataflow_command("workflow", "report", "last")
    assert done.stdout == "wrote run-20260101t000000_abcdef.html\n"
    assert "alice.x.main" in (dataflow_command.folder / "run-20260101t000000_abcdef.html").read_text("utf-8")
    found = dataflow_command.json("workflow", "report", "2026", "--to", "night.html")
    assert found == {"run": "20260101t000000_abcdef", "file": "night.html"}
    assert "no run 'none'" in dataflow_command("workflow", "report", "none", code=2).stderr


def test_an_export_is_written_where_one_says(dataflow_command):
    add_run(Path(dataflow_command.environ["DATAFLOW_HOME"]))
    found = dataflow_command.json("ui", "--export", "site")
    pages = list((dataflow_command.folder / "site").rglob("*.html"))
    assert found["pages"] == len(pages) > 5
    assert any(it.name.startswith("20260101t000000") for it in pages)
    (dataflow_command.folder / "mine").mkdir()
    (dataflow_command.folder / "mine/file").touch()
    assert "mine holds something else" in dataflow_command("ui", "--export", "mine", code=2).stderr
