"""What can't run is not deployed, and is told before."""

from __future__ import annotations

import shutil

import pytest

from dataflow.deploy.plan.builder import make_plan
from dataflow.deploy.preconditions import require_deployable
from dataflow.errors import DataflowError, DefinitionError
from tests.support.standing import python_package


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("write.py", "def main(args, spark:\n", r"top/src/write\.py:1:\d+: Python: "),
        ("helper.py", "x = = 1\n", r"top/src/helper\.py:1:\d+: Python: "),
        ("helper.py", "<<<<<<< ours\nx = 1\n=======\nx = 2\n>>>>>>> theirs\n", r"helper\.py:1:1: conflict markers"),
        (
            "rules.yaml",
            "a: 1\n<<<<<<< ours\nb: 1\n=======\nb: 2\n>>>>>>> theirs\n",
            r"rules\.yaml:2:1: conflict markers",
        ),
    ],
)
def test_scripts_with_conflict_markers_or_mistakes_of_syntax_are_not_deployed(repo, name, text, said):
    python_package(repo)
    repo.write(f"top/src/{name}", text)
    repo.commit()
    with pytest.raises(DataflowError, match=said):
        repo.deploy()
    assert repo.current() is None


@pytest.mark.slow
def test_a_sql_script_that_does_not_parse_is_not_deployed(repo):
    repo.write("top/src/write.sql", "INSERT OVERWRITE ${TARGET_TABLE} SELECT (1, FROM x WHERE\n")
    repo.commit()
    with pytest.raises(DataflowError, match=r"top/src/write\.sql:\d+:\d+: SQL: "):
        repo.deploy()


def test_validate_tells_mistakes_of_syntax_before(repo):
    python_package(repo)
    assert validate(repo, "top").returncode == 0
    repo.write("top/src/write.py", "<<<<<<< ours\nx = 1\n=======\nx = 2\n>>>>>>> theirs\n")
    done = validate(repo, "top")
    assert done.returncode == 2
    assert "top/src/write.py:1:1: conflict markers of a merge" in done.stderr


@pytest.mark.slow
def test_sql_that_spark_knows_and_others_doubt_is_deployed(repo):
    repo.write("top/src/write.sql", "INSERT INTO ${TARGET_TABLE} SELECT id:a.b, 1D, NULL FROM ${SOURCE_TABLE};\n")
    repo.commit()
    assert repo.deploy().changed


@pytest.mark.slow
def test_conflict_markers_in_a_wheel_and_in_a_definition_are_told(repo):
    python_package(repo)
    marked = "<<<<<<< ours\nx = 1\n=======\nx = 2\n>>>>>>> theirs\n"
    repo.write(
        "top/pyproject.toml",
        """
        [build-system]
        requires = ["hatchling"]
        build-backend = "hatchling.build"
        [project]
        name = "ranks"
        version = "1"
        """,
    )
    repo.write("top/ranks/__init__.py", marked)
    repo.commit()
    with pytest.raises(DataflowError, match=r"top/ranks/__init__\.py:1:1: conflict markers"):
        repo.deploy()
    repo.write("top/main.sch.yaml", marked)
    repo.commit()
    with pytest.raises(DefinitionError, match=r"top/main\.sch\.yaml:\d+:\d+: "):
        repo.deploy()


MARKED = "a\n<<<<<<< ours\n1\n=======\n2\n>>>>>>> theirs\n"


@pytest.mark.parametrize("name", ["src/rows.csv", "README.md", "src/mocks/rows.yaml", "Makefile", "src/crlf.txt"])
def test_conflict_markers_in_any_text_of_a_package_are_refused_and_told_before(repo, name):
    python_package(repo)
    repo.write(f"top/{name}", MARKED)
    if "crlf" in name:
        (repo.folder / "top" / name).write_bytes(MARKED.replace("\n", "\r\n").encode())
    repo.commit()
    with pytest.raises(DataflowError, match=rf"top/{name}:2:1: conflict markers") as caught:
        repo.deploy()
    assert caught.value.hint == "`dataflow workflow validate top` reports this before a deployment"
    done = validate(repo, "top")
    assert done.returncode == 2
    assert f"top/{name}:2:1: conflict markers" in done.stderr


def test_data_that_only_looks_like_a_conflict_is_deployed(repo):
    python_package(repo, **{"notes.txt": "<<<<<<< an arrow\n>>>>>>> another\n", "rule.txt": "=======\n"})
    (repo.folder / "top/src/model.bin").write_bytes(b"\0" + MARKED.encode())
    repo.commit()
    assert repo.deploy().changed


def validate(repo, *paths, **variables):
    return repo.command("workflow", "validate", *paths, **variables)


def test_validate_tells_mistakes_of_what_a_script_imports_and_of_all_packages_below(repo):
    python_package(repo, **{"helper.py": "x = = 1\n", "test_own.py": "x = = 1\n"})
    repo.commit()
    done = validate(repo, ".")
    assert done.returncode == 2
    assert "top/src/helper.py:1:5: Python: " in done.stderr
    assert "test_own" not in done.stderr  # it is not taken along
    with pytest.raises(DataflowError, match=r"top/src/helper\.py:1:5: Python: "):
        repo.deploy()


def r_package(repo, text):
    repo.edit("top/main.sch.yaml", "script: src/write.sql", "script: src/write.R")
    repo.write("top/src/write.R", "main <- function(args, spark) NULL\n")
    repo.write("top/src/helper.R", text)
    repo.commit()


@pytest.mark.tools("R")
def test_an_r_script_that_does_not_parse_is_not_deployed_and_told_before(repo):
    r_package(repo, "add <- function(a, b) {\n  a + (b\n}\n")
    with pytest.raises(DataflowError, match=r"top/src/helper\.R:3:1: R: unexpected '}'"):
        repo.deploy()
    done = validate(repo, "top")
    assert done.returncode == 2
    assert "top/src/helper.R:3:1: R: unexpected '}'" in done.stderr
    repo.write("top/src/helper.R", "größer <- function(a) a |> identity()\n")
    repo.commit()
    assert repo.deploy().changed


def test_where_there_is_no_r_it_is_said_that_syntax_was_not_checked(repo, tmp_path, monkeypatch):
    r_package(repo, "f <- function( {\n")
    only_git = tmp_path / "bin"
    only_git.mkdir()
    (only_git / "git").symlink_to(shutil.which("git"))
    monkeypatch.setenv("PATH", str(only_git))
    source = repo.source()
    (note,) = require_deployable(source, make_plan(source, details=False))
    assert note == "not checked: the syntax of R scripts: R is not installed"
    done = validate(repo, "top")
    assert done.returncode == 0
    assert note in done.stderr
