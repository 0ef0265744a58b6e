"""Where the recipes come from: an installed Dataflow generates and updates without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
import yaml

from dataflow.sample.origin import find_origin
from tests.support.repositories import commit, git
from tests.support.template_repo import ROOT, contents, replace

# What a build needs beside the recipes.
OF_ONE_PACKAGE = (".copier-answers.yml", "identity.yaml")
BUILD_PARTS = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "src")


class Installation:
    """Dataflow in a virtual environment of its own, which sees the other packages but not their source."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        venv.create(folder, with_pip=True)
        site = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
        (Path(site) / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def install(self, source: str | Path) -> None:
        """Install Dataflow, whatever was there before, and nothing else."""
        options = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--no-compile", "--force-reinstall")
        self.run("pip", "install", *options, str(source))

    def dataflow(self, *arguments: object, fails: bool = False) -> str:
        """Run the command and return what it said."""
        return self.run("dataflow", *map(str, arguments), fails=fails)

    def run(self, program: str, *arguments: str, fails: bool = False) -> str:
        """Run a module of the environment and return what it said."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [self.bin / "python", "-m", program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            cwd=self.bin,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("venv"))


@pytest.fixture
def checkout(template: Path) -> Path:
    """A repository that Dataflow can be built from."""
    for part in BUILD_PARTS:
        if (ROOT / part).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / part, template / part, dirs_exist_ok=True, ignore=ignored)
        else:
            shutil.copy(ROOT / part, template / part)
    commit(template, "Buildable")
    return template


def build(checkout: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=checkout, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def answers(package: Path) -> dict[str, str]:
    return yaml.safe_load((package / ".copier-answers.yml").read_text())


@pytest.mark.slow
def test_a_wheel_generates_and_a_later_wheel_updates_without_a_network(
    checkout: Path, installation: Installation, tmp_path: Path
) -> None:
    installation.install(build(checkout, tmp_path / "one"))
    package = tmp_path / "flow"
    installation.dataflow("sample", "workflow", "pyspark", package)
    first = answers(package)
    assert first["_src_path"] == str(tmp_path / "home" / "template.git")
    assert git(checkout, "rev-parse", "HEAD").startswith(first["_commit"])

    replace(package / "main.sch.yaml", "lifetime_days: 123", "lifetime_days: 30")
    commit(package)
    replace(checkout / "recipes/shared/README.md", "## Changing it", "## How to change it")
    commit(checkout, "Two")
    installation.install(build(checkout, tmp_path / "two"))
    shutil.move(checkout, tmp_path / "gone")
    said = installation.dataflow("sample", "update", package)

    assert "README.md" in said
    assert "## How to change it" in (package / "README.md").read_text()
    assert "lifetime_days: 30" in (package / "main.sch.yaml").read_text()

    fresh = tmp_path / "fresh" / "flow"
    installation.dataflow("sample", "workflow", "pyspark", fresh)
    mine = ("identity.yaml", "main.sch.yaml")
    assert contents(package, without=mine) == contents(fresh, without=mine)


@pytest.mark.slow
def test_an_older_wheel_does_not_take_a_package_back(
    checkout: Path, installation: Installation, tmp_path: Path
) -> None:
    older = build(checkout, tmp_path / "one")
    commit(checkout, "Two")
    installation.install(build(checkout, tmp_path / "two"))
    package = tmp_path / "flow"
    installation.dataflow("sample", "workflow", "spark-sql", package)
    commit(package)
    installation.install(older)
    assert "downgrading" in installation.dataflow("sample", "update", package, fails=True)


@pytest.mark.slow
def test_installed_from_a_checkout_it_names_that_and_the_commit_it_was_installed_from(
    checkout: Path, installation: Installation, tmp_path: Path
) -> None:
    installed = git(checkout, "rev-parse", "HEAD")
    installation.install(checkout)
    commit(checkout, "Later")

    installation.dataflow("sample", "workflow", "spark-sql", tmp_path / "flow")

    assert answers(tmp_path / "flow")["_src_path"] == str(checkout)
    assert installed.startswith(answers(tmp_path / "flow")["_commit"])


@pytest.mark.slow
def test_installed_from_a_git_address_it_names_that_and_needs_no_network(
    checkout: Path, installation: Installation, tmp_path: Path
) -> None:
    served = tmp_path / "served"
    git(tmp_path, "clone", "--quiet", "--bare", str(checkout), str(served))
    installation.install(f"git+file://{served}")
    shutil.move(served, tmp_path / "unreachable")

    installation.dataflow("sample", "workflow", "spark-sql", tmp_path / "flow")

    assert answers(tmp_path / "flow")["_src_path"] == f"git+file://{served}"
    assert git(checkout, "rev-parse", "HEAD").startswith(answers(tmp_path / "flow")["_commit"])


@pytest.mark.slow
def test_an_unpacked_archive_of_the_source_generates_what_cannot_be_updated_and_says_so(
    checkout: Path, installation: Installation, tmp_path: Path
) -> None:
    archive = tmp_path / "an archive"
    shutil.move(checkout, archive)
    shutil.move(archive / ".git", tmp_path / "history")
    installation.install(archive)
    said = installation.dataflow("sample", "workflow", "spark-sql", tmp_path / "my flow")
    note = "note: Dataflow was not installed from a whole git repository: this package can't be updated later\n"
    assert said.startswith(note)
    assert "_commit" not in answers(tmp_path / "my flow")

    shutil.move(tmp_path / "history", archive / ".git")
    named = ("--workflow-shortname", "my_flow", "--source-path", archive)
    installation.dataflow("sample", "workflow", "spark-sql", tmp_path / "flow", *named)
    same = contents(tmp_path / "flow", without=OF_ONE_PACKAGE)
    assert contents(tmp_path / "my flow", without=OF_ONE_PACKAGE).keys() == same.keys()


@pytest.mark.slow
def test_without_git_a_package_is_generated_all_the_same_and_an_update_says_what_is_missing(
    checkout: Path, installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.install(build(checkout, tmp_path / "dist"))
    monkeypatch.setenv("PATH", str(tmp_path))
    said = installation.dataflow("sample", "workflow", "spark-sql", tmp_path / "flow")
    assert said.startswith("note: git is not installed: this package can't be updated later\n")
    assert (tmp_path / "flow" / "identity.yaml").is_file()

    address = "git+https://example.org/recipes.git"
    said = installation.dataflow("sample", "workflow", "pyspark", tmp_path / "b", "--source-path", address, fails=True)
    assert said.startswith(f"error: git is not installed, and only it can read {address}\n")
    (tmp_path / "flow" / ".copier-answers.yml").write_text("_src_path: x\n_commit: y\n")
    said = installation.dataflow("sample", "update", tmp_path / "flow", fails=True)
    assert said.startswith("error: git is not installed, and an update needs it to recognize your edits\n")


@pytest.mark.slow
def test_the_same_commit_makes_the_same_wheel(checkout: Path, tmp_path: Path) -> None:
    wheels = [build(checkout, tmp_path / name).read_bytes() for name in ("one", "two")]
    assert wheels[0] == wheels[1]


@pytest.mark.parametrize("source", ["git+https://example.org/recipes.git", "git@example.org:recipes.git"])
def test_an_address_is_taken_as_it_is_and_its_latest_tag_rendered(source: str) -> None:
    assert (find_origin(source).address, find_origin(source).ref) == (source, None)


@pytest.mark.slow
def test_a_repository_named_by_the_metadata_is_recorded_and_not_needed(
    checkout: Path, installation: Installation, tmp_path: Path
) -> None:
    urls = '[project.urls]\nRepository = "https://recipes.invalid/dataflow"\n\n'
    replace(checkout / "pyproject.toml", "[project.scripts]", f"{urls}[project.scripts]")
    commit(checkout)
    installation.install(build(checkout, tmp_path / "dist"))

    installation.dataflow("sample", "workflow", "spark-sql", tmp_path / "flow")

    assert answers(tmp_path / "flow")["_src_path"] == "git+https://recipes.invalid/dataflow"
    commit(tmp_path / "flow")
    assert "is up to date" in installation.dataflow("sample", "update", tmp_path / "flow")


@pytest.mark.slow
def test_tox_runs_the_tests_where_dataflow_is_installed(
    checkout: Path, installation: Installation, tmp_path: Path
) -> None:
    installation.install(checkout)
    installation.dataflow("sample", "workflow", "pyspark", tmp_path / "flow")
    said = installation.run("tox", "-c", str(tmp_path / "flow"), "--", "--collect-only")
    assert "test_the_top_titles_of_each_day" in said
