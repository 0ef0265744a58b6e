"""Commands at a terminal, with somebody who answers."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time


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
        if not asked and b"[y/N]" in shown:
            os.write(leader, answer.encode())
            asked = True
    process.wait(60)
    os.close(leader)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r\n", "\n")
    text = re.sub(r"\r?[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] [^\r\n]*…\r?", "", text)  # what turned, and was taken away again
    text = re.sub(r"[\r\n]*\n[\r\n]*", "\n", text)
    return process.returncode, text[text.index(after) :]
