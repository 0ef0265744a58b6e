"""`dataflow project` from init to destroy, as people and scripts call it; no JVM."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.support.places import EXAMPLE

pytestmark = pytest.mark.slow


@pytest.fixture
def project(dataflow_command):
    """Return the command line in a repository with one package, and no commit yet."""
    shutil.copytree(EXAMPLE, dataflow_command.folder / "titles")
    (dataflow_command.folder / "titles" / "identity.yaml").write_text(
        "owner: alice\npackage_id: alice.titles\nuuid: uuid-of-titles\n"
    )
    who = {f"GIT_{role}_{what}": "a@b.c" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    dataflow_command.environ |= who
    git(dataflow_command, "init", "-q", "-b", "main")
    return dataflow_command


def git(command, *arguments):
    done = subprocess.run(
        ["git", *arguments], cwd=command.folder, env={**os.environ, **command.environ}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def commit(command):
    git(command, "add", "-A")
    git(command, "commit", "-q", "-m", "a change")


def edit(command, old, new):
    path = command.folder / "titles" / "src" / "sparksql_write.sql"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_from_init_to_destroy(project):
    assert project("project", "init").stdout.startswith("wrote dataflow.yaml\n")
    assert "exists already and was not changed" in project("project", "init", code=2).stderr
    assert "contains no workflow" not in project("project", "plan").stdout
    commit(project)

    planned = project.json("project", "plan")
    assert (planned["environment"], planned["number"]) == ("production", 0)
    deployed = project("project", "deploy").stdout
    assert " -> ./titles/src/sparksql_write.sql: DEPLOYED AS dataflow.sql.titles~~src~~sparksql_write." in deployed
    assert "production is at #1 now" in deployed
    assert "nothing changed: production stays at #1" in project("project", "deploy").stdout

    edit(project, "title_rank <= 100", "title_rank <= 50")
    assert "only a sandbox takes that" in project("project", "plan").stdout
    commit(project)
    shown = project("project", "plan", "--save", "../plan.json").stdout
    assert "-  WHERE title_rank <= 100" in shown
    assert "Summary: 0 added, 1 changed, 0 removed, 0 unchanged packages" in shown
    assert project.json("project", "deploy", "--plan", "../plan.json")["number"] == 2
    assert (
        "production has changed since the plan" in project("project", "deploy", "--plan", "../plan.json", code=1).stderr
    )

    assert "production is at #3 now, which runs what #1 ran" in project("project", "rollback", "titles.main").stdout
    rows = project.json("project", "history")
    assert [(row["number"], row["action"]) for row in rows] == [(3, "rollback to #1"), (2, "deploy"), (1, "deploy")]
    assert "titles (" in project("project", "history").stdout

    git(project, "checkout", "-q", "-b", "feature/a")
    branch = project.json("project", "deploy")
    assert branch["environment"] == "branch-feature~~a-alice"
    asked = project("project", "destroy", "--branch", "feature/a", code=2)
    assert "workflow alice__feature_a__" in asked.stderr
    assert "not an interactive terminal: confirm with --yes" in asked.stderr
    assert "taken down" in project("project", "destroy", "--branch", "feature/a", "--yes").stdout
    again = project("project", "destroy", "--branch", "feature/a", "--yes")
    assert again.stdout == "there is nothing to take down\n"
    assert project("project", "sweep").stdout == "there is nothing to take down\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["destroy"], "name either --branch B or --sandbox"),
        (["destroy", "--branch", "main"], "branch main deploys to production"),
        (["rollback"], "nothing is deployed to 'production'"),
        (["diff-data", "--branch", "x"], "nothing is deployed to branch-x-alice"),
        (["diff-data", "--branch", "x", "--date", "soon"], "'soon' is not a date"),
        (["deploy", "--plan", "nowhere.json"], "nowhere.json can't be read as a plan"),
    ],
)
def test_what_is_asked_wrongly_is_one_message_and_exit_2(project, arguments, message):
    project("project", "init")
    commit(project)
    done = project("project", *arguments, code=2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_deployed_runs_are_named_or_refused(project):
    assert "name either a *.sch.yaml file or --deployed ID" in project("workflow", "run", code=2).stderr
    done = project("workflow", "run", "--deployed", "titles.main", code=2)
    assert "no workflow 'titles.main' is deployed anywhere" in done.stderr


def test_references_are_understood_by_runs_from_files_too(project):
    main = project.folder / "titles" / "main.sch.yaml"
    text = main.read_text()
    main.write_text(
        text.replace("script: ./src/sparksql_write.sql", "script: ${dataflow.sql.titles/src/sparksql_write}")
    )
    planned = project.json("workflow", "plan", "titles", "--date", "2026-01-31")
    assert planned["reads"] == ["dataflow_demo.playback"]
    main.write_text(
        text.replace("script: ./src/sparksql_write.sql", "script: ${dataflow.sql.titles/src/sparksql_wirte}")
    )
    done = project("workflow", "validate", "titles", code=2)
    assert "main.sch.yaml:51:23: there is no sql 'titles/src/sparksql_wirte', here or deployed" in done.stderr


def test_the_deployment_of_a_branch_is_an_environment_by_its_name_too(project):
    project("project", "init")
    commit(project)
    git(project, "checkout", "-q", "-b", "top-50")
    edit(project, "title_rank <= 100", "title_rank <= 50")
    commit(project)
    assert "\nbundle: a package's rendered definitions and all that they run, as one unit" in (
        project("project", "deploy").stderr
    )
    name = project.json("project", "deploy")["environment"]
    shown = project.json("env", "--env", name)
    assert (shown["environment"], shown["catalog"]) == (name, "dataflow")
    assert project.json("workflow", "runs", "--env", name) == []
    assert project.json("project", "history", "--env", name)[0]["action"] == "deploy"
    wrong = project("workflow", "runs", "--env", f"{name}x", code=2)
    assert wrong.stderr.startswith(f"error: there is no environment '{name}x' in dataflow.yaml")
