"""Other programs: run to their end with their output read line by line, or asked for a short answer."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dataflow.errors import DataflowError
from dataflow.secret import Masking

_POLL = 0.2
_GRACE = 5.0


def run_process(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    output: Callable[[str], None],
    stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Run a program to its end.

    Args:
        command: The program and its arguments.
        cwd: Where it runs.
        env: All of its environment variables; UTF-8 is put in where they name no encoding.
        output: Called with each line that it prints, stdout and stderr in the order written, without the line's end
            and with its secrets masked.
        stopped: Called several times a second; once it returns True, the program and its children are ended.

    Returns:
        Its exit code; negative the number of the signal that ended it.

    Raises:
        OSError: It can't be started.
    """
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**env, **encoding(env)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,  # Ctrl-C is for us; we end it with all its children
    )
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(process, lines), daemon=True).start()
    try:
        _forward(process, lines, output, stopped)
    except BaseException:
        _end(process)
        raise
    return process.wait()


class CollectedOutput:
    """Output for `run_process` that forwards each line and keeps it.

    Args:
        forward: Called with each line.

    Attributes:
        lines: What was printed so far.
    """

    def __init__(self, forward: Callable[[str], None]) -> None:
        self.lines: list[str] = []
        self._forward = forward

    def __call__(self, line: str) -> None:
        """Keep a line, and forward it."""
        self.lines.append(line)
        self._forward(line)


@dataclass(frozen=True)
class Captured:
    """How a program ended.

    Attributes:
        code: Its exit code; negative the number of the signal that ended it.
        output: What it printed to stdout.
        errors: What it printed to stderr.
    """

    code: int
    output: bytes
    errors: bytes

    @property
    def text(self) -> str:
        """What it printed to stdout, as text."""
        return self.output.decode(errors="replace")

    @property
    def error_text(self) -> str:
        """What it printed to stderr, as text."""
        return self.errors.decode(errors="replace")


def capture(
    command: Sequence[str],
    *,
    name: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    data: bytes | None = None,
    timeout: float | None = None,
) -> Captured:
    """Run a program that prints a short answer, and return it.

    Args:
        command: The program and its arguments.
        name: What a message calls it that takes too long; the program's name when omitted.
        cwd: Where it runs; the current folder when omitted.
        env: All of its environment variables; the current ones when omitted.
        data: What it reads from stdin.
        timeout: After how many seconds it is ended.

    Raises:
        DataflowError: It can't be started, or takes too long.
    """
    program = Path(command[0]).name
    try:
        ended = subprocess.run(command, cwd=cwd, env=env, input=data, capture_output=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise DataflowError(f"{name or program} took more than {timeout:.0f} seconds") from None
    except OSError as error:
        raise DataflowError(f"{program} can't be started: {error.strerror}") from None
    return Captured(ended.returncode, ended.stdout, ended.stderr)


def is_alive(process: int, since: dt.datetime) -> bool:
    """Say whether a process of this machine still runs; one that began later only has its number.

    Args:
        process: Its number.
        since: When it was known to run.
    """
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    began = _began(process)
    return began is None or began <= since


@cache
def machine() -> str:
    """Return what tells this machine, since its boot, and its numbers of processes from all others.

    Two containers may have one host name, and one machine may have several ways to count processes.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - it leads to no file
    except OSError:
        return socket.gethostname()


ALIVE = "alive"
"""The birth of a process of which the system does not say when it began."""


def birth(process: int) -> str | None:
    """Return what tells a process of this machine from others that had its number, or will; None when it is gone."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    fields = _status(process)
    if fields is None:
        return ALIVE
    return None if fields[0] in "ZX" else fields[19]  # a zombie works on nothing


def _status(process: int) -> list[str] | None:
    """Return what the system says of a process, from its state on (Linux, proc(5): from field 3 on)."""
    try:
        found = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return found if len(found) > 19 else None


def _began(process: int) -> dt.datetime | None:
    """Return when a process began, where the system says so: in ticks since the boot."""
    fields = _status(process)
    try:
        up = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    if fields is None:
        return None
    return dt.datetime.now(dt.UTC) - dt.timedelta(seconds=up - int(fields[19]) / os.sysconf("SC_CLK_TCK"))


def encoding(env: Mapping[str, str]) -> dict[str, str]:
    """Choose UTF-8 where the locale has no encoding: R would print other letters as `<U+00C5>`, Java find no file."""
    locale = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or ""
    if re.search(r"utf-?8", locale, re.IGNORECASE):
        return {}
    return {"LC_ALL": "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"}


def _read(process: subprocess.Popen[bytes], lines: queue.SimpleQueue[str | None]) -> None:
    masking, begun = Masking(), ""  # a secret may be several lines long
    assert process.stdout is not None  # noqa: S101
    with process.stdout as output:
        for line in output:
            *whole, begun = (begun + masking.feed(line.decode("utf-8", errors="replace"))).split("\n")
            for it in whole:
                lines.put(it.rstrip("\r"))
    if begun := begun + masking.rest():
        lines.put(begun.rstrip("\r"))
    lines.put(None)


def _forward(
    process: subprocess.Popen[bytes],
    lines: queue.SimpleQueue[str | None],
    output: Callable[[str], None],
    stopped: Callable[[], bool],
) -> None:
    """Pass on what is printed until the end; what a child left in the background prints is not waited for."""
    while True:
        try:
            line = lines.get(timeout=_POLL)
        except queue.Empty:
            if process.poll() is not None:
                return
        else:
            if line is None:
                return
            output(line)
        if stopped():
            _end(process)
            return


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and its children: by SIGTERM, and by SIGKILL where that does not help."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
            if number == signal.SIGKILL:
                return
