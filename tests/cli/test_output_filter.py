"""What programs that a command starts print past it is masked as well."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

pytestmark = pytest.mark.slow

WORD = "S3cr3t wörd/"
START = f"""
import ctypes, os, subprocess, sys, time
from dataflow.cli.streams import flushed, guarded
from dataflow.secret import learn
word = {WORD!r}
with guarded():
    print("nothing is hidden yet:", word, flush=True)
    learn(word)
    {{}}
    sys.exit(flushed(0))
"""
WAYS = {
    "a program": 'subprocess.run(["echo", word])',
    "a program on our stream": 'subprocess.run(["echo", word], stdout=sys.stderr)',
    "a program on its error stream": 'subprocess.run(["sh", "-c", "echo $0 >&2", word])',
    "the descriptor": "os.write(1, word.encode() + b'\\n')",
    "the descriptor, in two pieces": "os.write(2, word[:4].encode()); time.sleep(0.1); os.write(2, word[4:].encode())",
    "Python's first streams": "sys.__stdout__.write(word); sys.__stdout__.flush()",
    "bytes": "sys.stdout.buffer.write(word.encode())",
    "C": "ctypes.CDLL(None).puts(word.encode()); ctypes.CDLL(None).fflush(None)",
    "letter by letter": "[sys.stdout.write(letter) for letter in word]",
    "one that outlives the command": 'subprocess.Popen(["sh", "-c", "sleep 1; echo $0", word])',
    "a secret that comes later": 'learn("another one"); subprocess.run(["echo", word, "another one"])',
}


def python(code, **options):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize("way", WAYS)
def test_what_passes_the_command_is_masked(way):
    done = python(START.format(WAYS[way]))
    assert done.returncode == 0, done.stderr
    first, _, said = done.stdout.partition("\n")
    assert first.endswith(WORD)
    assert "***" in said + done.stderr
    assert "S3cr" not in said + done.stderr
    assert "another" not in said + done.stderr


@pytest.mark.parametrize("closed", ["<&-", "<&- 2>&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_with_closed_streams_the_others_are_masked_all_the_same(closed):
    ways = "; ".join(WAYS[it] for it in ("a program", "a program on its error stream", "bytes", "the descriptor"))
    code = START.format(f"open({os.devnull!r}); {ways}")
    done = subprocess.run(
        ["sh", "-c", f'"$0" -c "$1" {closed}', sys.executable, code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("***") == (0 if ">&-" in closed.replace("2>&-", "") else 3)
    assert done.stderr.count("***") == (0 if "2>&-" in closed else 1)
    assert "S3cr" not in done.stdout.partition("\n")[2] + done.stderr


def test_what_is_written_in_one_go_to_one_place_stays_in_its_order():
    done = subprocess.run(
        [sys.executable, "-c", START.format("os.write(1, b'1'); os.write(2, b'2'); subprocess.run(['printf', '3'])")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
    )
    assert done.stdout.endswith(b"123")


def test_much_text_from_code_that_holds_python_s_lock_stops_nothing():
    code = "ctypes.PyDLL(None).write(1, bytes(5_000_000).replace(bytes(1), b'x'), 5_000_000); print('on')"
    done = python(START.format(code), timeout=60)
    assert done.stdout.count("x") == 5_000_000
    assert "on\n" in done.stdout


def test_on_a_terminal_programs_see_a_terminal_of_its_size():
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
    code = START.format(
        "from dataflow.cli.console import out; "
        "out().print(sys.stdout.isatty(), os.isatty(1), os.get_terminal_size(1).columns, out().width, word); "
        "subprocess.run([sys.executable, '-c', 'import os; print(os.get_terminal_size().lines, os.isatty(2))'])"
    )
    environ = {**{key: it for key, it in os.environ.items() if key not in {"COLUMNS", "LINES"}}, "TERM": "xterm"}
    subprocess.run(
        [sys.executable, "-c", code], stdout=child, stderr=child, stdin=subprocess.DEVNULL, check=True, env=environ
    )
    os.close(child)
    said = b""
    with contextlib.suppress(OSError):  # that is how a terminal ends
        while data := os.read(parent, 4096):
            said += data
    os.close(parent)
    assert sorted(said.decode().splitlines()[1:]) == ["33 True", "True True 77 77 ***"]


def test_a_reader_that_has_enough_ends_what_writes():
    code = START.format('subprocess.run(["sh", "-c", "yes $0", word])')
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().endswith(f"{WORD}\n")
    assert process.stdout.readline() == "***\n"
    process.stdout.close()
    assert process.wait(120) in (0, 1)


def test_a_command_without_a_secret_starts_no_process():
    done = python(
        START.replace("learn(word)", "pass").format(
            "print(len(os.listdir('/proc/self/task')), os.path.realpath('/proc/self/fd/1'))"
        )
    )
    assert done.stdout.splitlines()[1].startswith("1 /proc/")
