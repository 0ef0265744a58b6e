"""A word of ours is explained to people where they meet it first, once in a home."""

from __future__ import annotations

import os

import pytest

from dataflow.cli.first_met import explain
from dataflow.cli.output import JSON, TEXT

pytestmark = pytest.mark.slow

SANDBOX = "sandbox: a database of yours alone, where a run writes unless --env names another environment"


def test_the_first_package_explains_its_words_and_the_next_one_does_not(dataflow_command):
    first = dataflow_command("sample", "workflow", "spark-sql", "one")
    assert "in your own sandbox" in first.stdout
    assert SANDBOX in first.stderr.splitlines()
    assert "recipe: a template that packages are generated from, in one language, such as spark-sql" in first.stderr
    assert first.stderr.endswith("`dataflow glossary` says more\n")
    assert SANDBOX not in dataflow_command("sample", "workflow", "spark-sql", "two").stderr


def test_scripts_and_who_wants_no_words_are_spared(dataflow_command):
    assert dataflow_command("sample", "workflow", "spark-sql", "one", "--output", "json").stderr == ""
    assert dataflow_command("sample", "workflow", "spark-sql", "two", "--skip-info").stderr == ""
    assert SANDBOX in dataflow_command("sample", "workflow", "spark-sql", "three").stderr


def test_a_home_that_takes_no_notes_explains_each_time(dataflow_command, tmp_path):
    (tmp_path / "file").touch()
    dataflow_command.environ["DATAFLOW_HOME"] = os.fspath(tmp_path / "file" / "home")
    for name in ("one", "two"):
        assert SANDBOX in dataflow_command("sample", "workflow", "spark-sql", name).stderr


def test_what_a_run_shows_is_explained_by_the_names_of_its_steps(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("DATAFLOW_HOME", os.fspath(tmp_path / "home"))
    explain(TEXT, "production", "ddl", "wap.write", "hwm")
    said = capsys.readouterr()
    assert said.out == ""
    assert [line.partition(": ")[0] for line in said.err.splitlines()] == [
        "",
        "hwm",
        "wap",
        "`dataflow glossary` says more",
    ]
    explain(TEXT, "sandbox", "wap.write")
    assert capsys.readouterr().err == f"\n{SANDBOX}\n`dataflow glossary` says more\n"
    explain(TEXT, "sandbox", "ddl")
    explain(JSON, "bundle")
    assert capsys.readouterr().err == ""
