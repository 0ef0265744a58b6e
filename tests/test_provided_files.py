"""Editors complete files by schemas, and tests read mocks by programs, that commands write and git never sees."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import copier
import jsonschema
import pytest
import yaml

from dataflow.provided_files import PROVIDED, READERS, refresh
from dataflow.provided_files import SCHEMAS as FOLDER
from dataflow.sample.copier_environment import copier_environment
from dataflow.sample.generate import generate
from dataflow.sample.update import update
from tests.support.repositories import commit, git
from tests.support.template_repo import ROOT, make_template, replace

IGNORED = ".vscode/*.schema.json"
SCHEMAS = {"mock.schema.json", "test.schema.json", "workflow.schema.json"}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder that leaves the schemas to us, in a repository of its own."""
    folder = tmp_path / "flow"
    (folder / "src").mkdir(parents=True)
    (folder / ".gitignore").write_text(f"*.log\n{IGNORED}\n")
    (folder / "src/write.sql").write_text("SELECT 1\n")
    commit(folder, "Generated")
    return folder


def written(package: Path) -> set[str]:
    return {file.name for file in (package / ".vscode").glob("*")}


def command(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dataflow", *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.slow
def test_a_copy_by_copier_alone_completes_once_the_first_command_ran(tmp_path: Path) -> None:
    template, package = make_template(tmp_path / "template"), tmp_path / "flow"
    with copier_environment(DATAFLOW_USER="alice", GIT_CONFIG_GLOBAL="/dev/null"):
        copier.run_copy(str(template), package, data={"recipe": "spark-sql"}, defaults=True, unsafe=True, quiet=True)
    commit(package, "Generated")
    assert written(package) == {"settings.json"}

    command(package, "workflow", "validate", ".")

    assert written(package) == {"settings.json", *SCHEMAS}
    assert git(package, "status", "--porcelain") == ""
    for file, name in json.loads((package / ".vscode/settings.json").read_text())["yaml.schemas"].items():
        schema = json.loads((package / file).read_text())
        for found in package.glob(name if "/" in name else f"**/{name}"):
            data = json.loads(json.dumps(yaml.safe_load(found.read_text()), default=str))  # to editors a date is text
            jsonschema.validate(data, schema)


@pytest.mark.slow
def test_whoever_names_a_file_of_a_package_works_in_it(package: Path, tmp_path: Path) -> None:
    (package / "main.sch.yaml").write_text("version: 1\n")
    done = subprocess.run(
        [sys.executable, "-m", "dataflow", "workflow", "validate", "flow/main.sch.yaml"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert written(package) == SCHEMAS


def test_what_is_stale_is_written_anew_and_what_is_not_stays(package: Path) -> None:
    refresh([package / "src/write.sql"])
    (package / ".vscode/mock.schema.json").write_text("{}")
    before = (package / ".vscode/workflow.schema.json").stat().st_mtime_ns

    refresh([package])

    for name in SCHEMAS:
        assert (package / ".vscode" / name).read_bytes() == (FOLDER / name).read_bytes()
    assert (package / ".vscode/workflow.schema.json").stat().st_mtime_ns == before


def test_looking_takes_a_few_milliseconds_at_most(package: Path) -> None:
    refresh([package])
    took = []
    for _ in range(5):
        began = time.perf_counter()
        refresh([package, package / "src/write.sql"])
        took.append(time.perf_counter() - began)
    assert min(took) < 0.005


@pytest.mark.parametrize("text", ["", "*.log\n", f"# {IGNORED}\n", f"!{IGNORED}\n"])
def test_a_package_that_does_not_leave_them_to_us_is_left_alone(package: Path, text: str) -> None:
    (package / ".gitignore").write_text(text)
    refresh([package])
    assert written(package) == set()


def test_nothing_above_a_repository_is_a_package_of_it(package: Path) -> None:
    inner = package / "another"
    commit(_folder(inner), "Another repository")
    refresh([inner, inner / "a.txt"])
    assert written(package) == written(inner) == set()


@pytest.mark.parametrize("what", ["file", "link"])
def test_what_stands_in_the_way_stays_and_is_no_failure(package: Path, tmp_path: Path, what: str) -> None:
    place, other = package / ".vscode", _folder(tmp_path / "other")
    place.write_text("mine") if what == "file" else place.symlink_to(other)
    refresh([package])
    assert place.is_file() if what == "file" else place.is_symlink()
    assert [file.name for file in other.iterdir()] == ["a.txt"]


@pytest.mark.slow
def test_an_update_takes_them_out_of_the_history_of_a_package_that_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAFLOW_USER", "alice")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    template = make_template(tmp_path / "template")
    ignore, kept = template / "recipes/shared/gitignore", template / "recipes/spark-sql/.vscode"
    today = ignore.read_text()
    replace(ignore, f"{IGNORED}\n", "")
    for name in SCHEMAS:
        (kept / name).write_text('{"older": true}\n')
    commit(template, "Older")
    package = generate("spark-sql", tmp_path / "flow", source_path=str(template)).folder
    commit(package, "Generated")
    assert written(package) > SCHEMAS
    ignore.write_text(today)
    for name in SCHEMAS:
        (kept / name).unlink()
    commit(template, "Today")
    refresh([package])
    assert git(package, "status", "--porcelain") == "", "an older package's own are left as they are"

    done = update(package, trust=True)

    gone = {f".vscode/{name}" for name in SCHEMAS}
    assert done.conflicts == ()
    assert gone < set(done.changed)
    refresh([package])
    assert written(package) == {"settings.json"}, "until it is committed, git would see them"
    git(package, "commit", "--quiet", "--all", "--message", "Updated")
    assert not gone & set(git(package, "ls-files").splitlines())
    refresh([package])
    assert written(package) > SCHEMAS
    assert git(package, "status", "--porcelain") == ""


def _folder(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    return folder


@pytest.mark.parametrize("line", [line for line, (of, _) in PROVIDED.items() if of == READERS])
def test_a_reader_of_mocks_is_written_where_tests_of_its_language_are(package: Path, line: str) -> None:
    (package / ".gitignore").write_text(f"{line}\n")
    reader, tests = package / line, (package / line).parent.parent
    refresh([package])
    assert not tests.exists(), "no tests, no reader"

    tests.mkdir(parents=True)
    refresh([package / "src"])

    assert reader.read_bytes() == (READERS / reader.name).read_bytes()
    assert written(package) == set()
    reader.write_text("older")
    refresh([package])
    assert reader.read_bytes() == (READERS / reader.name).read_bytes()
    (package / ".gitignore").write_text("")
    reader.write_text("mine")
    refresh([package])
    assert reader.read_text() == "mine", "who takes the line out keeps it"


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line, (of, _) in PROVIDED.items() if of == READERS])
def test_after_an_update_of_a_package_with_a_reader_of_its_own_ours_is_there_before_a_commit(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAFLOW_USER", "alice")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    recipe, old = ("scala", "playback/Mocks.scala") if line.endswith("scala") else ("sparklyr", "helper-mocks.R")
    template = make_template(tmp_path / "template")
    kept = template / "recipes" / recipe / Path(line).parents[int(recipe == "scala")] / old
    kept.write_text("older\n")
    ignore = template / "recipes" / recipe / ".gitignore.jinja"
    today = ignore.read_text()
    replace(ignore, f"{line}\n", "")
    commit(template, "Older")
    package = generate(recipe, tmp_path / "flow", source_path=str(template)).folder
    commit(package, "Generated")
    kept.unlink()
    ignore.write_text(today)
    commit(template, "Today")

    done = update(package, trust=True)
    refresh([package])

    assert done.conflicts == ()
    assert not (package / Path(line).parents[int(recipe == "scala")] / old).exists()
    assert (package / line).read_bytes() == (READERS / Path(line).name).read_bytes()
    assert line not in git(package, "status", "--porcelain")


def copied(recipe: str, tmp_path: Path) -> Path:
    """Generate a package by Copier alone, in which no command of ours has run."""
    package = tmp_path / "flow"
    with copier_environment(DATAFLOW_USER="alice", GIT_CONFIG_GLOBAL="/dev/null"):
        copier.run_copy(
            str(ROOT), package, data={"recipe": recipe}, vcs_ref="HEAD", defaults=True, unsafe=True, quiet=True
        )
    return package


@pytest.mark.slow
@pytest.mark.tools("sbt")
@pytest.mark.filterwarnings("ignore:Dirty template")
def test_sbt_test_says_what_to_run_where_the_reader_is_not_there_and_compiles_once_it_is(tmp_path: Path) -> None:
    package = copied("scala", tmp_path)
    sbt = ["sbt", "-Dsbt.log.noformat=true", "-Dsbt.server.autostart=false", "Test / compile"]
    done = subprocess.run([*sbt[:-1], "test"], cwd=package, capture_output=True, text=True, check=False)
    errors = [line for line in done.stdout.splitlines() if line.startswith("[error]")]
    assert errors[0] == (
        "[error] src/test/scala/dataflow/Mocks.scala is not there: `dataflow workflow validate .` writes it"
    )
    assert done.returncode == 1
    assert "not found" not in done.stdout
    assert " at " not in done.stdout, "no stack"

    command(package, "workflow", "validate", ".")

    done = subprocess.run(sbt, cwd=package, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.tools("R's testthat", "R's dplyr", "R's yaml")
@pytest.mark.filterwarnings("ignore:Dirty template")
def test_testthat_says_what_to_run_where_the_reader_is_not_there_and_passes_once_it_is(tmp_path: Path) -> None:
    package = copied("sparklyr", tmp_path)
    test = ["Rscript", "-e", 'testthat::test_dir("tests/testthat")']
    done = subprocess.run(test, cwd=package, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert " ".join(done.stderr.split()).endswith(
        "tests/testthat/helper-dataflow.R is not there, as git ignores it: `dataflow workflow validate .` writes it "
        "Execution halted"
    )

    command(package, "workflow", "validate", ".")

    done = subprocess.run(test, cwd=package, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
