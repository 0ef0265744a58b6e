"""Bad days end in one message that says what to do, and none calls somebody's mistake a defect."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dataflow.errors import DataflowError, UsageError
from dataflow.runner.run_recorder import record_or_report
from dataflow.state import database as state_database
from dataflow.state.database import StateDatabase
from dataflow.system_errors import hint_for, system_error
from tests.support.packages import EVERY_DAY, definition, spark

MAIN = definition(spark("one.sql", "one"), params=EVERY_DAY)


@pytest.fixture
def package(dataflow_process):
    (dataflow_process.folder / "main.sch.yaml").write_text(MAIN)
    (dataflow_process.folder / "one.sql").write_text("CREATE TABLE IF NOT EXISTS ${TARGET_DB}.t (d DATE)")
    return dataflow_process


def shell(command, line, **options):
    """Run a line of shell in which `dataflow` is the command."""
    line = line.replace("dataflow", f"{sys.executable} -m dataflow")
    return subprocess.run(
        ["bash", "-c", line],
        cwd=command.folder,
        env=command.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        **options,
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--date", "9999-12-31"], "9999-12-31 is out of range"),
        (["--date", "0001-01-01"], "0001-01-01 is out of range"),
        (["--param", "EXECUTION_DATE=9999-12-31"], "EXECUTION_DATE should be a date such as 2026-01-31"),
    ],
)
def test_a_day_at_the_end_of_the_calendar_is_a_message(package, arguments, said):
    done = package("workflow", "plan", "main.sch.yaml", *arguments, code=2)
    assert said in done.stderr
    assert "defect" not in done.stderr


def test_a_folder_that_is_gone_is_told_as_that(package):
    done = shell(package, "mkdir gone && cd gone && rmdir ../gone && dataflow workflow runs")
    assert done.returncode == 2
    assert done.stderr.startswith("error: the folder that this command runs in is gone\n")


@pytest.mark.parametrize("home", ["/dev/null", "/dev/null/x", "/proc/none"])
def test_a_home_that_can_t_be_written_to_is_told_with_the_way_out(package, home):
    package.environ["DATAFLOW_HOME"] = home
    done = package("workflow", "runs", code=1)
    assert done.stderr.count("error:") == 1
    assert "set DATAFLOW_HOME to a folder that you may write to" in done.stderr


def test_a_closed_output_is_told_and_fails_nothing(package):
    done = shell(package, "dataflow workflow plan main.sch.yaml >&-")
    assert done.returncode == 0
    assert done.stderr == "warning: standard output is closed, so what this prints is lost\n"


def test_a_full_output_is_one_message(package):
    done = shell(package, "dataflow workflow plan main.sch.yaml > /dev/full")
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_left_is_no_failure_of_ours_to_tell(package):
    assert shell(package, "dataflow workflow plan main.sch.yaml | true").stderr == ""


def test_a_terminal_without_letters_shows_them_as_numbers(package):
    package.environ |= {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    assert "\\xc5land" in package("workflow", "plan", "Åland.sch.yaml", code=2).stderr


def test_a_locked_state_is_waited_for_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr(state_database, "LOCK_TIMEOUT", 0.2)
    address = f"sqlite:///{tmp_path / 'state.db'}"
    StateDatabase(address).close()
    with sqlite3.connect(tmp_path / "state.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DataflowError, match="database is locked") as caught:
            StateDatabase(address)
        assert "another process has held it" in caught.value.hint
        other.execute("ROLLBACK")


def test_what_can_t_be_recorded_is_told_first_and_why_second():
    def write():
        with record_or_report("write failed: no such column"):
            raise DataflowError("the run records can't be reached any more: database is locked", "wait")

    with pytest.raises(DataflowError) as caught:
        write()
    first, second = caught.value.message.splitlines()
    assert first == "write failed: no such column"
    assert second.startswith("that can't be recorded: ")
    assert caught.value.hint == "wait"


@pytest.mark.parametrize(
    ("error", "said", "hint"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), "/x/y: No space left", "free some space"),
        (OSError(errno.EROFS, "Read-only file system", "/x/y"), "/x/y: Read-only", "check who may"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "/x: Permission denied", "check who may"),
        (sqlite3.OperationalError("database or disk is full"), "disk is full", "free some space"),
        (RecursionError(), "nested too deeply", ""),
        (MemoryError(), "there is not enough memory", "end other programs"),
    ],
)
def test_trouble_of_the_machine_is_told_with_what_to_do(error, said, hint):
    told = system_error(error)
    assert said in told.message
    assert hint in (told.hint or "")


def test_a_mistake_of_ours_is_no_trouble_of_the_machine():
    assert system_error(KeyError("x")) is None
    assert hint_for("no such column") is None


def test_the_folder_s_loss_is_a_usage_error(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert isinstance(system_error(FileNotFoundError()), UsageError)


def test_letters_that_a_locale_without_utf_8_does_not_have_are_told(monkeypatch):
    error = UnicodeEncodeError("utf-8", "a\udcc3", 1, 2, "surrogates not allowed")
    assert system_error(error) is None
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")
    assert "locale" in system_error(error).message


def test_what_can_t_be_read_to_its_end_stops_nobody(dataflow_command):
    (dataflow_command.folder / "main.sch.yaml").write_text(MAIN)
    (dataflow_command.folder / "one.sql").write_text("SELECT 1")
    for name in ("pipe.sch.yaml", "pipe.sql", "pipe.yaml"):
        os.mkfifo(dataflow_command.folder / name)
    assert "1 definition is valid" in dataflow_command("workflow", "validate", ".").stdout
    dataflow_command("migration", "lineage", "a.b", code=None)
    assert "contains no mock" in dataflow_command("mock", "validate", ".", code=2).stderr


@pytest.mark.parametrize(
    "arguments", [("workflow", "validate"), ("workflow", "plan"), ("mock", "validate"), ("migration", "import")]
)
def test_a_link_that_leads_to_itself_is_told(dataflow_command, arguments):
    (dataflow_command.folder / "loop.sch.yaml").symlink_to("loop.sch.yaml")
    told = dataflow_command(*arguments, "loop.sch.yaml", code=2).stderr
    assert "is a link that leads to itself" in told


def test_numbers_that_nobody_means_are_refused(dataflow_command):
    for arguments in (
        ("workflow", "runs", "--limit"),
        ("project", "history", "--limit"),
        ("query", "SELECT 1", "--limit"),
    ):
        assert "less than or equal to" in dataflow_command(*arguments, "9" * 20, code=2).stderr


def test_a_stop_while_python_imports_is_told_as_that():
    code = """
import os, signal, sys
from dataflow.__main__ import main

class Stop:
    def find_spec(name, *_):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Stop)
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "stopped: nothing half-written is visible\n")


def test_a_stop_within_text_that_is_executed_ends_with_the_code_of_a_stop(tmp_path):
    code = """
import dataflow.cli.main as cli
from dataflow.__main__ import main

def stopped():
    try:
        exec("raise KeyboardInterrupt")
    except KeyboardInterrupt:
        raise SystemExit(130)

cli.main = stopped
main()
"""
    (tmp_path / "stops.py").write_text(code)
    done = subprocess.run([sys.executable, "-m", "stops"], cwd=tmp_path, check=False)  # as `python -m dataflow` is run
    assert done.returncode == 130


@pytest.mark.spark
@pytest.mark.parametrize("seconds", [0.8, 1.2, 1.6])
def test_a_stop_while_spark_starts_is_told_as_that(spark_command, seconds):
    (spark_command.folder / "main.sch.yaml").write_text(MAIN)
    (spark_command.folder / "one.sql").write_text("SELECT 1")  # at rest this is over after three seconds
    command = [sys.executable, "-m", "dataflow", "workflow", "run", "main.sch.yaml"]
    process = subprocess.Popen(
        command, cwd=spark_command.folder, env=spark_command.environ, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=120)[1].decode()
    assert process.returncode == 130, told
    assert told.endswith("stopped: nothing half-written is visible\n")
    assert "Traceback" not in told
    deadline = time.monotonic() + 120
    while (left := processes_in(spark_command.folder)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == []


def processes_in(folder):
    """Return the processes that stand in a folder."""
    found = []
    for it in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (it / "cwd").readlink() == folder and ") Z " not in (it / "stat").read_text():
                found.append((it / "cmdline").read_text()[:60])
    return found


@pytest.mark.spark
def test_a_path_in_letters_that_the_locale_has_not_runs(spark_commands, tmp_path):
    command = spark_commands(tmp_path / "wörk", tmp_path / "Åländ")
    (command.folder / "main.sch.yaml").write_text(MAIN)
    (command.folder / "one.sql").write_text("CREATE TABLE IF NOT EXISTS ${TARGET_DB}.t (d DATE) USING iceberg")
    command.environ["LC_ALL"] = "C"
    command("workflow", "run", "main.sch.yaml")


@pytest.mark.spark
def test_a_run_that_is_done_succeeds_however_it_is_shown(spark_command):
    (spark_command.folder / "main.sch.yaml").write_text(MAIN)
    (spark_command.folder / "one.sql").write_text("CREATE TABLE IF NOT EXISTS ${TARGET_DB}.t (d DATE) USING iceberg")
    for line in ("dataflow workflow run main.sch.yaml > /dev/full", "dataflow workflow run main.sch.yaml >&-"):
        done = shell(spark_command, line)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    assert os.environ.get("DATAFLOW_HOME") != spark_command.environ["DATAFLOW_HOME"]


def test_a_traceback_that_was_asked_for_holds_no_secret(package):
    (package.folder / "dataflow.yaml").write_text(
        'version: 1\nproject: x\nenvironments:\n  sandbox: {state: "postgresql+psycopg://u:${secret:PW}@127.0.0.1:1/d"}\n'
    )
    package.environ["PW"] = "S3cr3t-word"
    done = package("workflow", "runs", "--verbose", code=1)
    assert "Traceback" in done.stderr
    assert "S3cr3t" not in done.stderr
