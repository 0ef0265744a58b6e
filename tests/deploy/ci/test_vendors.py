"""Files for CI services: as their vendors want them, and safe with forks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from dataflow.deploy.ci.vendors import VENDORS
from dataflow.deploy.project_file import set_up
from dataflow.errors import UsageError
from tests.support.command_line import CommandLine
from tests.support.jenkinsfile import stages

SCHEMAS = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}
SECRETS = """\
  production:
    branch: main
    catalog: {name: lake, type: rest, uri: https://lake.example.org, token: "${secret:LAKE_PRODUCTION}"}
    state: "postgresql+psycopg://dataflow:${secret:STATE_PASSWORD}@db.example.org/dataflow"
  development:
    branch: "*"
    catalog: {name: lake, type: rest, uri: https://lake.example.org, token: "${secret:LAKE_DEVELOPERS}"}
"""


@pytest.fixture
def with_secrets(repository: Path) -> Path:
    (repository / "dataflow.yaml").write_text(f"version: 1\nproject: films\nenvironments:\n{SECRETS}")
    return repository


def written(folder: Path, vendor: str) -> Path:
    set_up(folder, ci=vendor)
    return folder / VENDORS[vendor].file


# ---------------------------------------------------------------------------------- what the files say


@pytest.mark.parametrize("project", ["repository", "with_secrets"])
@pytest.mark.parametrize("vendor", SCHEMAS)
def test_a_file_is_as_its_vendor_s_schema_has_it(vendor: str, project: str, request: pytest.FixtureRequest) -> None:
    file = written(request.getfixturevalue(project), vendor)
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[vendor]]
    done = subprocess.run([*check, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout

    file.write_text(file.read_text().replace("    runs-on:", "    runs-at:").replace("  stage: ", "  stages: "))
    assert subprocess.run([*check, file], capture_output=True, check=False).returncode == 1, "the check sees mistakes"


@pytest.mark.slow
@pytest.mark.parametrize("project", ["repository", "with_secrets"])
def test_a_jenkinsfile_is_groovy_with_these_stages(project: str, request: pytest.FixtureRequest) -> None:
    found = stages(written(request.getfixturevalue(project), "jenkins"))
    assert list(found) == ["Install", "Test", "Preview", "Deploy", "Destroy", "Sweep"]
    assert all(it.scripts for it in found.values())
    previews = ["LAKE_DEVELOPERS"] if project == "with_secrets" else []
    production = ["LAKE_PRODUCTION", "STATE_PASSWORD"] if project == "with_secrets" else []
    assert {it.name: it.credentials for it in found.values()} == {
        "Install": [],
        "Test": [],
        "Preview": previews,
        "Deploy": production,
        "Destroy": previews,
        "Sweep": previews,
    }
    assert found["Test"].scripts == ["dataflow project test"]
    assert "changeRequest target: 'main'" in found["Preview"].when
    assert "!env.CHANGE_FORK" in found["Preview"].when
    assert "branch 'main'" in found["Deploy"].when
    assert "params.CLOSED ==~ /[0-9]+/" in found["Destroy"].when


def event(name: str, *, action: str | None = None, fork: bool = False) -> dict[str, Any]:
    """Return what GitHub tells of a push, or of a pull request."""
    told: dict[str, Any] = {"event_name": name, "repository": "acme/films", "event": {}}
    if action:
        head = {"sha": "abc", "repo": {"full_name": "stranger/films" if fork else "acme/films"}}
        told["event"] = {"action": action, "pull_request": {"number": 12, "head": head}}
    return told


def holds(condition: str, github: Mapping[str, Any]) -> bool:
    """Say whether a condition of GitHub's holds, as far as these files use them."""

    def value(found: re.Match[str]) -> str:
        at: Any = github
        for name in found[1].split("."):
            at = at.get(name) if isinstance(at, dict) else None
        return repr(at)

    text = re.sub(r"github\.([\w.]+)", value, condition)
    assert re.fullmatch(r"[\w/'\s&!=]+", text), text
    return bool(eval(text.replace("&&", " and ").replace("\n", " ")))  # noqa: S307 - just matched


@pytest.mark.parametrize(
    ("github", "jobs"),
    [
        (event("push"), ["test", "deploy"]),
        (event("pull_request", action="opened"), ["test", "preview"]),
        (event("pull_request", action="synchronize"), ["test", "preview"]),
        (event("pull_request", action="closed"), ["destroy"]),
        (event("pull_request", action="opened", fork=True), ["test"]),
        (event("pull_request", action="closed", fork=True), []),
    ],
    ids=["push", "opened", "pushed again", "closed", "a fork's", "a fork's closed"],
)
def test_each_event_has_its_jobs_and_a_fork_has_none_that_deploys(
    with_secrets: Path, github: dict[str, Any], jobs: list[str]
) -> None:
    workflow = yaml.safe_load(written(with_secrets, "github").read_text())
    assert [name for name, job in workflow["jobs"].items() if holds(job["if"], github)] == jobs


def test_github_s_jobs_have_the_secrets_of_their_environment_pinned_actions_and_few_rights(with_secrets: Path) -> None:
    text = written(with_secrets, "github").read_text()
    workflow = yaml.safe_load(text)
    asked = {name: re.findall(r"secrets\.(\w+)", json.dumps(job)) for name, job in workflow["jobs"].items()}
    assert asked == {
        "test": [],
        "preview": ["LAKE_DEVELOPERS"],
        "deploy": ["LAKE_PRODUCTION", "STATE_PASSWORD"],
        "destroy": ["LAKE_DEVELOPERS"],
    }
    assert "pull_request_target" not in text
    assert workflow["permissions"] == {"contents": "read"}
    rights = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
    assert rights == {"preview": {"contents": "read", "pull-requests": "write"}}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    for step in steps:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step.get("uses", f"actions/none@{'0' * 40}"))
        assert "${{" not in step.get("run", ""), "what an event says is data, and never part of a script"
    assert all(re.search(r"# v\d+\.\d+\.\d+$", line) for line in text.splitlines() if "uses: " in line)
    (requirement,) = [Requirement(workflow["env"]["DATAFLOW"])]
    assert (requirement.name, str(requirement.specifier)) == (
        "dataflow-recipes",
        f"=={version('dataflow-recipes')}",
    )


def test_gitlab_s_jobs_are_of_merge_requests_of_the_project_s_own_and_of_main(with_secrets: Path) -> None:
    text = written(with_secrets, "gitlab").read_text()
    pipeline = yaml.safe_load(text)
    own = '$CI_PIPELINE_SOURCE == "merge_request_event" && $CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID'
    rules = {name: [it["if"] for it in job.get("rules", [])] for name, job in pipeline.items() if "script" in job}
    assert rules == {"test": [], "preview": [own], "destroy": [own], "deploy": ['$CI_COMMIT_BRANCH == "main"']}
    assert pipeline["test"]["script"] == ["dataflow project test"]
    assert pipeline["preview"]["environment"]["on_stop"] == "destroy"
    assert pipeline["destroy"]["environment"]["name"] == pipeline["preview"]["environment"]["name"]
    assert "#   production: LAKE_PRODUCTION, STATE_PASSWORD\n#   previews:   LAKE_DEVELOPERS\n" in text


# ---------------------------------------------------------------------------------- `project init --ci`


@pytest.mark.parametrize("vendor", VENDORS)
def test_init_writes_both_files_or_the_one_that_is_missing(
    vendor: str, repository: Path, dataflow_command: CommandLine
) -> None:
    file = VENDORS[vendor].file
    done = dataflow_command("project", "init", "--ci", vendor, folder=repository)
    assert done.stdout == (
        f"wrote dataflow.yaml\nwrote {file}\n"
        "  runners keep nothing: give dataflow.yaml a `registry:` and a `catalog:` that they reach\n"
        "  dataflow sample workflow spark-sql ./NAME    a workflow package\n"
        "  dataflow project plan                        what a deployment would change\n"
    )
    before = (repository / file).read_text()
    again = dataflow_command("project", "init", "--ci", vendor, folder=repository, code=2)
    assert f"{file} exists already and was not changed" in again.stderr

    (repository / file).unlink()
    said = dataflow_command.json("project", "init", "--ci", vendor, folder=repository)
    assert [Path(it).name for it in said["files"]] == [Path(file).name]
    assert (repository / file).read_text() == before


def test_what_can_t_be_set_up_is_said_and_nothing_is_written(repository: Path, dataflow_command: CommandLine) -> None:
    done = dataflow_command("project", "init", "--ci", "githb", folder=repository, code=2)
    assert "'githb' is not a CI service of these: github, gitlab, jenkins; did you mean 'github'?" in done.stderr
    below = repository / "below"
    below.mkdir()
    done = dataflow_command("project", "init", "--ci", "github", folder=below, code=2)
    assert "CI is set up at the repository's top" in done.stderr
    assert sorted(it.name for it in repository.rglob("*") if ".git" not in it.parts) == ["below"]

    (repository / "dataflow.yaml").write_text("version: 1\nproject: films\n")
    done = dataflow_command("project", "init", "--ci", "github", folder=repository, code=2)
    assert "dataflow.yaml has no environment 'production', which CI deploys to" in done.stderr
    assert not (repository / ".github").exists()


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_branch_that_is_not_main_is_written_as_it_is_called(vendor: str, repository: Path) -> None:
    (repository / "dataflow.yaml").write_text(
        'version: 1\nproject: films\nenvironments: {production: {branch: "release/1.0"}}\n'
    )
    assert "release/1.0" in written(repository, vendor).read_text()
    odd = repository / "dataflow.yaml"
    odd.write_text('version: 1\nproject: films\nenvironments: {production: {branch: "it\'s"}}\n')
    (repository / VENDORS[vendor].file).unlink()
    with pytest.raises(UsageError, match="production's branch 'it's' is not made of"):
        set_up(repository, ci=vendor)
