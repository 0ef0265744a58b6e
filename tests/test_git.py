from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from dataflow import git


@pytest.fixture
def repository(tmp_path) -> Path:
    git.run(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text("a\n")
    git.run(tmp_path, "add", "a.txt")
    who = ("-c", "user.name=someone", "-c", "user.email=someone@example.org")
    assert git.run(tmp_path, *who, "commit", "-q", "-m", "one").code == 0
    return tmp_path


def test_what_names_another_repository_does_not_reach_git(repository, monkeypatch, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert git.ask(repository, "rev-parse", "--show-toplevel") == str(repository.resolve())


def test_a_failure_is_no_answer_and_one_line(repository):
    assert git.ask(repository, "rev-parse", "nothing") is None
    assert git.run(repository, "cat-file", "-e", "nothing").error == "Not a valid object name nothing"


def test_without_git_every_question_has_no_answer(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert git.run(repository, "status") == git.Answer(-1, b"", "git can't be started: No such file or directory")
    assert git.version() is None


def test_the_version_of_git_is_a_number():
    assert re.match(r"\d+\.\d+", git.version() or "")


def test_long_output_is_read_while_git_runs(repository):
    with git.stream(repository, "show", "HEAD:a.txt", variables={}) as lent:
        assert lent.data.read() == b"a\n"
    assert (lent.code, lent.last_line) == (0, "")


def test_a_stream_that_fails_says_why_at_its_end(repository):
    with git.stream(repository, "archive", "nothing", variables={}) as lent:
        assert lent.data.read() == b""
    assert (lent.code, lent.last_line) == (128, "fatal: not a valid object name: nothing")
