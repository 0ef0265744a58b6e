"""When a Scala project is built, and what a failed build says; a small program stands in for sbt here."""

from __future__ import annotations

import threading

import pytest

from dataflow.build.sbt import build, digest_of_inputs, sbt_command, sbt_of_people
from dataflow.errors import DataflowError
from dataflow.runner.jar_builder import JarBuilder
from dataflow.spark import jars
from dataflow.spark.java import Java
from dataflow.workflow.project import environment, find_project

SBT = """#!/bin/sh
echo "$@" >> "$0.calls"
echo "[info] building"
if [ -f broken ]; then
  echo "[error] $PWD/src/main/scala/Main.scala:3:7: type mismatch;"
  echo "[error]  found   : String"
  echo "[error] (Compile / compileIncremental) Compilation failed"
  exit 1
fi
mkdir -p target/scala-2.13
cat src/main/scala/Main.scala > target/scala-2.13/flow_2.13-0.1.jar
echo "$PWD/target/scala-2.13/flow_2.13-0.1.jar"
"""


@pytest.fixture
def java(tmp_path):
    return Java(tmp_path / "java", "17.0.1", "nobody")


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Put the stand-in on the PATH, and return how to ask how often it was called."""
    program = tmp_path / "bin" / "sbt"
    program.parent.mkdir()
    program.write_text(SBT)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    file = tmp_path / "bin" / "sbt.calls"
    return lambda: len(file.read_text().splitlines()) if file.exists() else 0


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "flow"
    for name, text in {
        "build.sbt": 'name := "flow"',
        "project/build.properties": "sbt.version=1.12.14",
        "src/main/scala/Main.scala": "object Main",
        "src/test/scala/MainSpec.scala": "class MainSpec",
        "README.md": "# flow",
        "main.sch.yaml": "version: 1",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_a_project_is_built_once_and_not_again_while_nothing_changed(project, java, calls):
    jar = build(project, java, {})

    assert jar == project / "target/scala-2.13/flow_2.13-0.1.jar"
    assert build(project, java, {}) == jar
    assert calls() == 1


@pytest.mark.parametrize(
    "name",
    [
        "build.sbt",
        "project/build.properties",
        "project/plugins.sbt",
        "src/main/scala/Main.scala",
        "src/main/scala/New.scala",
        "src/main/resources/log4j2.properties",
        "lib/own.jar",
    ],
)
def test_a_change_of_what_the_jar_is_made_of_builds_it_again(project, java, calls, name):
    build(project, java, {})
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_text("changed")

    build(project, java, {})

    assert calls() == 2


@pytest.mark.parametrize(
    "name", ["src/test/scala/MainSpec.scala", "README.md", "main.sch.yaml", "project/target/x.sbt"]
)
def test_a_change_of_anything_else_builds_nothing(project, java, calls, name):
    build(project, java, {})
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_text("changed")

    build(project, java, {})

    assert calls() == 1


@pytest.mark.parametrize("harm", ["remove", "change"])
def test_a_jar_that_is_not_what_was_built_is_built_again(project, java, calls, harm):
    jar = build(project, java, {})
    jar.unlink() if harm == "remove" else jar.write_text("something else")

    assert build(project, java, {}).read_text() == "object Main"
    assert calls() == 2


def test_a_moved_project_keeps_its_build(project, java, calls, tmp_path):
    build(project, java, {})
    moved = project.rename(tmp_path / "moved")

    assert build(moved, java, {}) == moved / "target/scala-2.13/flow_2.13-0.1.jar"
    assert calls() == 1


def test_two_at_once_build_it_once(project, java, calls):
    threads = [threading.Thread(target=build, args=(project, java, {})) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert calls() == 1


def test_a_failed_build_names_file_line_and_cause_and_is_tried_anew_next_time(project, java, calls, monkeypatch):
    (project / "broken").touch()
    monkeypatch.chdir(project)
    heard = []

    with pytest.raises(DataflowError) as failure:
        build(project, java, {}, output=heard.append)

    assert str(failure.value.message).startswith(f"{project.name} could not be built:")
    assert str(failure.value.message).splitlines()[1].endswith("src/main/scala/Main.scala:3:7: type mismatch;")
    assert "[info] building" in heard
    (project / "broken").unlink()
    assert build(project, java, {}).exists()
    assert calls() == 2


def test_a_jar_that_is_named_is_built_too_and_has_to_be_the_one_that_sbt_makes(project, calls):
    jars_of_run = JarBuilder(environment(find_project(project), None))
    named = project / "target/scala-2.13/flow_2.13-0.1.jar"

    assert jars_of_run.jar_of(named) == jars_of_run.jar_of(project) == named
    assert calls() == 1
    with pytest.raises(DataflowError, match=r"builds .*flow_2\.13-0\.1\.jar, not .*flow_2\.13-0\.2\.jar"):
        jars_of_run.jar_of(named.with_name("flow_2.13-0.2.jar"))


def test_a_jar_of_no_project_is_taken_as_it_is(tmp_path, calls):
    jar = tmp_path / "bought.jar"

    assert JarBuilder(environment(find_project(tmp_path), None)).jar_of(jar) == jar
    assert calls() == 0


def test_the_digest_depends_on_names_and_contents_and_not_on_where_the_project_lies(project, tmp_path):
    before = digest_of_inputs(project)

    moved = project.rename(tmp_path / "elsewhere")
    assert digest_of_inputs(moved) == before

    (moved / "src/main/scala/Main.scala").rename(moved / "src/main/scala/Other.scala")
    assert digest_of_inputs(moved) != before
    before = digest_of_inputs(moved)
    for name in ("target/a.class", "target/src/main/x.scala"):
        (moved / name).parent.mkdir(parents=True, exist_ok=True)
        (moved / name).write_text("made")
    assert digest_of_inputs(moved) == before
    source = moved / "src/main/scala/target/test/Source.scala"  # packages may be called as a build's folders are
    source.parent.mkdir(parents=True)
    source.write_text("object Source")
    assert digest_of_inputs(moved) != before


def test_without_an_sbt_and_without_its_launcher_it_says_both(java, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DATAFLOW_JARS", str(tmp_path))

    with pytest.raises(DataflowError, match=f"there is no sbt on the PATH, and .* has no {jars.SBT.file_name}"):
        sbt_command(java, {})


def test_the_sbt_that_is_used_is_named_by_its_path_and_how_people_call_it(java, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("dataflow.build.sbt.find_java", lambda: java)
    monkeypatch.setenv("DATAFLOW_JARS", str(tmp_path))
    monkeypatch.delenv("DEFAULT_ARTIFACT_REPOSITORY", raising=False)
    launcher = tmp_path / jars.SBT.file_name
    by_hand = f"{java.executable} -jar {launcher}"
    assert sbt_of_people() == (f"{launcher} (fetched on first use, as there is no sbt on the PATH)", by_hand)
    said = []
    monkeypatch.setattr(jars, "ensure", lambda *_: [launcher])
    sbt_command(java, {}, said.append)
    assert said == [f"sbt is {launcher} from now on; by hand:  {by_hand}"]
    launcher.touch()
    sbt_command(java, {}, said.append)
    assert len(said) == 1
    assert sbt_of_people()[0] == f"{launcher} (which was fetched, as there is no sbt on the PATH)"
    (tmp_path / "sbt").touch(mode=0o755)
    assert sbt_of_people() == (str(tmp_path / "sbt"), "sbt")


def test_the_launcher_uses_the_mirror_that_spark_s_jars_come_from(java, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DEFAULT_ARTIFACT_REPOSITORY", "https://mirror.example.org/maven")
    monkeypatch.setattr(jars, "ensure", lambda *_: [tmp_path / "sbt-launch.jar"])

    command = sbt_command(java, {})

    assert "-Dsbt.override.build.repos=true" in command
    (option,) = [part for part in command if part.startswith("-Dsbt.repository.config=")]
    assert "mirror: https://mirror.example.org/maven" in (tmp_path / "home/sbt/repositories").read_text()
    assert option.endswith("home/sbt/repositories")
