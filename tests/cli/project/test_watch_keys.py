"""`project test --watch` on a terminal: what keys do, that nothing is torn, and that the terminal is put back."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest

from tests.support.terminal import Terminal, screen

pytestmark = pytest.mark.slow  # processes that are stopped and killed

PASSES = "def test_it(): pass\n"
KEYS = "r: run all again · a: run all on each save · q: quit"
OTHER_KEYS = "r: run all again · a: run only what a save affects · q: quit"


@pytest.fixture
def terminal(dataflow_command):
    """Return how to start the watcher on a terminal, over two files of tests."""
    folder, started = dataflow_command.folder, []
    (folder / "test_one.py").write_text(PASSES)
    (folder / "test_other.py").write_text(PASSES)

    def start(*arguments, until="2 passed"):
        started.append(Terminal(["project", "test", "--watch", *arguments], folder, dataflow_command.environ))
        started[-1].until(until)
        return started[-1]

    yield start
    for it in started:
        it.close()


def save(file, text):
    draft = file.with_name(f".{file.name}.draft")
    draft.write_text(text)
    draft.replace(file)


def test_keys_run_all_again_choose_what_a_save_runs_and_quit(terminal, dataflow_command):
    one = dataflow_command.folder / "test_one.py"
    watcher = terminal()
    watcher.until(KEYS)
    save(one, "def test_it(): assert 0\n")
    assert "test_other" not in watcher.until("1 failed")
    watcher.until(KEYS)
    watcher.type("r")
    assert "r pressed: all tests" in watcher.until("1 failed, 1 passed")
    watcher.type("a")
    watcher.until(OTHER_KEYS)
    save(one, PASSES)
    assert "test_one.py saved: all tests" in watcher.until("2 passed")
    watcher.type("x")  # is for nothing
    watcher.type("A")
    watcher.until(KEYS)
    save(one, PASSES + "\n")
    watcher.until("1 passed")
    watcher.type("q")
    assert watcher.end() == "0"
    assert watcher.settings == watcher.before

    lines = screen(watcher.raw)
    at = r"\d\d:\d\d:\d\d  "
    took = r"\d+\.\d s from the "
    test = r" test_(one|other)\.py::test_it  \d\.\d\d s"
    expected = [
        rf"Watching \. \(pytest\); {KEYS}",
        "",
        f"{at}all tests",
        f"PASSED {test}",
        f"PASSED {test}",
        f"{at}2 passed, {took}start",
        "",
        f"{at}test_one.py saved: .*",
        f"FAILED {test}",
        *["    .*"] * 4,
        f"{at}1 failed, {took}save",
        "",
        f"{at}r pressed: all tests",
        f"FAILED {test}",
        *["    .*"] * 4,
        f"PASSED {test}",
        f"{at}1 failed, 1 passed, {took}key",
        "a save runs all tests from now on",
        "",
        f"{at}test_one.py saved: all tests",
        f"PASSED {test}",
        f"PASSED {test}",
        f"{at}2 passed, {took}save",
        "a save runs only what it affects from now on",
        "",
        f"{at}test_one.py saved: .*",
        f"PASSED {test}",
        f"{at}1 passed, {took}save",
    ]
    shown = [re.sub(r"^    .*", "    .", line) for line in lines if line.strip() or line == ""]
    while shown and not shown[-1]:
        shown.pop()
    failures = sum(line == "    ." for line in shown)
    wanted = [it for it in expected if it != "    .*"]
    found = [it for it in shown if it != "    ."]
    assert failures >= 4
    assert len(found) == len(wanted), "\n".join(lines)
    assert all(map(re.fullmatch, wanted, found)), "\n".join(lines)


def test_q_ends_it_while_tests_run_and_no_process_is_left(terminal, dataflow_command, tmp_path):
    pid = tmp_path / "pid"
    (dataflow_command.folder / "test_slow.py").write_text(
        f"import os, pathlib, time\n\ndef test_it():\n    pathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\n"
        "    time.sleep(600)\n"
    )
    watcher = terminal(until="Running …")
    deadline = time.monotonic() + 120
    while not (pid.exists() and pid.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    watcher.type("q")
    assert watcher.end() == "0"
    assert watcher.settings == watcher.before
    while Path(f"/proc/{pid.read_text()}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, "130"), (signal.SIGHUP, "130"), (signal.SIGKILL, "-9"), (None, "130")]
)
def test_the_terminal_is_put_back_however_it_ends(terminal, number, code):
    watcher = terminal()
    watcher.until(KEYS)
    assert watcher.settings != watcher.before
    if number is None:
        watcher.type("\x03")  # Ctrl-C
    else:
        watcher.signal(number)
    assert watcher.end() == code
    deadline = time.monotonic() + 120
    while watcher.settings != watcher.before or not cursor_is_shown(watcher):
        assert time.monotonic() < deadline, watcher.raw
        time.sleep(0.05)
        watcher.read()
    assert KEYS not in screen(watcher.raw)[-3:]


def test_the_terminal_is_the_shell_s_while_it_is_stopped_and_its_own_once_it_goes_on(terminal):
    watcher = terminal()
    watcher.until(KEYS)
    ours = watcher.settings
    watcher.type("\x1a")  # Ctrl-Z
    assert watcher.end() == "stopped"
    assert watcher.settings == watcher.before
    watcher.resume()
    deadline = time.monotonic() + 120
    while watcher.settings != ours:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    watcher.type("r")
    watcher.until("2 passed")
    watcher.type("q")
    assert watcher.end() == "0"
    assert watcher.settings == watcher.before


def cursor_is_shown(watcher):
    return watcher.raw.rfind("\x1b[?25h") > watcher.raw.rfind("\x1b[?25l")


def test_scripts_get_no_keys(terminal):
    watcher = terminal("--output", "json", until='"event": "verdict"')
    assert watcher.settings == watcher.before
    watcher.type("q\n")
    time.sleep(1)
    assert not watcher.is_over
