"""Which commit is deployed: not one that is older than what is deployed, unless somebody wants that."""

from __future__ import annotations

import os
import subprocess

import pytest

from dataflow.deploy.plan.builder import make_plan
from dataflow.deploy.preconditions import require_deployable
from dataflow.errors import DataflowError, UsageError


def change(repo, number):
    repo.write("top/src/write.sql", f"-- version {number}\nINSERT INTO ${{TARGET_TABLE}} SELECT 1, 2D, NULL;\n")
    return repo.commit()


def clone(repo, folder, *options):
    subprocess.run(["git", "clone", "-q", *options, repo.folder.as_uri(), folder], check=True)
    one = object.__new__(type(repo))
    one.folder = folder
    return one


def notes(repo, **options):
    source = repo.source()
    return require_deployable(source, make_plan(source, details=False), **options)


def test_a_commit_that_is_older_than_what_stands_is_refused(repo, tmp_path):
    stale = clone(repo, tmp_path / "films-stale")
    change(repo, 1)
    repo.deploy()
    with pytest.raises(DataflowError, match=r"commit \w{8} is older than \w{8}, which is deployed") as caught:
        notes(stale)  # its remote has what stands
    assert "--allow-older" in caught.value.hint
    with pytest.raises(DataflowError, match="is older than"):
        stale.deploy()
    assert notes(stale, allow_older=True) == [
        f"commit {stale.git('rev-parse', 'HEAD')[:8]} is older than what is deployed"
    ]
    codes = [stale.command("project", "deploy", *more).returncode for more in ([], ["--allow-older"])]
    assert codes == [1, 0]
    assert repo.current().number == 2


def test_an_older_commit_with_nothing_to_change_is_none(repo):
    repo.deploy()
    repo.write("notes.md", "words")
    repo.commit()
    repo.git("reset", "-q", "--hard", "HEAD~1")
    assert notes(repo) == []


def test_after_a_rollback_the_newest_is_deployed_again(repo):
    from dataflow.deploy.rollback import plan_rollback

    repo.deploy()
    change(repo, 1)
    repo.deploy()
    plan_rollback(repo.registry, "production").apply(repo.registry)
    assert notes(repo) == []
    assert repo.deploy().changed


def test_a_shallow_clone_fetches_what_stands(repo, tmp_path):
    change(repo, 1)
    repo.deploy()
    change(repo, 2)
    shallow = clone(repo, tmp_path / "films-shallow", "--depth", "1")
    assert notes(shallow) == []
    shallow.deploy()
    assert repo.current().number == 2


def test_a_shallow_clone_that_is_older_is_refused(repo, tmp_path):
    shallow = clone(repo, tmp_path / "films-shallow", "--depth", "1")
    change(repo, 1)
    repo.deploy()
    with pytest.raises(DataflowError, match="is older than"):
        notes(shallow)


def test_a_shallow_clone_that_can_t_tell_is_refused_with_the_command(repo, tmp_path):
    repo.edit("dataflow.yaml", "project: films\n", "project: films\nid: df-0a1b2c3d\n")
    change(repo, 1)
    repo.git("remote", "add", "origin", str(tmp_path / "gone.git"))
    repo.deploy()
    change(repo, 2)
    shallow = clone(repo, tmp_path / "films-shallow", "--depth", "1")
    shallow.git("remote", "set-url", "origin", str(tmp_path / "gone.git"))
    with pytest.raises(DataflowError, match="shallow clone without commit") as caught:
        notes(shallow)
    assert caught.value.hint == "git fetch --unshallow"


def test_what_has_diverged_is_told(repo):
    change(repo, 1)
    repo.deploy()
    repo.git("reset", "-q", "--hard", "HEAD~1")
    change(repo, 2)
    (note,) = notes(repo)
    assert "have diverged" in note
    assert repo.deploy().changed


def test_deploy_insists_on_an_environment(repo):
    assert repo.source(env="production").target.name == "production"
    repo.edit("top/src/write.sql", "<= 10", "<= 20")
    with pytest.raises(UsageError, match="this deploys to sandbox-alice, not to production: there are uncommitted"):
        repo.source(env="production")
    repo.commit()
    repo.branch("feature")
    with pytest.raises(UsageError, match="branch-feature-alice, not to production: branch feature is checked out"):
        repo.source(env="production")


def test_an_untracked_report_is_named_where_it_lies_in_a_package(repo):
    repo.write("report.xml", "x")
    repo.write("top/junit.xml", "x")
    assert repo.source().left_out() == ["git does not have top/junit.xml, so it is left out"]


def test_a_repository_that_git_does_not_trust_is_an_error_and_no_sandbox(repo):
    variables = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    for more in (["deploy"], ["plan"], ["deploy", "--env", "production"], ["deploy", "--sandbox"]):
        done = repo.command("project", *more, **variables)
        assert done.returncode == 1
        assert "is a git repository, and can't be read: detected dubious ownership" in done.stderr
        assert "git config --global --add safe.directory" in done.stderr
    assert repo.current("production") is None
    assert repo.current("sandbox-alice") is None
