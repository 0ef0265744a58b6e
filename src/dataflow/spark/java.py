"""Finding a Java that Spark runs on: `JAVA_HOME` first, then the PATH, then where installers put it."""

from __future__ import annotations

import glob
import os
import platform
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dataflow import installers
from dataflow.errors import DataflowError
from dataflow.process import capture
from dataflow.report import Report, silent

FIT = (17, 21)
"""The versions that Spark runs on, the better tried first."""

_USUAL_PLACES = (
    "/usr/lib/jvm/*",
    "~/.sdkman/candidates/java/*",
    "~/.jdks/*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "/opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home",
    "/usr/local/opt/openjdk*/libexec/openjdk.jdk/Contents/Home",
)


@dataclass(frozen=True)
class Java:
    """An installed Java.

    Attributes:
        home: Its folder.
        version: Such as `17.0.15`.
        vendor: Who built it.
    """

    home: Path
    version: str
    vendor: str

    @property
    def major(self) -> int:
        """The number that decides whether Spark runs on it."""
        parts = re.findall(r"\d+", self.version)
        return int(parts[1] if parts[0] == "1" and len(parts) > 1 else parts[0])

    @property
    def fit(self) -> bool:
        """Whether Spark runs on it."""
        return self.major in FIT

    @property
    def has_class_data(self) -> bool:
        """Whether it brings the archive of its own classes that any other builds on; small runtimes leave it out."""
        return any((self.home / folder / "server" / "classes.jsa").is_file() for folder in ("lib", "bin"))

    @property
    def executable(self) -> Path:
        """The program to start."""
        return self.home / "bin" / ("java.exe" if os.name == "nt" else "java")


def find_java(report: Report = silent) -> Java:
    """Return a Java that Spark runs on.

    Args:
        report: Receives a line when `JAVA_HOME` names an unfit Java and another is used.

    Raises:
        DataflowError: There is none; the message says how to install one.
    """
    unfit: list[str] = []
    for source, home in _candidates():
        java = _inspect(home)
        if java is None:
            if source == "JAVA_HOME":
                unfit.append(f"JAVA_HOME ({home}) has no Java")
        elif java.fit:
            if unfit and unfit[0].startswith("JAVA_HOME"):
                report(f"{unfit[0]}; using Java {java.version} in {java.home}")
            return java
        else:
            unfit.append(f"{source} {'is' if source == 'JAVA_HOME' else 'has'} Java {java.version}")
    found = f" ({'; '.join(dict.fromkeys(unfit))})" if unfit else ""
    raise DataflowError(
        f"Spark needs Java {' or '.join(map(str, FIT))}, which was not found{found}; install it:  {install_command()}",
        permanent=True,
    )


def install_command() -> str:
    """Return the command that installs a fit Java on this platform."""
    return installers.install_command(installers.JAVA)


def _candidates() -> Iterator[tuple[str, Path]]:
    """Yield where a Java may be, best first, each with the name of the place."""
    if named := os.environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(named).expanduser()
    if program := shutil.which("java"):
        yield "the PATH", Path(program).resolve().parent.parent
    patterns = [str(Path(place).expanduser()) for place in _USUAL_PLACES]
    others = sorted(Path(found) for pattern in patterns for found in glob.glob(pattern))  # noqa: PTH207  # absolute
    for home in sorted(others, key=_rank):
        yield str(home), home


def _rank(home: Path) -> int:
    """Sort the usual places by version, as the `release` file has it: no program is started for it."""
    java = _from_release_file(home)
    return FIT.index(java.major) if java and java.fit else len(FIT)


def _inspect(home: Path) -> Java | None:
    if not Java(home, "0", "").executable.exists():
        return None
    return _from_release_file(home) or _from_program(home)


def _from_release_file(home: Path) -> Java | None:
    try:
        text = (home / "release").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    values = dict(re.findall(r'^(\w+)="(.*)"$', text, re.M))
    version = values.get("JAVA_VERSION", "")
    return Java(home, version, values.get("IMPLEMENTOR", "")) if version[:1].isdigit() else None


def _from_program(home: Path) -> Java | None:
    """Ask the program itself; it also knows its real home where `home` holds a stand-in for it."""
    command = [str(Java(home, "0", "").executable), "-XshowSettings:properties", "-version"]
    try:
        answer = capture(command, timeout=20)
    except DataflowError:
        return None
    values = dict(re.findall(r"^\s+(java\.[\w.]+) = (.*)$", answer.error_text, re.M))
    version = values.get("java.version", "")
    if answer.code or not version[:1].isdigit():
        return None
    return Java(Path(values.get("java.home", home)), version, values.get("java.vendor", platform.system()))
