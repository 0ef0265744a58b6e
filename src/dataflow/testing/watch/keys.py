"""Keys on a terminal, one at a time and without Enter; the terminal is put back however this ends."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

_TICK = 0.2

_GUARD = """\
import os, signal, sys, termios
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP, signal.SIGTTOU):
    signal.signal(number, signal.SIG_IGN)
terminal = int(sys.argv[1])
before, ours = termios.tcgetattr(terminal), None
os.write(1, b"r")
while order := os.read(0, 1):
    if order == b"e":
        sys.exit()
    ours = termios.tcgetattr(terminal)
if termios.tcgetattr(terminal) == ours:
    termios.tcsetattr(terminal, termios.TCSANOW, before)
    os.write(terminal, b"\\r\\x1b[2K\\x1b[?25h")
"""
"""Puts the terminal back when we are killed, unless a shell did so: nobody else is left to do it."""


class Keys:
    """Keys that are pressed while this is open.

    Args:
        press: Called with each key, in a thread of its own.
    """

    def __init__(self, press: Callable[[str], None]) -> None:
        self._press = press
        self._terminal = 0
        self._before: list[Any] = []
        self._guard: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True, name="reads keys")
        self._handlers: dict[int, Any] = {}

    @staticmethod
    def can_be_read() -> bool:
        """Say whether somebody can press keys: on a terminal, and not in a shell's background."""
        try:
            import termios  # noqa: F401
        except ImportError:  # Windows
            return False
        return sys.stdin is not None and sys.stdin.isatty() and _in_foreground(sys.stdin.fileno())

    def __enter__(self) -> Keys:
        import termios

        self._terminal = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._terminal)
        again = os.dup(self._terminal)  # as its own standard input is the pipe
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _GUARD, str(again)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=[again],
            process_group=0,  # what kills ours leaves it
        )
        os.close(again)
        if self._guard.stdout is not None:
            self._guard.stdout.read(1)  # it has seen the terminal as it was
        for number, handle in ((signal.SIGTSTP, self._pause), (signal.SIGCONT, self._go_on)):
            self._handlers[number] = signal.signal(number, handle)
        self._take()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._give_back()
        self._thread.join(_TICK * 5)
        if self._guard is not None:
            self._order(b"e")
            for stream in (self._guard.stdin, self._guard.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
            self._guard.wait()

    def _take(self) -> None:
        """Have keys as they are pressed, and not shown; Ctrl-C and Ctrl-Z stay signals."""
        import termios
        import tty

        with contextlib.suppress(OSError, termios.error):
            tty.setcbreak(self._terminal)
            self._order(b"s")

    def _give_back(self) -> None:
        import termios

        with contextlib.suppress(OSError, termios.error):
            if _in_foreground(self._terminal):
                termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)

    def _order(self, order: bytes) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            with contextlib.suppress(OSError):
                self._guard.stdin.write(order)
                self._guard.stdin.flush()

    def _pause(self, *_: object) -> None:
        """Stop, as Ctrl-Z asks for, with the terminal as the shell knows it."""
        self._give_back()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._pause)
        self._go_on()

    def _go_on(self, *_: object) -> None:
        if _in_foreground(self._terminal):
            self._take()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while not self._ended.is_set():
                if not _in_foreground(self._terminal):  # to read would stop us
                    self._ended.wait(_TICK)
                elif select.select([self._terminal], [], [], _TICK)[0] and not self._ended.is_set():
                    key = os.read(self._terminal, 1)
                    if not key:  # the terminal is gone
                        return
                    self._press(key.decode("utf-8", "replace"))


def _in_foreground(terminal: int) -> bool:
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
