"""Running whole processes, in turns, and what they cost: wall time, and the memory of all that they start."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TypeVar

T = TypeVar("T")

_PROC = Path("/proc")
_SETTLE_SECONDS = 180.0
_ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""What measured commands find: modules are compiled once, as on any machine where they are used twice."""


class RunFailed(Exception):
    """A measured command failed: the figures would mean nothing."""


@dataclass(frozen=True)
class Command:
    """Something to measure: processes run one after the other.

    Attributes:
        steps: Their command lines.
        env: Variables on top of this process's own.
        before: Done before each run, outside the measured time.
        cwd: Where they run; here when omitted.
    """

    steps: Sequence[Sequence[str]]
    env: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None
    cwd: Path | None = None


def seconds(command: Command) -> float:
    """Run a command and return how long its user waited."""
    command.before()
    total = 0.0
    for step in command.steps:
        began = time.perf_counter()
        with _running(step, command) as process:
            process.wait()
            total += time.perf_counter() - began
    return total


def answer(command: Command) -> str:
    """Run a command of one step and return what it prints."""
    (step,) = command.steps
    done = subprocess.run(
        step, env={**_ENVIRON, **command.env}, cwd=command.cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RunFailed(f"{' '.join(step)} exited with {done.returncode}:\n{done.stderr.strip()[-3000:]}")
    return done.stdout


def peak_megabytes(command: Command, *, but: str | None = None) -> float:
    """Run a command and return the most memory that its processes held at any moment.

    Proportional set size: pages that several processes share are shared out among them. Linux alone tells it.

    Args:
        command: What is run.
        but: A program whose processes do not count, such as `java`.
    """
    command.before()
    peak = 0
    for step in command.steps:
        with _running(step, command) as process:
            while process.poll() is None:
                peak = max(peak, sum(_pss(pid) for pid in _members(process.pid) if _program(pid) != but))
                time.sleep(0.1)
    return peak / 1024


def in_turns(
    commands: Mapping[str, T], runs: int, measure: Callable[[T], float], report: Callable[[str], None]
) -> dict[str, float]:
    """Measure commands by turns, so that what else the machine does hits all alike; return the medians."""
    found: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(runs):
        for name, command in commands.items():
            found[name].append(measure(command))
            report(f"  {turn + 1}/{runs}  {name}: {found[name][-1]:,.2f}")
    return {name: median(values) for name, values in found.items()}


def settle(session: int) -> None:
    """Wait until all processes of a session have ended: a JVM ends behind the command that started it."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while _members(session):
        if time.monotonic() > deadline:
            raise RunFailed(f"processes of session {session} are still there after {_SETTLE_SECONDS:.0f} s")
        time.sleep(0.05)


@contextmanager
def _running(argv: Sequence[str], command: Command) -> Iterator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**_ENVIRON, **command.env},
            cwd=command.cwd,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.wait()
        settle(process.pid)
        if process.returncode:
            output.seek(0)
            said = output.read().decode(errors="replace").strip()[-3000:]
            raise RunFailed(f"{' '.join(argv)} exited with {process.returncode}:\n{said}")


def _members(session: int) -> list[int]:
    """List the processes of a session, whoever their parents are by now."""
    return [int(folder.name) for folder in _PROC.glob("[0-9]*") if _session_of(folder) == session]


def _session_of(folder: Path) -> int | None:
    try:
        status = (folder / "stat").read_text()
    except OSError:  # it has ended
        return None
    return int(status.rpartition(")")[2].split()[3])  # the name before the bracket may hold spaces


def _program(pid: int) -> str | None:
    """Return the name of what a process executes; None where it has ended."""
    try:
        return (_PROC / str(pid) / "exe").readlink().name
    except OSError:
        return None


def _pss(pid: int) -> int:
    """Return a process's proportional set size in KiB."""
    try:
        lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended, or is about to
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
