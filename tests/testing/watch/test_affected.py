"""Which tests a saved file affects, on small packages: nothing of them is run."""

from __future__ import annotations

import pytest

from dataflow.testing.suites.discovery import find_suites
from dataflow.testing.watch.affected import Affected
from tests.support.trees import write_file

TEST = """\
import helpers
from dataflow.testing import Dataflow

SOURCE = "mocks/playback.yaml"


def load(dataflow):
    return dataflow.mock(SOURCE)


def test_reads(dataflow: Dataflow) -> None:
    load(dataflow)


def test_writes(dataflow: Dataflow) -> None:
    dataflow.run_script("write.sql")


class TestMore:
    def test_both(self, dataflow: Dataflow) -> None:
        dataflow.mock("mocks/titles.yaml")
        dataflow.run_script("job.py")
"""
YAML = "script: write.sql\ngiven:\n  demo.playback: mocks/playback.yaml\n"


@pytest.fixture
def package(tmp_path):
    """A package whose tests name its scripts and mocks."""
    write_file(tmp_path, "main.sch.yaml")
    write_file(tmp_path, "src/test_a.py", TEST)
    write_file(tmp_path, "src/steps.test.yaml", YAML)
    write_file(tmp_path, "src/test_other.py", "def test_alone(): pass\n")
    write_file(tmp_path, "src/helpers.py", "from src import deeper\n")
    write_file(tmp_path, "src/job.py", "import tables\n\ndef main(args, spark): ...\n")
    for name in ("deeper.py", "tables.py", "write.sql", "mocks/playback.yaml", "mocks/titles.yaml"):
        write_file(tmp_path, f"src/{name}")
    return tmp_path


def targets(package, name):
    """Return what runs again when a file is saved; nothing for all tests."""
    selections = Affected(find_suites([package])).by(package / name)
    assert len(selections) == 1, selections
    return set(selections[0].targets)


@pytest.mark.parametrize(
    ("saved", "affected"),
    [
        ("src/test_a.py", {"src/test_a.py"}),
        ("src/steps.test.yaml", {"src/steps.test.yaml"}),
        ("src/mocks/playback.yaml", {"src/test_a.py::test_reads", "src/steps.test.yaml"}),
        ("src/mocks/titles.yaml", {"src/test_a.py::TestMore"}),
        ("src/write.sql", {"src/test_a.py::test_writes", "src/steps.test.yaml"}),
        ("src/job.py", {"src/test_a.py::TestMore"}),
        ("src/tables.py", {"src/test_a.py::TestMore"}),  # the script imports it
        ("src/helpers.py", {"src/test_a.py"}),
        ("src/deeper.py", {"src/test_a.py"}),  # a helper imports it
        ("conftest.py", {"src/test_a.py", "src/test_other.py", "src/steps.test.yaml"}),
        ("README.md", set()),
        ("main.sch.yaml", set()),
    ],
)
def test_a_saved_file_affects_the_tests_that_name_it(package, saved, affected):
    assert targets(package, saved) == affected


def test_a_file_that_no_test_names_says_so(package):
    (selection,) = Affected(find_suites([package])).by(package / "notes.txt")
    assert (selection.targets, selection.why, selection.sure) == ((), "all tests, as none names it", False)


def test_a_deleted_file_affects_the_tests_that_still_name_it(package):
    (package / "src/write.sql").unlink()
    assert targets(package, "src/write.sql") == {"src/test_a.py::test_writes", "src/steps.test.yaml"}


def test_a_deleted_test_file_affects_nothing(package):
    (package / "src/test_other.py").unlink()
    assert Affected(find_suites([package])).by(package / "src/test_other.py") == []


def test_a_test_file_with_a_mistake_is_run_whole(package):
    affected = Affected(find_suites([package]))
    write_file(package, "src/test_a.py", "def test_a(:\n")
    assert affected.by(package / "src/test_a.py")[0].targets == ("src/test_a.py",)


def test_what_a_test_names_is_read_anew_when_it_changes(package):
    affected = Affected(find_suites([package]))
    assert affected.by(package / "src/new.sql")[0].targets == ()
    write_file(package, "src/test_other.py", "def test_alone(dataflow): dataflow.run_script('new.sql')\n")
    assert affected.by(package / "src/new.sql")[0].targets == ("src/test_other.py::test_alone",)


def test_a_name_that_is_put_together_from_parts_is_found(package):
    text = "from pathlib import Path\n\ndef test_it(): read(Path(__file__).parent / 'mocks' / 'titles.yaml')\n"
    write_file(package, "src/test_other.py", text)
    assert "src/test_other.py::test_it" in targets(package, "src/mocks/titles.yaml")


def test_fixtures_count_as_what_a_test_names(package):
    text = (
        "import pytest\n\n@pytest.fixture\ndef source(dataflow): return dataflow.mock('mocks/new.yaml')\n\n"
        "def test_it(source): pass\n\n@pytest.mark.usefixtures('source')\ndef test_too(): pass\n\ndef test_no(): pass\n"
    )
    write_file(package, "src/test_other.py", text)
    assert targets(package, "src/mocks/new.yaml") == {"src/test_other.py::test_it", "src/test_other.py::test_too"}


def test_what_runs_before_every_test_concerns_them_all(package):
    text = "import pytest\n\n@pytest.fixture(autouse=True)\ndef f(): open('new.csv')\n\ndef test_it(): pass\n"
    write_file(package, "src/test_other.py", text)
    assert targets(package, "src/new.csv") == {"src/test_other.py"}


def test_of_several_languages_the_one_that_is_written_in_runs(package):
    write_file(package, "build.sbt")
    write_file(package, "tests/testthat/test-a.R")
    affected = Affected(find_suites([package]))

    def kinds(name):
        return {it.suite.kind for it in affected.by(package / name)}

    assert kinds("src/main/scala/A.scala") == {"sbt"}
    assert kinds("src/a.R") == {"testthat"}
    assert kinds("src/job.py") == {"pytest"}
    assert kinds("ddl/a.sql") == {"pytest", "sbt", "testthat"}


def test_a_file_of_no_package_concerns_those_that_name_it(package):
    write_file(package.parent, "shared/x.sql")
    affected = Affected(find_suites([package]))
    assert affected.by(package.parent / "shared/x.sql") == []
    write_file(package, "src/test_other.py", "def test_it(dataflow): dataflow.run_script('../../shared/x.sql')\n")
    assert affected.by(package.parent / "shared/x.sql")[0].targets == ("src/test_other.py::test_it",)
