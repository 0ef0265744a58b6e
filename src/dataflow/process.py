"""Programs of their own: run, heard line by line, and ended with all that they started."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

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
        output: Told each line that it prints, stdout and stderr in the order written, without the line's end and
            with its secrets masked.
        stopped: Asked several times a second; once it says yes, the program and its children are ended.

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
        _listen(process, lines, output, stopped)
    except BaseException:
        _end(process)
        raise
    return process.wait()


def encoding(env: Mapping[str, str]) -> dict[str, str]:
    """Choose UTF-8 where the locale has no encoding: R would print other letters as `<U+00C5>`, Java find no file."""
    locale = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or ""
    if re.search(r"utf-?8", locale, re.IGNORECASE):
        return {}
    return {"LC_ALL": "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"}


def _read(process: subprocess.Popen[bytes], lines: queue.SimpleQueue[str | None]) -> None:
    masking, begun = Masking(), ""  # a secret may be several lines long
    for line in process.stdout or ():
        *whole, begun = (begun + masking.feed(line.decode("utf-8", errors="replace"))).split("\n")
        for it in whole:
            lines.put(it.rstrip("\r"))
    if begun := begun + masking.rest():
        lines.put(begun.rstrip("\r"))
    lines.put(None)


def _listen(
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
    """End a program and its children: asked first, and killed when it does not listen."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
            if number == signal.SIGKILL:
                return
