"""`dataflow project list`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.repositories import commit, git
from tests.support.trees import GRADLE, WHEEL, package, repository, write


@pytest.fixture
def repo(dataflow_command):
    folder = dataflow_command.folder
    package(folder / "titles")
    write(
        folder,
        **{
            "pyspark-workflow/hello_world/pyproject.toml": WHEEL % ("hello", "hello"),
            "scala-workflow/build.sbt": "",
            "java-workflow/build.gradle": GRADLE,
        },
    )
    commit(folder)
    git(folder, "remote", "add", "origin", "git@example.org:user/stranger-data.git")
    return dataflow_command


def test_all_that_a_repository_holds_is_listed_by_kind(repo):
    assert repo("project", "list").stdout.splitlines() == [
        "Python Assets:",
        " -> ./pyspark-workflow/hello_world/pyproject.toml",
        "Summary: 1 found",
        "Gradle Assets:",
        " -> ./java-workflow/build.gradle",
        "Summary: 1 found",
        "sbt Assets:",
        " -> ./scala-workflow/build.sbt",
        "Summary: 1 found",
        "SQL Assets:",
        " -> ./titles/ddl/results.sql",
        " -> ./titles/src/write.sql",
        "Summary: 2 found",
        "Scheduler Workflows:",
        " -> ./titles/daily.sch.yaml",
        " -> ./titles/main.sch.yaml",
        "Summary: 2 found",
    ]


def test_one_kind_can_be_asked_for_and_eggs_are_wheels(repo):
    wheels = "Python Assets:\n -> ./pyspark-workflow/hello_world/pyproject.toml\nSummary: 1 found\n"
    assert repo("project", "list", "wheels").stdout == wheels
    assert repo("project", "list", "eggs").stdout == wheels
    jars = repo("project", "list", "jars").stdout.splitlines()
    assert [it for it in jars if it.endswith("Assets:")] == ["Gradle Assets:", "sbt Assets:", "Maven Assets:"]
    wrong = repo("project", "list", "wheeels", code=2)
    assert "there is no kind of asset 'wheeels'; did you mean 'wheels'?" in wrong.stderr


def test_a_name_and_a_folder_narrow_the_list(repo):
    assert repo("project", "list", "--namespace", "scala-workflow").stdout.splitlines() == [
        "sbt Assets:",
        " -> ./scala-workflow/build.sbt",
        "Summary: 1 found",
    ]
    found = repo.json("project", "list", "--namespace", "titles")
    assert [it["namespace"] for it in found["assets"]] == ["titles/ddl/results", "titles/src/write"]
    assert [it["file"] for it in found["workflows"]] == ["titles/daily.sch.yaml", "titles/main.sch.yaml"]
    inside = repo("project", "list", "sql", folder=repo.folder / "titles/src").stdout
    assert inside == "SQL Assets:\n -> ./write.sql\nSummary: 1 found\n"


def test_scripts_get_what_a_definition_would_refer_to(repo):
    (wheel,) = repo.json("project", "list", "wheels")["assets"]
    assert wheel == {
        "type": "wheel",
        "namespace": "hello_world",
        "builder": "python",
        "path": "pyspark-workflow/hello_world/pyproject.toml",
        "reference": "${dataflow.wheel.hello_world}",
    }


def test_a_folder_that_holds_nothing_says_so(dataflow_command):
    assert dataflow_command("project", "list").stdout == "no assets and no workflows were found here\n"
    assert dataflow_command.json("project", "list") == {"assets": [], "workflows": []}


def test_what_is_deployed_is_listed_by_its_ids(repo):
    assert "nothing is deployed in file://" in repo("project", "list", "--deployed").stdout
    repo("project", "deploy", "--sandbox")
    title, *rest = repo("project", "list", "sql", "--deployed").stdout.splitlines()
    head = git(repo.folder, "rev-parse", "HEAD")[:8]
    assert title == "sandbox-alice (#1)"
    assert rest == [
        "SQL Assets:",
        f" -> dataflow.sql.titles~~ddl~~results.user.stranger-data.main.{head}.1",
        f" -> dataflow.sql.titles~~src~~write.user.stranger-data.main.{head}.1",
        "Summary: 2 found",
    ]
    (environment,) = repo.json("project", "list", "--deployed", "--namespace", "titles")["environments"]
    assert [it["namespace"] for it in environment["workflows"]] == ["titles"] * 2


@pytest.mark.slow
def test_three_hundred_packages_are_listed_within_a_second_and_a_half(dataflow_command):
    repository(dataflow_command.folder, 300)
    runs = [measured(dataflow_command, "project", "list") for _ in range(2)]
    assert dataflow_command("project", "list").stdout.count(" -> ") == 4 * 300
    assert min(seconds for seconds, _ in runs) <= 1.5
    assert max(megabytes for _, megabytes in runs) < 150


def measured(command, *arguments):
    """Return how long a command took and the most memory that it used, in MB.

    On a machine that others use as well, the processor's time is what the command itself can answer for.
    """
    script = """\
import resource, subprocess, sys, time
began = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(min(time.monotonic() - began, used.ru_utime + used.ru_stime), used.ru_maxrss / 1024)
"""
    run = [sys.executable, "-c", script, sys.executable, "-m", "dataflow", *arguments]
    done = subprocess.run(run, cwd=command.folder, env=command.environ, capture_output=True, text=True, check=True)
    seconds, megabytes = map(float, done.stdout.split())
    return seconds, megabytes
