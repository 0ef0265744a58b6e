"""What of a Python project is refused is said before anything starts, in runs and in tests alike."""

from __future__ import annotations

import pytest

from tests.support.one_job import MAIN

PROJECT = '[project]\nname = "calc"\nversion = "1"\nrequires-python = "%s"\ndependencies = ["iniconfig"]\n'
STALE = 'lock-version = "1.0"\ncreated-by = "test"\npackages = []\n'


@pytest.fixture
def package(dataflow_command):
    folder = dataflow_command.folder / "calc"
    folder.mkdir()
    (folder / "main.sch.yaml").write_text(MAIN)
    (folder / "job.py").write_text("def main(args, spark): pass\n")
    (folder / "test_job.py").write_text("def test_it(): pass\n")
    return folder


def refused(command):
    """Return what a run and a test say."""
    run = command("workflow", "run", "calc", code=2)
    tested = command("project", "test", code=1).stdout
    assert "FAILED  ./calc (pytest)" in tested
    assert "\nrun " not in f"\n{run.stderr}"
    assert "Traceback" not in run.stderr + tested
    return run.stderr, tested


@pytest.mark.slow
def test_a_stale_lock(dataflow_command, package):
    (package / "pyproject.toml").write_text(PROJECT % ">=3.11")
    (package / "pylock.toml").write_text(STALE)
    for said in refused(dataflow_command):
        assert "calc/pylock.toml is stale: calc/pyproject.toml asks for something else" in said
        assert "renew and commit it:  dataflow project lock calc" in said


def test_another_python(dataflow_command, package):
    (package / "pyproject.toml").write_text(PROJECT % "<3.11")
    for said in refused(dataflow_command):
        assert "calc/pyproject.toml requires Python <3.11, and Dataflow runs on 3." in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[project]\nname =\n", "calc/pyproject.toml is not TOML"),
        ('[project]\nname = "a"\nversion = "1"\ndependencies = "six"\n', "dependencies is not a list of strings"),
        ('[project]\nname = "a"\nversion = "1"\ndependencies = ["six =="]\n', "calc/pyproject.toml"),
        ('[project]\nname = "a"\nversion = "1"\n[tool.uv]\nindex = 3\ndependencies = []\n', ""),
        ("project = 3\n[build-system]\nrequires = []\n", ""),
    ],
)
def test_a_build_file_that_is_none(dataflow_command, package, text, told):
    (package / "pyproject.toml").write_text(text)
    done = dataflow_command("project", "test", code=None)
    assert told in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "defect" not in done.stderr
