from __future__ import annotations

import os
import sys
import threading
import time

import pytest

from dataflow.errors import DataflowError
from dataflow.process import CollectedOutput, capture, run_process
from dataflow.secret import forget, learn


def python(code, tmp_path, **options):
    lines = []
    code = run_process(
        [sys.executable, "-u", "-c", code], cwd=tmp_path, env=dict(os.environ), output=lines.append, **options
    )
    return code, lines


def test_every_line_is_told_in_order_whichever_stream_it_came_by(tmp_path):
    code, lines = python("import sys; print('ü1'); print('2', file=sys.stderr); print('3', end='')", tmp_path)

    assert (code, lines) == (0, ["ü1", "2", "3"])


def test_the_exit_code_is_the_program_s(tmp_path):
    assert python("raise SystemExit(7)", tmp_path)[0] == 7


def test_it_reads_nothing_from_the_terminal(tmp_path):
    assert python("import sys; print(repr(sys.stdin.read()))", tmp_path) == (0, ["''"])


@pytest.mark.slow
def test_a_stopped_program_ends_with_its_children(tmp_path):
    stop = threading.Event()
    child = "import time, pathlib; time.sleep(2); pathlib.Path('survived').touch()"
    parent = f"subprocess.Popen([sys.executable, '-c', {child!r}]); print('up'); time.sleep(60)"
    began = time.monotonic()
    lines = []

    def hear(line):
        lines.append(line)
        stop.set()

    ended = run_process(
        [sys.executable, "-u", "-c", f"import subprocess, sys, time; {parent}"],
        cwd=tmp_path,
        env=dict(os.environ),
        output=hear,
        stopped=stop.is_set,
    )

    assert ended < 0
    assert lines == ["up"]
    assert time.monotonic() - began < 10
    time.sleep(2.5)
    assert not (tmp_path / "survived").exists()


@pytest.mark.slow
def test_one_that_does_not_listen_is_killed(tmp_path):
    up = threading.Event()
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); time.sleep(60)"
    ended = run_process(
        [sys.executable, "-u", "-c", code],
        cwd=tmp_path,
        env=dict(os.environ),
        output=lambda _: up.set(),
        stopped=up.is_set,
    )

    assert ended == -9


def test_a_listener_s_failure_ends_the_program(tmp_path):
    def fail(line):
        raise RuntimeError(line)

    with pytest.raises(RuntimeError, match="up"):
        run_process(
            [sys.executable, "-u", "-c", "print('up'); import time; time.sleep(60)"],
            cwd=tmp_path,
            env=dict(os.environ),
            output=fail,
        )


def test_a_secret_of_several_lines_is_masked_however_it_is_printed(tmp_path):
    learn("abc\ndef\nghi")
    try:
        printed = (
            "import sys, time; [print(it, end='', flush=True) or time.sleep(0.05) for it in 'x abc\\ndef\\nghi y\\nz']"
        )
        assert python(printed, tmp_path) == (0, ["x *** y", "z"])
    finally:
        forget()


def script(code):
    return [sys.executable, "-c", code]


def test_output_is_kept_and_forwarded_line_by_line(tmp_path):
    forwarded: list[str] = []
    output = CollectedOutput(forwarded.append)
    code = run_process(script("print('a\\n\\nb', end='')"), cwd=tmp_path, env={}, output=output)
    assert (code, output.lines) == (0, ["a", "", "b"])
    assert forwarded == output.lines


def test_a_short_answer_comes_with_its_errors_and_its_exit_code(tmp_path):
    code = "import os, sys; print(os.getcwd(), sys.stdin.read()); sys.exit('wrong')"
    found = capture(script(code), cwd=tmp_path, data=b"given")
    assert (found.code, found.text, found.error_text) == (1, f"{tmp_path} given\n", "wrong\n")


def test_a_program_that_is_not_there_is_one_message(tmp_path):
    with pytest.raises(DataflowError, match=r"^tool can't be started: No such file or directory$"):
        capture([str(tmp_path / "tool")])


def test_a_program_that_takes_too_long_is_ended_with_one_message():
    with pytest.raises(DataflowError, match=r"^it took more than 0 seconds$"):
        capture(script("import time; time.sleep(60)"), name="it", timeout=0.2)
