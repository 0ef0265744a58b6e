"""The command that installs a program on this machine: by the package manager that is there, else where to get it."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

_MANAGERS = {  # the first that is there
    "brew": "brew install",
    "apt-get": "sudo apt-get install",
    "dnf": "sudo dnf install",
    "zypper": "sudo zypper install",
    "pacman": "sudo pacman -S",
    "apk": "sudo apk add",
    "winget": "winget install",
}


@dataclass(frozen=True)
class Program:
    """What may be missing on a machine.

    Attributes:
        address: Where to get it, where no package manager is known.
        packages: Its packages, by the package manager.
        newer: Its packages on a Debian that has the others no more.
    """

    address: str
    packages: Mapping[str, str]
    newer: Mapping[str, str] = field(default_factory=dict)


GIT = Program("https://git-scm.com/downloads", {**dict.fromkeys(_MANAGERS, "git"), "winget": "Git.Git"})
JAVA = Program(
    "https://adoptium.net",
    {
        "brew": "openjdk@17",
        "apt-get": "openjdk-17-jre-headless",
        "dnf": "java-17-openjdk-headless",
        "zypper": "java-17-openjdk-headless",
        "pacman": "jre17-openjdk-headless",
        "apk": "openjdk17-jre-headless",
        "winget": "EclipseAdoptium.Temurin.17.JRE",
    },
    newer={"apt-get": "openjdk-21-jre-headless"},
)
PYTHON = Program(
    "https://www.python.org/downloads",
    {
        "brew": "python@3.13",
        "apt-get": "python3 python3-venv",
        "dnf": "python3.13",
        "zypper": "python313",
        "pacman": "python",
        "apk": "python3",
        "winget": "Python.Python.3.13",
    },
)
R = Program(
    "https://cran.r-project.org",
    {
        "brew": "r",
        "apt-get": "r-base",
        "dnf": "R",
        "zypper": "R-base",
        "pacman": "r",
        "apk": "R",
        "winget": "RProject.R",
    },
)
SBT = Program("https://www.scala-sbt.org/download", {"brew": "sbt", "pacman": "sbt", "winget": "sbt.sbt"})

_FIRST_NEWER = 13  # Debian's version


def install_command(program: Program) -> str:
    """Return the command that installs a program here, or where to get it."""
    for manager, command in _MANAGERS.items():
        if shutil.which(manager) and (package := _package(program, manager)):
            return f"{_as_user(command)} {package}"
    if sys.platform == "darwin" and "brew" in program.packages:
        return f"{_MANAGERS['brew']} {program.packages['brew']}"
    return f"get it from {program.address}"


def _package(program: Program, manager: str) -> str | None:
    newer = program.newer.get(manager)
    return newer if newer and _is_newer_debian() else program.packages.get(manager)


def _is_newer_debian() -> bool:
    with contextlib.suppress(OSError, ValueError):
        release = platform.freedesktop_os_release()
        return release.get("ID") == "debian" and int(release.get("VERSION_ID", "0").partition(".")[0]) >= _FIRST_NEWER
    return False


def _as_user(command: str) -> str:
    """Leave out `sudo` where it is neither there nor needed, as in a container."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return command.removeprefix("sudo ") if is_root and not shutil.which("sudo") else command
