"""Running an R script on Spark: `main(args, spark)` in an R of its own, connected by sparklyr."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dataflow import installers
from dataflow.errors import DataflowError, display_path
from dataflow.jobs.context import ProgramServices
from dataflow.process import capture, run_process
from dataflow.spark.errors import is_java_mistake, last_log_line, short_java_message
from dataflow.workflow.parameters import resolve_secrets

_BOOTSTRAP = Path(__file__).with_name("run.R")
_PROJECT_FILES = (".Rprofile", "renv.lock", "DESCRIPTION")
_LEAST = (4, 1)
_REMEMBERED = 20
_GRACE = 3.0
_PACKAGES = ("sparklyr", "dplyr", "dbplyr", "testthat", "yaml")

_CHATTER = re.compile(
    r"\(?\d\d/\d\d/\d\d [\d:]{8} (?P<level>[A-Z]+) sparklyr: "  # sparklyr's half in the JVM
    r"|[\d:]{8} [A-Z]+ [\w$.]+: "  # Spark, as launch_env.py has it print
    r"|WARNING: Using incubator modules"
)
_STACK = re.compile(
    r"\s+at [\w.$/<>]+\(|\s+\.\.\. \d+ more$|\s*(?:Caused by|Suppressed): "
    r"|(?:[a-z_]\w*\.){2,}[\w$.]*(?:Exception|Error)(?:: |$)"
)

_ASK = """\
cat(as.character(getRversion()), "\\n")
for (name in commandArgs(trailingOnly = TRUE)) {
  found <- suppressWarnings(utils::packageDescription(name, fields = "Version"))
  if (!is.na(found)) cat(name, found, "\\n")
}
"""


@dataclass(frozen=True)
class R:
    """An installed R.

    Attributes:
        executable: Its program `Rscript`.
        version: Such as `4.5.0`.
        packages: The versions of the packages asked for, by name; those that are not installed are left out.
    """

    executable: Path
    version: str
    packages: Mapping[str, str]


def find_r(packages: Iterable[str] = _PACKAGES, folder: Path | None = None) -> R | None:
    """Return the R that the PATH names, or None.

    Args:
        packages: What to look for in its libraries.
        folder: Where it starts, as libraries depend on it; None for the current folder.
    """
    program = shutil.which("Rscript")
    if program is None:
        return None
    command = [program, "-e", _ASK, *packages]
    try:
        answer = capture(command, cwd=folder, timeout=60)
    except DataflowError:
        return None
    found = [line.split() for line in answer.text.splitlines() if line.strip()]
    if answer.code or not found:
        return None
    return R(Path(program), found[0][0], {line[0]: line[1] for line in found[1:] if len(line) == 2})


def require_r(packages: Iterable[str] = ("sparklyr", "dplyr"), folder: Path | None = None) -> R:
    """Return the R that scripts run in.

    Args:
        packages: What has to be installed in it.
        folder: Where it starts, as libraries depend on it: a script's `project_of`; None for the current folder.

    Raises:
        DataflowError: There is none, or a package is missing; the message says how to install it.
    """
    wanted = tuple(packages)
    found = find_r(wanted, folder)
    if found is None:
        raise DataflowError(f"R is not installed; install it:  {install_command()}", permanent=True)
    if tuple(map(int, re.findall(r"\d+", found.version)[:2])) < _LEAST:
        needed = ".".join(map(str, _LEAST))
        raise DataflowError(
            f"R {found.version} is too old: {needed} or newer is needed; install it:  {install_command()}",
            permanent=True,
        )
    if missing := [name for name in wanted if name not in found.packages]:
        raise DataflowError(
            f"R has no package {' and no package '.join(missing)}; install it:  {install_packages(missing)}",
            permanent=True,
        )
    return found


def project_of(path: Path) -> Path:
    """Return the folder of the R project that a script is of: the nearest that has an R project's files, or its own."""
    own, *above = path.resolve().parents
    return next((it for it in (own, *above) if any((it / name).is_file() for name in _PROJECT_FILES)), own)


def install_command() -> str:
    """Return the command that installs R on this platform."""
    return installers.install_command(installers.R)


def install_packages(names: Iterable[str]) -> str:
    """Return the command that installs R packages."""
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"Rscript -e 'install.packages({f'c({quoted})' if ',' in quoted else quoted})'"


def run_r(
    path: Path, params: Mapping[str, str], services: ProgramServices, *, master: str, variables: Mapping[str, str]
) -> None:
    """Run an R script's `main(args, spark)` to its end.

    R starts in the folder of the script's project, so that an `.Rprofile` there (renv's, for one) chooses the packages,
    wherever the command was typed.

    Args:
        path: The script.
        params: The list `args` that `main` gets, by name.
        services: Shows the script's own output, logs what R, sparklyr and Spark's JVM print, and cancels the script.
        master: Where the script's Spark runs.
        variables: R's environment variables; see `SparkLaunch`.

    Raises:
        DataflowError: The script failed; the message names its file and line and the cause.
    """
    program = shutil.which("Rscript")
    if program is None:
        raise DataflowError(f"R is not installed; install it:  {install_command()}", permanent=True)
    with tempfile.TemporaryDirectory(prefix="dataflow-") as name:
        folder = Path(name)
        _write_job(folder / "job.R", path, params, master)
        spark, output = _SparkProcess(folder / "spark"), _OutputFilter(name, services)
        code = run_process(
            [program, str(_BOOTSTRAP), str(folder)],
            cwd=project_of(path),
            env={**variables, "LANGUAGE": "en"},
            output=output,
            stopped=lambda: services.is_cancelled() or spark.is_gone(),
        )
        if services.is_cancelled():
            raise DataflowError(f"{display_path(path)} was stopped")
        if (folder / "failed").exists():
            raise _failure(path, (folder / "failed").read_text("utf-8"))
        if not (folder / "ended").exists():
            how = f"Spark died: {last_log_line(output.errors)}" if spark.is_gone() else _how(code)
            raise DataflowError(f"{display_path(path)}: `main` did not return: {how}")


class _OutputFilter:
    """Shows a script's own lines, and logs those of sparklyr and the JVM.

    Attributes:
        errors: The last lines that look like an error, whoever wrote them.
    """

    def __init__(self, end: str, services: ProgramServices) -> None:
        self.errors = deque[str](maxlen=_REMEMBERED)
        self._end, self._services = end, services
        self._over, self._within = False, ""

    def __call__(self, line: str) -> None:
        """Pass a line on."""
        if re.search(r"Error|Exception", line):
            self.errors.append(line)
        if line.endswith(self._end):
            self._over, line = True, line.removesuffix(self._end)
            if line:
                self._services.print_line(line)
        elif self._over or self._is_noise(line):
            self._services.log_line(line)
        else:
            self._services.print_line(line)

    def _is_noise(self, line: str) -> bool:
        """Return whether a line is sparklyr's or the JVM's; an error of theirs goes on up to the end of its stack."""
        if chatter := _CHATTER.match(line):
            self._within = "error" if chatter["level"] == "ERROR" else ""
        elif _STACK.match(line):
            self._within = "stack"
        elif not self._within or (self._within == "stack" and line):
            self._within = ""
            return False
        return True


class _SparkProcess:
    """The JVM that sparklyr speaks to, by its process: sparklyr itself does not notice when it dies."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._missed: float | None = None

    def is_gone(self) -> bool:
        """Return whether it has been gone for longer than R may take to end after it."""
        if not self._file.exists() or not (pid := self._file.read_text("ascii")).endswith("\n") or _runs(int(pid)):
            return False
        self._missed = self._missed or time.monotonic()
        return time.monotonic() - self._missed > _GRACE


def _runs(process: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        os.kill(process, 0)
        return ") Z " not in Path(f"/proc/{process}/stat").read_text("utf-8", errors="replace")
    except ProcessLookupError:
        return False
    except OSError:  # another user's, or a platform without /proc
        return True


def _write_job(file: Path, path: Path, params: Mapping[str, str], master: str) -> None:
    """Write what R is to do as R source; it may hold secrets, so nobody else can read it."""
    config = {
        # A gateway of its own: sparklyr's usual port may be taken, and may be somebody else's.
        "sparklyr.gateway.port": _free_port(),
        "sparklyr.gateway.routing": False,
        "sparklyr.connect.enablehivesupport": False,
        # Empty: else sparklyr asks for 2g, whatever spark-defaults.conf says.
        "sparklyr.shell.driver-memory": "",
        "sparklyr.log.console": True,
        # Else sparklyr looks for Spark's pages and warns when they are switched off.
        "sparklyr.web.spark": "http://localhost:4040",
    }
    values = {name: resolve_secrets(value) for name, value in params.items()}
    job = {"script": str(path.resolve()), "master": master, "config": config, "args": values}
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as stream:
        stream.write(_r_source(job))


def _r_source(value: object) -> str:
    """Write a value as R source, all of it ASCII: it is read in any locale."""
    if isinstance(value, Mapping):
        return f"list({', '.join(f'{_r_source(name)} = {_r_source(item)}' for name, item in value.items())})"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int):
        return f"{value}L"
    plain = {'"': '\\"', "\\": "\\\\"}
    letters = (plain.get(it, it) if " " <= it <= "~" else f"\\U{ord(it):08x}" for it in str(value))
    return f'"{"".join(letters)}"'


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _failure(script: Path, noted: str) -> DataflowError:
    """Return the failure that run.R wrote: the step, then file, line, function and code, then the message."""
    step, file, line, function, code, message = noted.split("\n", 5)
    message = message.strip()
    if step == "find main":
        hint = "give it a function `main(args, spark)`: args are the parameters"
        return DataflowError(f"{display_path(script)} has no main", hint, permanent=True)
    if step == "connect":
        first = message.partition("\n")[0]
        return DataflowError(f"{display_path(script)}: sparklyr could not start Spark: {first}")
    where = f"{display_path(Path(file))}:{line}" if file else display_path(script)
    where += f" in {function}()" if function else ""
    quoted = f"\n    {code}" if code else ""
    if syntax := re.match(r"[^\n]+:\d+:\d+: ([^\n]+)", message):
        return DataflowError(f"{where}: {syntax[1]}{quoted}", permanent=True)
    return DataflowError(f"{where}: {short_java_message(message)}{quoted}", permanent=is_java_mistake(message))


def _how(code: int) -> str:
    return f"R was ended by {signal.Signals(-code).name}" if code < 0 else f"R ended with exit code {code}"
