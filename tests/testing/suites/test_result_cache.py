from __future__ import annotations

import os

import pytest

from dataflow.testing.suites import parallel
from dataflow.testing.suites.discovery import find_suites
from dataflow.testing.suites.model import Suite
from dataflow.testing.suites.parallel import room, run_suites
from dataflow.testing.suites.result_cache import fingerprint, known_result, read_result, store_result
from dataflow.testing.suites.run import run_suite
from tests.support.trees import POM, write

PASSES = "def test_it(): pass\n"
GRADLE = """\
apply plugin: 'java'
repositories { mavenCentral() }
dependencies { testImplementation 'junit:junit:4.13.2' }
"""
JUNIT_DEPENDENCY = """<dependencies>
    <dependency>
      <groupId>junit</groupId><artifactId>junit</artifactId><version>4.13.2</version><scope>test</scope>
    </dependency>
  </dependencies>"""
JUNIT = """\
import org.junit.*;

public class RankTest {
    @Test public void ranks() { Assert.assertEquals(%s, 1 + 1); }
    @Ignore @Test public void later() { }
}
"""
TEST = "src/test/java/RankTest.java"


@pytest.fixture(autouse=True)
def _home(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def suite(tmp_path):
    write(
        tmp_path, **{".git/HEAD": "", "etl/main.sch.yaml": "", "etl/src/test_a.py": PASSES, "etl/src/a.sql": "SELECT 1"}
    )
    (found,) = find_suites([tmp_path])
    return found


def test_what_passed_is_known_until_something_of_it_changes(suite):
    inputs, known = known_result(suite)
    assert known is None
    outcome = run_suite(suite, print)
    store_result(outcome, inputs)
    _, known = known_result(suite)
    assert (known.status, known.tests, known.unchanged) == ("passed", 1, True)
    write(suite.folder, **{"src/a.sql": "SELECT 2"})
    assert known_result(suite)[1] is None


def test_a_failure_is_not_remembered_and_ends_what_was(suite):
    inputs = fingerprint(suite)
    store_result(run_suite(suite, print), inputs)
    write(suite.folder, **{"src/test_a.py": "def test_it(): assert False\n"})
    inputs = fingerprint(suite)
    store_result(run_suite(suite, print), inputs)
    assert read_result(suite, inputs) is None
    write(suite.folder, **{"src/test_a.py": PASSES})
    assert read_result(suite, fingerprint(suite)) is None


def test_what_changed_while_it_ran_is_not_called_tested(suite):
    inputs = fingerprint(suite)
    outcome = run_suite(suite, print)
    write(suite.folder, **{"src/a.sql": "SELECT 2"})
    store_result(outcome, inputs)
    assert read_result(suite, inputs) is None
    assert read_result(suite, fingerprint(suite)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"etl/src/new.py": ""},
        {"etl/src/a.sql": "SELECT 3"},
        {"conftest.py": ""},
        {"dataflow.yaml": "version: 1"},
        {"shared/rank.sql": "SELECT rank"},
    ],
)
def test_a_change_inside_above_or_in_what_is_named_elsewhere_counts(suite, change):
    top = suite.folder.parent
    write(top, **{"shared/rank.sql": "SELECT", "etl/src/b.py": "RANK = '../shared/rank.sql'\n"})
    before = fingerprint(suite)
    write(top, **change)
    assert fingerprint(suite) != before


@pytest.mark.parametrize("change", [{"other/a.sql": ""}, {"etl/target/a.jar": ""}, {"etl/.cache/a": ""}])
def test_a_change_elsewhere_or_of_what_tools_wrote_does_not(suite, change):
    write(suite.folder.parent, **{"etl/pom.xml": ""})
    before = fingerprint(suite)
    write(suite.folder.parent, **change)
    assert fingerprint(suite) == before


def test_how_tests_are_run_counts(suite, monkeypatch):
    before = fingerprint(suite)
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k a")
    assert fingerprint(suite) != before


def test_a_torn_memory_is_none(suite):
    inputs = fingerprint(suite)
    store_result(run_suite(suite, print), inputs)
    (note,) = (it for it in (home() / "tests").iterdir())
    note.write_text('{"inputs": ')
    assert read_result(suite, inputs) is None


def home():
    from dataflow.home import home

    return home()


@pytest.mark.slow
def test_outcomes_are_told_in_order_whatever_ends_first(tmp_path):
    waits = "import time\ndef test_it(): time.sleep(2)\n"
    write(tmp_path, **{"a/test_a.py": waits, "b/test_b.py": PASSES, "c/test_c.py": PASSES})
    told, seen = [], []
    outcomes = run_suites(
        find_suites([tmp_path]), jobs=2, report=print, done=told.append, running=lambda now: seen.append(len(now))
    )
    assert told == outcomes
    assert [it.suite.folder.name for it in outcomes] == ["a", "b", "c"]
    assert max(seen) == 2


def test_the_machine_s_memory_bounds_how_many_run_at_once(monkeypatch, tmp_path):
    suites = [Suite("sbt", tmp_path / str(it), tmp_path) for it in range(20)]
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    for free, most in ((100.0, 16), (10.0, 4), (1.0, 1)):
        monkeypatch.setattr(parallel, "_free_gib", lambda free=free: free)
        assert room(suites) == most
    assert room(suites[:1]) == 1


def test_builds_of_gradle_and_maven_are_suites_where_they_begin(tmp_path):
    write(
        tmp_path,
        **{
            "g/settings.gradle": "",
            "g/core/build.gradle": "",
            f"g/core/{TEST}": "",
            "g/app/build.gradle": "",
            f"g/app/{TEST}": "",
            "m/pom.xml": "",
            "m/part/pom.xml": "",
            f"m/part/{TEST}": "",
            "untested/build.gradle": "",
        },
    )
    found = [(suite.folder.relative_to(tmp_path).as_posix(), suite.kind) for suite in find_suites([tmp_path])]
    assert found == [("g", "gradle"), ("m", "maven")]


@pytest.mark.slow
@pytest.mark.tools("Gradle", "JDK")
def test_gradle_s_tests_are_run_and_counted(tmp_path):
    write(tmp_path, **{"build.gradle": GRADLE, TEST: JUNIT % "2"})
    outcome = run_suite(*find_suites([tmp_path]), print)
    assert (outcome.status, outcome.tests, outcome.skipped) == ("passed", 2, 1), outcome.output


@pytest.mark.slow
@pytest.mark.tools("Maven", "JDK")
def test_maven_s_tests_are_run_and_a_failure_shows_what_was_printed(tmp_path):
    write(tmp_path, **{"pom.xml": POM % ("ranks", JUNIT_DEPENDENCY), TEST: JUNIT % "3"})
    outcome = run_suite(*find_suites([tmp_path]), print)
    assert (outcome.status, outcome.tests, outcome.skipped) == ("failed", 2, 1), outcome.output
    assert any("expected:<3> but was:<2>" in line for line in outcome.output)


@pytest.mark.parametrize(("name", "tool"), [("build.gradle", "gradle"), ("pom.xml", "mvn")])
def test_without_the_tool_its_suite_is_skipped_with_the_way_to_get_it(tmp_path, monkeypatch, name, tool):
    write(tmp_path, **{name: "", TEST: JUNIT % "2"})
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome = run_suite(*find_suites([tmp_path]), print)
    assert outcome.status == "skipped"
    assert f"there is no {tool} on the PATH: sudo apt-get install" in outcome.reason
