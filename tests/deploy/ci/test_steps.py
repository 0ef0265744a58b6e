"""The steps of files for CI services, run as scripts: they deploy, compare and take down for real."""

from __future__ import annotations

import datetime as dt
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from dataflow.deploy.ci.vendors import VENDORS
from tests.support.command_line import CommandLine
from tests.support.jenkinsfile import stages
from tests.support.repositories import commit, git

GH = """\
#!/bin/bash
# Stands for GitHub at the other end: notes what is asked, and knows the comment that was made.
printf '%s\\n' "$*" >> "$GH_NOTES"
for word; do case $word in body=@*) cp "${word#body=@}" "$GH_NOTES.body";; esac; done
if [[ $* == *--paginate* && -e $GH_NOTES.body ]]; then echo repos/acme/films/issues/comments/7; fi
"""


@dataclass
class Runner:
    """A machine of a CI service: it has a new clone for each job, and runs scripts as the service does."""

    origin: Path
    work: Path
    environ: Mapping[str, str]
    shell: tuple[str, ...] = ("bash", "-e")
    variables: dict[str, str] = field(default_factory=dict)
    clones: Iterator[int] = field(default_factory=lambda: iter(range(100)))

    def clone(self, sha: str, *refs: str) -> Path:
        """Check out a commit as services do: no branch, and of others only what they fetch."""
        folder = self.work / f"job{next(self.clones)}" / "films"
        folder.mkdir(parents=True)
        git(folder, "init", "--quiet")
        git(folder, "remote", "add", "origin", str(self.origin))
        git(folder, "fetch", "--quiet", "origin", *refs, sha)
        git(folder, "checkout", "--quiet", "--detach", sha)
        return folder

    def run(self, folder: Path, *scripts: str, **variables: str) -> str:
        """Run the scripts of a job, but those that install Dataflow, which is here."""
        said = ""
        environ = {**self.environ, **self.variables, **variables}
        for script in scripts:
            if "pip install" in script:
                assert 'python3 -m pip install --quiet "$DATAFLOW"' in script
                continue
            done = subprocess.run(
                [*self.shell, "-c", script], cwd=folder, env=environ, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
            said += done.stdout
        return said


class GitHub:
    def __init__(self, file: Path, runner: Runner) -> None:
        self.workflow, self.runner = yaml.safe_load(file.read_text()), runner
        self.notes = runner.work / "notes"
        runner.shell = ("bash", "--noprofile", "--norc", "-e")
        runner.variables = {"GITHUB_REPOSITORY": "acme/films", "GH_NOTES": str(self.notes)}

    def job(self, name: str, sha: str) -> str:
        job, folder = self.workflow["jobs"][name], self.runner.clone(sha, "+refs/heads/*:refs/remotes/origin/*")
        variables = {**self.workflow["env"], **job.get("env", {}), "RUNNER_TEMP": str(folder.parent)}
        variables["GITHUB_STEP_SUMMARY"] = str(folder.parent / "summary.md")
        variables = {
            key: text.replace("${{ github.event.pull_request.number }}", "12") for key, text in variables.items()
        }
        return self.runner.run(folder, *(step["run"] for step in job["steps"] if "run" in step), **variables)

    def tested(self, sha: str) -> None:
        self.job("test", sha)

    def merged(self, sha: str) -> None:
        self.job("deploy", sha)

    def requested(self, sha: str) -> str:
        self.job("preview", sha)
        body = Path(f"{self.notes}.body").read_text()
        assert body.startswith("<!-- dataflow preview -->\n")
        return body

    def closed(self, sha: str) -> None:
        self.job("destroy", sha)


class GitLab:
    def __init__(self, file: Path, runner: Runner) -> None:
        self.pipeline, self.runner = yaml.safe_load(file.read_text()), runner
        runner.shell = ("bash", "-eo", "pipefail")

    def job(self, name: str, sha: str) -> tuple[str, Path]:
        folder = self.runner.clone(sha)
        told = {"CI_MERGE_REQUEST_IID": "12", "CI_PROJECT_DIR": str(folder)}
        variables = {
            key: re.sub(r"\$(\w+)", lambda it: told[it[1]], text) for key, text in self.pipeline["variables"].items()
        }
        variables = {key: text for key, text in variables.items() if key not in ("DATAFLOW_HOME", "PIP_CACHE_DIR")}
        scripts = [*self.pipeline["default"]["before_script"], *self.pipeline[name]["script"]]
        return self.runner.run(folder, *scripts, **told, **variables), folder

    def merged(self, sha: str) -> None:
        self.job("deploy", sha)

    def requested(self, sha: str) -> str:
        _, folder = self.job("preview", sha)
        (report,) = self.pipeline["preview"]["artifacts"]["paths"]
        return (folder / report).read_text()

    def closed(self, sha: str) -> None:
        self.job("destroy", sha)


class Jenkins:
    def __init__(self, file: Path, runner: Runner) -> None:
        self.stages, self.runner = stages(file), runner
        self.constants = dict(re.findall(r"(?m)^    ([A-Z_]+) = '(.*?)'", file.read_text()))
        runner.shell = ("sh", "-xe")

    def build(self, sha: str, *names: str, preview: str = "pr-") -> Path:
        folder = self.runner.clone(sha, "+refs/heads/main:refs/remotes/origin/main")
        variables = {**self.constants, "WORKSPACE_TMP": str(folder.parent), "PREVIEW": preview}
        self.runner.run(folder, *(script for name in names for script in self.stages[name].scripts), **variables)
        return folder

    def merged(self, sha: str) -> None:
        self.build(sha, "Install", "Deploy")

    def requested(self, sha: str) -> str:
        folder = self.build(sha, "Install", "Preview", preview="pr-12")
        return (folder / "report.md").read_text()

    def closed(self, sha: str) -> None:
        self.build(sha, "Destroy", preview="pr-12")


@pytest.fixture
def team(spark_command: CommandLine, repository: Path) -> CommandLine:
    """A command line in a repository with a package, on the machine of somebody who pushes to `origin`."""
    command = spark_command
    command.folder = repository
    programs = repository.parent / "bin"
    programs.mkdir()
    (programs / "gh").write_text(GH)
    (programs / "gh").chmod(0o755)
    command.environ["PATH"] = os.pathsep.join(
        [str(programs), str(Path(sys.executable).parent), command.environ["PATH"]]
    )
    command.environ |= {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    command("sample", "workflow", "spark-sql", "./titles", "--skip-info")
    return command


def deployed(command: CommandLine) -> set[str]:
    return {it["environment"] for it in command.json("project", "list", "--deployed")["environments"]}


@pytest.mark.spark
@pytest.mark.long
def test_a_change_is_tested_planned_previewed_compared_merged_and_cleared_away(
    team: CommandLine, tmp_path: Path
) -> None:
    command, folder, origin = team, team.folder, tmp_path / "origin.git"
    for vendor in VENDORS:
        command("project", "init", "--ci", vendor)
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch", "main", str(origin))
    git(origin, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(folder, "remote", "add", "origin", str(origin))
    first = commit(folder, "A pipeline")
    git(folder, "push", "--quiet", "origin", "main")
    files = {vendor: folder / VENDORS[vendor].file for vendor in VENDORS}
    runners = {vendor: Runner(origin, tmp_path / vendor, command.environ) for vendor in VENDORS}
    github = GitHub(files["github"], runners["github"])
    gitlab = GitLab(files["gitlab"], runners["gitlab"])
    jenkins = Jenkins(files["jenkins"], runners["jenkins"])

    github.tested(first)
    github.merged(first)
    assert deployed(command) == {"production"}
    command("workflow", "run", "--deployed", "titles.main", "--env", "production")

    git(folder, "switch", "--quiet", "--create", "without-zw")
    script = folder / "titles/src/sparksql_write.sql"
    script.write_text(script.read_text().replace("AND view_hours > 0", "AND view_hours > 0 AND country_code <> 'ZW'"))
    head = commit(folder, "A country less")
    git(folder, "push", "--quiet", "origin", "without-zw")
    git(folder, "switch", "--quiet", "main")
    (folder / "NOTES.md").write_text("Meanwhile on main.\n")
    commit(folder, "Notes")
    git(folder, "push", "--quiet", "origin", "main")

    for service, preview in ((github, "pr-12"), (gitlab, "mr-12"), (jenkins, "pr-12")):
        report = service.requested(head)
        assert deployed(command) == {"production", f"branch-{preview}-ci"}
        hold_report(report)
        service.closed(head)
        assert deployed(command) == {"production"}
    github.closed(head)  # one that is not there any more

    git(folder, "merge", "--quiet", "--no-edit", "without-zw")
    git(folder, "push", "--quiet", "origin", "main")
    for service in (gitlab, jenkins):
        service.merged(git(folder, "rev-parse", "HEAD"))
    assert command.json("project", "plan")["changes"] == []


def hold_report(report: str) -> None:
    """Hold what reviewers read to what the change did."""
    assert "**Deploying to `production`**: 0 added, 1 changed, 0 removed, 0 unchanged packages\n" in report
    assert "+    AND view_hours > 0 AND country_code <> 'ZW'\n" in report
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    (table,) = re.findall(r"\*\*`(ci__\w+\.\w+)` beside `prod\.\w+`\*\*", report)
    assert table.endswith("_titles_results")
    assert str(yesterday) in report
    assert re.search(r"\| `rows only there` \| [\d,]+ \| \d+(\.\d+)? % \|", report)
    assert "rows only here" not in report
