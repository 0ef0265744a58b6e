"""Git commands in one folder, which nothing reaches that was set for another repository.

A hook, or a tool that git started, hands on `GIT_DIR` and its like: they name the repository that git was busy with,
not the one that a command here is about.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dataflow.errors import DataflowError
from dataflow.process import capture

REPOSITORY_VARIABLES = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_ATTR_SOURCE",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_DIR",
        "GIT_GLOB_PATHSPECS",
        "GIT_GRAFT_FILE",
        "GIT_ICASE_PATHSPECS",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_LITERAL_PATHSPECS",
        "GIT_NAMESPACE",
        "GIT_NOGLOB_PATHSPECS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_QUARANTINE_PATH",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)
"""What `git rev-parse --local-env-vars` lists, and what changes the meaning of names; settings (`GIT_CONFIG_COUNT` and
the like) are the user's and stay."""

INSTALL_HINT = "install git; `dataflow doctor` shows the command"

_UNATTENDED = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
_SSH = "ssh -oBatchMode=yes -oConnectTimeout=10"
_REMOTE_TIMEOUT = 60


@dataclass(frozen=True)
class Answer:
    """What came of a git command.

    Attributes:
        code: Its exit code; -1 where there is no git, or it took too long.
        data: What it printed.
        error: Why it failed, in one line.
    """

    code: int
    data: bytes
    error: str

    @property
    def text(self) -> str | None:
        """What it printed, as text; None where it failed."""
        return self.data.decode(errors="surrogateescape").rstrip("\n") if self.code == 0 else None


def environ(**variables: str) -> dict[str, str]:
    """Return the current environment without what names another repository, and these variables on top."""
    return {key: value for key, value in os.environ.items() if key not in REPOSITORY_VARIABLES} | variables


def run(
    folder: Path,
    *arguments: str,
    data: bytes | None = None,
    timeout: float | None = None,
    variables: Mapping[str, str] | None = None,
) -> Answer:
    """Run git in a folder and return what came of it; it never prompts for a password.

    Args:
        folder: Where it runs.
        arguments: Its command.
        data: What it reads from stdin.
        timeout: After how many seconds it is ended.
        variables: Environment variables on top.
    """
    try:
        ended = capture(
            _command(folder, arguments),
            name=f"git {arguments[0]}",
            data=data,
            timeout=timeout,
            env={**environ(**_UNATTENDED), **(variables or {})},
        )
    except DataflowError as error:
        return Answer(-1, b"", error.message)
    return Answer(ended.code, ended.output, _complaint(ended.error_text))


def ask(folder: Path, *arguments: str, timeout: float | None = None) -> str | None:
    """Run git in a folder and return what it printed; None when it failed, took too long, or there is no git."""
    return run(folder, *arguments, timeout=timeout).text


@dataclass
class Stream:
    """What git prints, to be read while it runs.

    Attributes:
        data: Its output.
        code: Its exit code, once it has ended.
        last_line: The last line that it printed to stderr, once it has ended; an empty text when there is none.
    """

    data: IO[bytes]
    code: int = 0
    last_line: str = ""


@contextmanager
def stream(folder: Path, *arguments: str, variables: Mapping[str, str]) -> Iterator[Stream]:
    """Run git in a folder and lend its output; at the end of the context git has ended.

    Args:
        folder: Where it runs.
        arguments: Its command.
        variables: Environment variables on top.

    Raises:
        OSError: It can't be started.
    """
    command, env = _command(folder, arguments), {**environ(**_UNATTENDED), **variables}
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=env) as process:
            if process.stdout is None:
                raise AssertionError("stdout is a pipe")
            lent = Stream(process.stdout)
            try:
                yield lent
            finally:
                process.stdout.close()
        lent.code = process.returncode
        errors.seek(0)
        lines = errors.read().decode(errors="replace").strip().splitlines()
        lent.last_line = lines[-1].removeprefix("error: ") if lines else ""


def version() -> str | None:
    """Return the version of git; None where it can't be started."""
    found = ask(Path("/"), "--version")
    return found.strip().removeprefix("git version ") if found is not None else None


def run_remote(folder: Path, *arguments: str) -> Answer:
    """Run git in a folder where it talks to another machine, for a minute at most; ssh never prompts for a password."""
    chosen = os.environ.keys() & {"GIT_SSH", "GIT_SSH_COMMAND"} or ask(folder, "config", "core.sshCommand")
    variables = {} if chosen else {"GIT_SSH_COMMAND": _SSH}
    return run(folder, *arguments, timeout=_REMOTE_TIMEOUT, variables=variables)


def ask_remote(folder: Path, *arguments: str) -> str | None:
    """Run git where it talks to another machine, and return what it printed; None when it failed or took too long."""
    return run_remote(folder, *arguments).text


def ignored(folder: Path) -> set[Path]:
    """Return the files and folders below one that git ignores; none outside git, or below what it ignores itself."""
    if ask(folder, "check-ignore", "-q", "--", ".") is not None:
        return set()
    listed = run(folder, "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory", timeout=60)
    return {folder / os.fsdecode(it.rstrip(b"/")) for it in listed.data.split(b"\0") if it}


def is_installed() -> bool:
    """Say whether there is a git at all."""
    return shutil.which("git") is not None


def is_work_tree_root(folder: Path) -> bool:
    """Say whether a folder is the top of a work tree, as opposed to somewhere below one."""
    top = ask(folder, "rev-parse", "--show-toplevel")
    return bool(top) and Path(str(top)).resolve() == folder.resolve()


def nearest_repository(folder: Path) -> Path | None:
    """Return the nearest folder, there or above, that holds a `.git`, whether or not git can read it."""
    return next((it for it in (folder, *folder.parents) if os.path.lexists(it / ".git")), None)


def _command(folder: Path, arguments: tuple[str, ...]) -> list[str]:
    return ["git", "-C", str(folder), *arguments]


def _complaint(errors: str) -> str:
    """Return the line that says why git failed."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    found = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[0] if lines else "")
    return found.removeprefix("fatal: ").removeprefix("error: ")
