"""A real terminal of this machine, with a command on it: what it shows, what is typed, and its state afterwards."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

_SHELL = """\
import fcntl, os, signal, socket, sys, termios
control = socket.socket(fileno=int(sys.argv[1]))
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = os.fork()
if job == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[2], sys.argv[2:])
control.send(b"%d\\n" % job)
while True:
    status = os.waitpid(job, os.WUNTRACED)[1]
    os.tcsetpgrp(0, os.getpid())
    code = "stopped" if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status)
    control.send(f"{code}\\n".encode())
    if not control.recv(1):  # it has been looked at; our end hangs the terminal up
        sys.exit()
    os.tcsetpgrp(0, job)
    os.kill(job, signal.SIGCONT)
"""
"""What a shell does: it has a job in the terminal's foreground, and says how that stopped or ended."""

_CONTROL = re.compile(r"\x1b\[[0-9;?]*([a-zA-Z])|\r|\x1b\]\S*?\x07")


class Terminal:
    """A command on a terminal, in the foreground of something like a shell.

    Attributes:
        pid: Its process.
        raw: All that it wrote.
        before: The terminal's settings before it began.
    """

    def __init__(self, arguments, folder: Path, environ: dict[str, str], columns: int = 100) -> None:
        self.ours, self._theirs = os.openpty()
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.before = termios.tcgetattr(self._theirs)
        self.raw, self._position = "", 0
        environ = {key: value for key, value in environ.items() if key not in {"COLUMNS", "NO_COLOR"}}
        self._control, control = socket.socketpair()
        command = [sys.executable, "-S", "-c", _SHELL, str(control.fileno())]
        self._shell = subprocess.Popen(
            [*command, sys.executable, "-m", "dataflow", *arguments],
            cwd=folder,
            env={**environ, "TERM": "xterm"},
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            start_new_session=True,
            pass_fds=[control.fileno()],
        )
        control.close()
        self._said = self._control.makefile()
        self.pid = int(self._said.readline())

    @property
    def is_over(self) -> bool:
        """Whether it ended, or stopped."""
        return bool(select.select([self._control], [], [], 0)[0])

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def resume(self) -> None:
        """Let it go on in the foreground, as `fg` does."""
        self._control.send(b"c")

    @property
    def settings(self):
        """The terminal's settings now."""
        return termios.tcgetattr(self._theirs)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.ours, keys.encode())

    def until(self, text: str, within: float = 120) -> str:
        """Wait until a text is shown, after what was waited for before; return all that was shown in between."""
        begin, deadline = self._position, time.monotonic() + within
        while (found := plain(self.raw).find(text, begin)) < 0:
            assert time.monotonic() < deadline, f"no {text!r} in {within} s, but {self.raw}"
            assert not self.is_over, f"it ended, without {text!r}: {self.raw}"
            if select.select([self.ours], [], [], 0.2)[0]:
                self.read()
        self._position = found + len(text)
        return plain(self.raw)[begin : self._position]

    def end(self, within: float = 120) -> str:
        """Wait until it ends or stops; return its exit code, or `stopped`. What it wrote until then is read."""
        deadline = time.monotonic() + within
        while not self.is_over:
            assert time.monotonic() < deadline, f"it does not end: {self.raw}"
            select.select([self.ours, self._control], [], [], 0.2)
            self.read()
        self.read()
        return self._said.readline().strip()

    def read(self) -> None:
        """Read what was written meanwhile."""
        while select.select([self.ours], [], [], 0)[0]:
            self.raw += os.read(self.ours, 65536).decode(errors="replace")

    def close(self) -> None:
        """End it if it still runs, and let go of the terminal."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._said.close()
        self._control.close()
        self._shell.wait()
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


def at_a_terminal(command, *arguments, answer, after):
    """Run a command on a terminal of its own, and answer its question.

    Returns:
        Its exit code, and what the terminal showed from the words of `after` on.
    """
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "dataflow", *arguments], cwd=command.folder, env={**command.environ, "TERM": "xterm"},
        stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    shown, asked, until = b"", False, time.monotonic() + 240
    while time.monotonic() < until:
        if select.select([leader], [], [], 1)[0]:
            try:
                shown += os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
        if not asked and b"[y/N]: " in shown:  # else the answer is shown amid the question
            os.write(leader, answer.encode())
            asked = True
    process.wait(120)
    os.close(leader)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r\n", "\n")
    text = re.sub(r"\r?[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] [^\r\n]*…\r?", "", text)  # what turned, and was taken away again
    text = re.sub(r"[\r\n]*\n[\r\n]*", "\n", text)
    return process.returncode, text[text.index(after) :]
