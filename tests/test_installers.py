"""The command that installs what is missing, on the machine that it is missing on."""

from __future__ import annotations

import os
import platform
import sys

import pytest

from dataflow import installers
from dataflow.installers import install_command

PROGRAMS = {name: value for name, value in vars(installers).items() if isinstance(value, installers.Program)}


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Return what makes this machine one that has some programs, and a user who is not root."""

    def make(*programs, system="linux", user=1000, release=None):
        for name in programs:
            (tmp_path / name).touch(mode=0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(sys, "platform", system)
        monkeypatch.setattr(os, "geteuid", lambda: user)
        monkeypatch.setattr(platform, "freedesktop_os_release", lambda: release or {})

    return make


@pytest.mark.parametrize(
    ("programs", "settings", "git", "java", "sbt"),
    [
        (
            ["apt-get", "sudo"],
            {},
            "sudo apt-get install git",
            "sudo apt-get install openjdk-17-jre-headless",
            "get it from https://www.scala-sbt.org/download",
        ),
        (["brew"], {}, "brew install git", "brew install openjdk@17", "brew install sbt"),
        ([], {"system": "darwin"}, "brew install git", "brew install openjdk@17", "brew install sbt"),
        (
            [],
            {},
            "get it from https://git-scm.com/downloads",
            "get it from https://adoptium.net",
            "get it from https://www.scala-sbt.org/download",
        ),
        (
            ["dnf", "sudo"],
            {"user": 0},
            "sudo dnf install git",
            "sudo dnf install java-17-openjdk-headless",
            "get it from https://www.scala-sbt.org/download",
        ),
        (
            ["apk"],
            {"user": 0},
            "apk add git",
            "apk add openjdk17-jre-headless",
            "get it from https://www.scala-sbt.org/download",
        ),
    ],
)
def test_the_command_is_that_of_the_package_manager_that_is_there(machine, programs, settings, git, java, sbt):
    machine(*programs, **settings)
    assert [install_command(it) for it in (installers.GIT, installers.JAVA, installers.SBT)] == [git, java, sbt]


@pytest.mark.parametrize(("version", "package"), [("12", "17"), ("13", "21"), ("13.1", "21"), ("", "17")])
def test_a_debian_is_named_the_java_that_it_has(machine, version, package):
    machine("apt-get", user=0, release={"ID": "debian", "VERSION_ID": version})
    assert install_command(installers.JAVA) == f"apt-get install openjdk-{package}-jre-headless"


def test_each_program_has_an_address_and_packages_of_managers_that_are_known():
    assert set(PROGRAMS) == {"GIT", "JAVA", "PYTHON", "R", "SBT"}
    for program in PROGRAMS.values():
        assert program.address.startswith("https://")
        assert {*program.packages, *program.newer} <= set(installers._MANAGERS)
