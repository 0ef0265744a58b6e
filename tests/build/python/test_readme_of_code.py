"""The README's blocks on modules and packages of one's own, run as they are written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import ROOT

pytestmark = [pytest.mark.spark, pytest.mark.long]


def block(language):
    section = (
        (ROOT / "README.md").read_text("utf-8").partition("\n## Your own modules, and packages from elsewhere\n")[2]
    )
    text = section.partition("\n## ")[0].partition(f"\n**{language}.**")[2]
    return re.search(r"```bash\n(.*?)```", text, re.DOTALL)[1]


@pytest.fixture
def run(spark_command):
    """Return what runs the block of a language, and gives what was printed."""

    def make(language):
        environ = {**spark_command.environ, "PATH": f"{Path(sys.executable).parent}:{spark_command.environ['PATH']}"}
        command = ["bash", "-euo", "pipefail", "-c", block(language)]
        done = subprocess.run(
            command, cwd=spark_command.folder, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    return make


def test_python_has_its_modules_and_packages_in_tests_and_runs(run):
    said = run("Python")
    assert "pylock.toml is up to date" in said
    assert "PASSED" in said
    assert "up to the 100th" in said
    assert "published alice_sandbox.alice_titles_python_results date=2026-01-31" in said


def test_scala_brings_what_spark_has_not_in_its_jar(run, spark_command):
    assert "published alice_sandbox.alice_titles_scala_results date=2026-01-31" in run("Scala")
    assert list((spark_command.folder / "titles-scala/target").rglob("*assembly*.jar"))


@pytest.mark.tools("R", "R's dplyr", "R's testthat")
def test_r_finds_files_beside_the_script_and_packages_of_its_library(run):
    assert "PASSED  . (testthat)" in run("R")
