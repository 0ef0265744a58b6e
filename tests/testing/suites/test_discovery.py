from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.errors import UsageError
from dataflow.testing.suites.discovery import find_suites
from dataflow.testing.suites.run import run_suite

PASSES = "def test_it():\n    assert True\n"


@pytest.fixture(autouse=True)
def _no_plugins(monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # the suites need none, and start in a third of the time


def write(folder, *names, text=""):
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def found(*paths, base):
    return [(suite.folder.relative_to(base).as_posix(), suite.kind) for suite in find_suites(paths)]


def test_all_python_tests_of_a_package_are_one_suite(tmp_path):
    write(tmp_path, "etl/main.sch.yaml", "etl/src/test_a.py", "etl/src/more/test_b.py", "etl/checks/c_test.py")
    assert found(tmp_path, base=tmp_path) == [("etl", "pytest")]


def test_tests_of_data_alone_are_pytest_s(tmp_path):
    write(tmp_path, "etl/main.sch.yaml", "etl/src/write.test.yaml", "other/deep/some.test.yaml", "other/mocks/a.yaml")
    assert found(tmp_path, base=tmp_path) == [("etl", "pytest"), ("other/deep", "pytest")]


def test_python_tests_of_no_package_are_a_suite_where_they_begin(tmp_path):
    write(tmp_path, ".git/HEAD", "tools/tests/test_a.py", "tools/tests/deep/test_b.py", "lib/test_c.py")
    assert found(tmp_path, base=tmp_path) == [("lib", "pytest"), ("tools/tests", "pytest")]


def test_a_package_in_a_package_is_a_suite_of_its_own(tmp_path):
    write(tmp_path, "main.sch.yaml", "test_outer.py", "inner/main.sch.yaml", "inner/src/test_inner.py", text=PASSES)
    outer, inner = find_suites([tmp_path])
    assert (outer.folder, inner.folder) == (tmp_path, tmp_path / "inner")
    assert [run_suite(suite, print).tests for suite in (outer, inner)] == [1, 1]


def test_a_folder_within_a_package_runs_its_own_tests_alone(tmp_path):
    write(tmp_path, "main.sch.yaml", "src/test_a.py", "src/test_b.py", "checks/test_c.py", text=PASSES)
    (suite,) = find_suites([tmp_path / "src"])
    assert suite.package == tmp_path
    assert run_suite(suite, print).tests == 2


def test_a_folder_that_is_named_twice_is_tested_once(tmp_path):
    write(tmp_path, "main.sch.yaml", "src/test_a.py")
    (suite,) = find_suites([tmp_path / "src", tmp_path, tmp_path])
    assert suite.only == ()


def test_an_sbt_build_is_one_suite_with_its_parts(tmp_path):
    write(tmp_path, "jar/build.sbt", "jar/core/build.sbt", "jar/project/build.sbt", "jar/target/out/build.sbt")
    assert found(tmp_path, base=tmp_path) == [("jar", "sbt")]


def test_an_sbt_build_below_another_that_pins_its_own_sbt_is_a_suite_too(tmp_path):
    write(tmp_path, "build.sbt", "other/build.sbt", "other/project/build.properties")
    assert found(tmp_path, base=tmp_path) == [(".", "sbt"), ("other", "sbt")]


def test_testthat_runs_where_the_tests_folder_is(tmp_path):
    write(
        tmp_path, "r/main.sch.yaml", "r/tests/testthat/test-a.R", "r/tests/testthat/helper.R", "empty/tests/testthat/x"
    )
    assert found(tmp_path, base=tmp_path) == [("r", "testthat")]
    assert found(tmp_path / "r/tests/testthat", base=tmp_path) == [("r", "testthat")]


@pytest.mark.parametrize(
    "folder", [".git", ".venv", ".tox", ".nox", ".hidden", "target", "node_modules", "__pycache__", "renv"]
)
def test_what_tools_wrote_is_not_looked_at(tmp_path, folder):
    write(
        tmp_path,
        "pom.xml",
        "renv.lock",
        f"{folder}/deep/test_a.py",
        f"{folder}/build.sbt",
        f"{folder}/tests/testthat/test-a.R",
    )
    with pytest.raises(UsageError, match="contains no unit tests"):
        find_suites([tmp_path])


def test_a_virtual_environment_is_not_looked_at_whatever_its_name(tmp_path):
    write(tmp_path, "py311/pyvenv.cfg", "py311/lib/test_a.py", "test_mine.py")
    assert found(tmp_path, base=tmp_path) == [(".", "pytest")]


def test_a_path_that_is_missing_or_a_file_is_named(tmp_path):
    write(tmp_path, "test_a.py")
    with pytest.raises(UsageError, match=r"nowhere does not exist"):
        find_suites([tmp_path, tmp_path / "nowhere"])
    with pytest.raises(UsageError, match=r"test_a\.py is a file"):
        find_suites([tmp_path / "test_a.py"])


FOLDERS = st.lists(st.sampled_from(["a", "b", "node_modules", ".git"]), max_size=4).map("/".join)


@settings(deadline=None)  # it writes files, which a busy disk takes its time for
@given(tests=st.sets(FOLDERS, min_size=1), packages=st.sets(FOLDERS))
def test_each_test_folder_is_run_by_exactly_one_suite(tmp_path_factory, tests, packages):
    base = tmp_path_factory.mktemp("tree")
    write(base, *(f"./{it}/test_a.py" for it in tests), *(f"./{it}/main.sch.yaml" for it in packages))
    looked_at = {it for it in tests if not {"node_modules", ".git"} & set(it.split("/"))}
    try:
        suites = find_suites([base])
    except UsageError:
        assert not looked_at
        return
    for it in tests:
        runs = [suite for suite in suites if _runs(suite, base / it)]
        assert len(runs) == (it in looked_at), it


def _runs(suite, folder: Path) -> bool:
    generated = {"node_modules", ".git"} & set(
        folder.relative_to(suite.folder).parts if _in(folder, suite.folder) else ()
    )
    return _in(folder, suite.folder) and not generated and not any(_in(folder, it) for it in suite.ignored)


def _in(folder: Path, other: Path) -> bool:
    return folder.is_relative_to(other)


def test_pytest_s_tests_are_counted_and_what_it_printed_is_kept(tmp_path):
    text = (
        "import pytest\n\ndef test_a(): pass\n\ndef test_b(): assert 1 == 2\n\n@pytest.mark.skip\ndef test_c(): pass\n"
    )
    write(tmp_path, "test_a.py", text=text)
    outcome = run_suite(*find_suites([tmp_path]), print)
    assert (outcome.status, outcome.tests, outcome.skipped) == ("failed", 3, 1)
    assert any("assert 1 == 2" in line for line in outcome.output)


def test_a_file_that_can_t_be_imported_is_a_failure(tmp_path):
    write(tmp_path, "test_a.py", text="import nothing_of_that_name\n")
    assert run_suite(*find_suites([tmp_path]), print).status == "failed"


def test_a_suite_in_which_no_test_is_found_is_not_called_passed(tmp_path):
    write(tmp_path, "test_a.py", text="X = 1\n")
    outcome = run_suite(*find_suites([tmp_path]), print)
    assert (outcome.status, outcome.reason) == ("skipped", "no tests in it")


def test_a_suite_in_which_every_test_is_skipped_is_not_called_passed(tmp_path):
    write(tmp_path, "test_a.py", text="import pytest\n\n@pytest.mark.skip\ndef test_a(): pass\n")
    outcome = run_suite(*find_suites([tmp_path]), print)
    assert (outcome.status, outcome.reason) == ("skipped", "all its tests were skipped")


@pytest.fixture
def r_tests(tmp_path):
    """Return how to run a testthat suite with a given text."""

    def run(text):
        write(tmp_path, "tests/testthat/test-a.R", text=text)
        return run_suite(*find_suites([tmp_path]), print)

    return run


@pytest.mark.tools("R's testthat")
def test_testthat_s_tests_are_counted(r_tests):
    outcome = r_tests('test_that("a", expect_equal(1, 1))\ntest_that("b", skip("later"))\n')
    assert (outcome.status, outcome.tests, outcome.skipped) == ("passed", 2, 1), outcome.output


@pytest.mark.tools("R's testthat")
def test_a_testthat_file_that_skips_itself_is_counted_as_skipped(r_tests):
    outcome = r_tests('skip_if_not_installed("nothing.of.that.name")\ntest_that("a", expect_equal(1, 1))\n')
    assert (outcome.status, outcome.tests, outcome.skipped) == ("skipped", 1, 1), outcome.output


@pytest.mark.tools("R's testthat")
def test_sparklyr_in_testthat_finds_the_spark_that_a_run_uses(r_tests, monkeypatch):
    monkeypatch.setenv("SPARK_HOME", "/nowhere")
    outcome = r_tests(
        'test_that("a", {\n'
        '  expect_true(file.exists(file.path(Sys.getenv("SPARK_HOME"), "bin", "spark-submit")))\n'
        f'  expect_equal(Sys.getenv("SPARK_HOME_VERSION"), "{version("pyspark")}")\n'
        "})\n"
    )
    assert (outcome.status, outcome.tests) == ("passed", 1), outcome.output


@pytest.mark.tools("R's testthat")
def test_a_testthat_failure_shows_what_differs(r_tests):
    outcome = r_tests('test_that("a", expect_equal(1, 1))\ntest_that("sums agree", expect_equal(1 + 1, 3))\n')
    assert (outcome.status, outcome.tests) == ("failed", 2)
    assert any("sums agree" in line for line in outcome.output)


@pytest.mark.tools("R's testthat")
@pytest.mark.parametrize("text", ['test_that("a", stop("no"))', 'stop("no")', "test_that("])
def test_an_error_in_r_is_a_failure(r_tests, text):
    assert r_tests(text).status == "failed"


def test_without_r_a_testthat_suite_is_skipped_with_what_to_install(tmp_path, monkeypatch):
    write(tmp_path, "tests/testthat/test-a.R")
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome = run_suite(*find_suites([tmp_path]), print)
    assert outcome.status == "skipped"
    assert "R is not installed; install it: " in outcome.reason


def test_what_git_ignores_is_no_suite_unless_it_is_named(tmp_path):
    write(tmp_path, "etl/main.sch.yaml", "etl/src/test_a.py", "scratch/old/main.sch.yaml", "scratch/old/test_b.py")
    write(tmp_path, ".gitignore", text="/scratch/\n*_gen_test.py\n")
    write(tmp_path, "lone/x_gen_test.py")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    assert found(tmp_path, base=tmp_path) == [("etl", "pytest")]
    assert found(tmp_path / "scratch" / "old", base=tmp_path) == [("scratch/old", "pytest")]
