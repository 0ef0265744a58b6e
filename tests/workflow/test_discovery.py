"""Looks through folders say what they read, and end."""

from __future__ import annotations

import subprocess
import time

import pytest

from dataflow.errors import UsageError
from dataflow.repository.tree import tree_of_disk
from dataflow.workflow import discovery
from dataflow.workflow.discovery import is_made, package_of, patiently, walk


def test_a_look_that_takes_long_says_where_it_is(tmp_path, capsys, monkeypatch):
    (tmp_path / "a").mkdir()
    list(walk(tmp_path))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(discovery, "PATIENCE", -1)
    list(walk(tmp_path))
    assert f"looking for workflows below {tmp_path}, now in {tmp_path} …\n" in capsys.readouterr().err


def test_a_look_through_a_whole_disk_ends(tmp_path, monkeypatch):
    for number in range(5):
        (tmp_path / str(number)).mkdir()
    monkeypatch.setattr(discovery, "BOUND", 3)
    with pytest.raises(UsageError, match="ends after 4 folders: that is too much for a project") as caught:
        list(walk(tmp_path))
    assert "name it" in caught.value.hint


def test_what_takes_long_says_so_once(capsys, monkeypatch):
    monkeypatch.setattr(discovery, "PATIENCE", 0.01)
    with patiently(lambda: "reading a definition"):
        time.sleep(0.1)
    assert capsys.readouterr().err == "reading a definition …\n"


def test_the_home_that_lies_in_a_project_is_none_of_it(tmp_path, monkeypatch):
    top = tmp_path / "project"
    monkeypatch.setenv("DATAFLOW_HOME", str(top / "own"))
    (top / "own/deployed/x").mkdir(parents=True)
    (top / "own/deployed/x/main.sch.yaml").touch()
    (top / "main.sch.yaml").touch()
    assert [folder for folder, _, _ in walk(top)] == [top]
    subprocess.run(["git", "init", "-q", top], check=True)
    assert [folder for folder, _, _ in tree_of_disk(top).walk()] == [top]


@pytest.mark.parametrize(
    ("name", "beside", "inside", "made"),
    [
        ("target", "pom.xml", "a.class", True),
        ("target", "main.py", "__init__.py", False),
        ("build", "pyproject.toml", "lib/a.py", True),
        ("build", "pyproject.toml", "__init__.py", False),
        ("dist", "setup.py", "a.whl", True),
        ("dist", "main.R", "a.R", False),
        ("venv", "main.py", "pyvenv.cfg", True),
        ("venv", "main.py", "a.py", False),
        ("packrat", "main.R", "packrat.lock", True),
        ("a.egg-info", "main.py", "PKG-INFO", True),
        ("src", "pom.xml", "a.java", False),
    ],
)
def test_the_build_beside_a_folder_says_whether_it_made_it(tmp_path, name, beside, inside, made):
    file = tmp_path / name / inside
    file.parent.mkdir(parents=True)
    file.touch()
    assert is_made(tmp_path, name, [beside]) is made


def test_a_package_is_looked_for_no_higher_than_the_repository(tmp_path):
    (tmp_path / "main.sch.yaml").touch()
    (tmp_path / "a/b").mkdir(parents=True)
    assert package_of(tmp_path / "a/b") == tmp_path
    assert package_of(tmp_path / "a/b", tmp_path / "a") is None
