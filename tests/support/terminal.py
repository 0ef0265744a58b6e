"""A real terminal of this machine, with a command on it: what it shows, what is typed, and its state afterwards."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

_TAKE = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
"""Makes the terminal that of the session, so that Ctrl-C and Ctrl-Z are signals."""

_CONTROL = re.compile(r"\x1b\[[0-9;?]*([a-zA-Z])|\r|\x1b\]\S*?\x07")


class Terminal:
    """A command on a terminal.

    Attributes:
        process: The command.
        raw: All that it wrote.
        before: The terminal's settings before it began.
    """

    def __init__(self, arguments, folder: Path, environ: dict[str, str], columns: int = 100) -> None:
        self.ours, self._theirs = os.openpty()
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.before = termios.tcgetattr(self._theirs)
        self.raw = ""
        environ = {key: value for key, value in environ.items() if key not in {"COLUMNS", "NO_COLOR"}}
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", _TAKE, sys.executable, "-m", "dataflow", *arguments],
            cwd=folder,
            env={**environ, "TERM": "xterm"},
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            start_new_session=True,
        )

    @property
    def settings(self):
        """The terminal's settings now."""
        return termios.tcgetattr(self._theirs)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.ours, keys.encode())

    def until(self, text: str, within: float = 90) -> str:
        """Wait until a text is shown that was not before; return all that was shown since the last time."""
        seen, deadline = "", time.monotonic() + within
        while text not in plain(seen):
            assert time.monotonic() < deadline, f"no {text!r} in {within} s, but {self.raw}"
            if not select.select([self.ours], [], [], 0.2)[0]:
                assert self.process.poll() is None, f"it ended, without {text!r}: {self.raw}"
                continue
            data = os.read(self.ours, 65536).decode(errors="replace")
            seen += data
            self.raw += data
        return plain(seen)

    def end(self, within: float = 30) -> int:
        """Wait for the end, and return the exit code; what is written until then is read."""
        deadline = time.monotonic() + within
        while self.process.poll() is None or select.select([self.ours], [], [], 0)[0]:
            assert time.monotonic() < deadline, f"it does not end: {self.raw}"
            if select.select([self.ours], [], [], 0.2)[0]:
                self.raw += os.read(self.ours, 65536).decode(errors="replace")
        return self.process.returncode

    def close(self) -> None:
        """End it if it still runs, and let go of the terminal."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.ours)
        os.close(self._theirs)


def plain(written: str) -> str:
    """Return what was written without what controls a terminal."""
    return _CONTROL.sub("", written)


def screen(written: str) -> list[str]:
    """Return the lines that a terminal shows in the end, with what was drawn over gone."""
    lines, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[[0-9;?]*[a-zA-Z]|\r|\n|[^\x1b\r\n]+|\x1b", written):
        if token == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif token == "\r":
            column = 0
        elif token.startswith("\x1b["):
            amount = int(token[2:-1]) if token[2:-1].isdigit() else 1
            if token[-1] == "A":
                row = max(0, row - amount)
            elif token[-1] == "K":
                lines[row] = "" if token[2:-1] == "2" else lines[row][:column]
        elif token != "\x1b":
            lines[row] = lines[row][:column].ljust(column) + token + lines[row][column + len(token) :]
            column += len(token)
    return [line.rstrip() for line in lines]
