from __future__ import annotations

import os
import subprocess

import pytest

from dataflow.errors import DataflowError, UsageError
from dataflow.git import ask_remote
from dataflow.repository.checkout import read_checkout, require_tip
from dataflow.repository.commit import tree_of_commit
from tests.support.repositories import commit, git


@pytest.fixture(autouse=True)
def _one_user(monkeypatch):
    for name in ("DATAFLOW_BRANCH", "GITHUB_REF_NAME", "GITHUB_REF_TYPE", "CI_COMMIT_BRANCH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATAFLOW_USER", "alice")


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "stranger-data"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    (folder / "a.sql").write_text("SELECT 1\n")
    commit(folder)
    return folder


def test_a_checkout_knows_its_branch_and_commit_wherever_it_is_asked(repository):
    (repository / "deep").mkdir()
    checkout = read_checkout(repository / "deep")
    assert (checkout.root, checkout.repo, checkout.owner, checkout.branch) == (
        repository,
        "stranger-data",
        "alice",
        "main",
    )
    assert checkout.commit == git(repository, "rev-parse", "HEAD")
    assert checkout.is_clean
    assert checkout.version("ab" * 32) == checkout.commit[:8]


@pytest.mark.parametrize(
    ("address", "owner", "repo"),
    [
        ("git@github.com:netflix/stranger-data.git", "netflix", "stranger-data"),
        ("https://user:word@example.org/netflix/stranger-data/", "netflix", "stranger-data"),
        ("ssh://git@example.org:22/group/team/data.git", "group/team", "data"),
        ("https://example.org/data", "alice", "data"),
        ("/srv/git/netflix/data.git", "netflix", "data"),
        ("file:///srv/git/netflix/data.git", "netflix", "data"),
        ("../data.git", "..", "data"),
    ],
)
def test_owner_and_name_come_from_the_remote(repository, address, owner, repo):
    git(repository, "remote", "add", "origin", address)
    checkout = read_checkout(repository)
    assert (checkout.owner, checkout.repo) == (owner, repo)


def test_the_branch_s_own_remote_wins_over_origin(repository):
    git(repository, "remote", "add", "origin", "git@example.org:fork/data.git")
    git(repository, "remote", "add", "upstream", "git@example.org:team/data.git")
    assert read_checkout(repository).owner == "fork"
    git(repository, "config", "branch.main.remote", "upstream")
    git(repository, "config", "branch.main.merge", "refs/heads/main")
    assert read_checkout(repository).owner == "team"


@pytest.mark.parametrize("staged", [False, True])
def test_a_change_that_no_commit_holds_is_seen_and_said(repository, staged):
    (repository / "a.sql").write_text("SELECT 2\n")
    if staged:
        git(repository, "add", ".")
    checkout = read_checkout(repository)
    assert not checkout.is_clean
    assert checkout.version("ab" * 32) == "dirty-abababab"


def test_a_file_that_is_added_or_renamed_is_a_change(repository):
    git(repository, "mv", "a.sql", "b c.sql")
    assert not read_checkout(repository).is_clean


@pytest.mark.parametrize("name", ["target/a.jar", "report.xml", ".workflows/etl.main.sch.rendered.yaml", "å b/c.xml"])
def test_what_git_does_not_have_is_no_change_and_is_named(repository, name):
    (repository / name).parent.mkdir(parents=True, exist_ok=True)
    (repository / name).write_text("built")
    checkout = read_checkout(repository)
    assert checkout.is_clean
    assert checkout.untracked == (name,)


def test_the_id_that_a_deployment_adds_is_no_change(repository):
    (repository / "dataflow.yaml").write_text("version: 1\nproject: films\n")
    commit(repository)
    (repository / "dataflow.yaml").write_text("version: 1\nproject: films\nid: 0a1b2c3d\n")
    assert read_checkout(repository).is_clean
    (repository / "dataflow.yaml").write_text("version: 1\nproject: books\nid: 0a1b2c3d\n")
    assert not read_checkout(repository).is_clean


def test_a_repository_that_git_can_t_read_is_no_folder_without_one(repository, monkeypatch):
    (repository / ".git" / "HEAD").write_text("nonsense")
    with pytest.raises(DataflowError, match=r"stranger-data is a git repository, and can't be read: not a git repo"):
        read_checkout(repository)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DataflowError, match=r"can't be read: git can't be started") as caught:
        read_checkout(repository)
    assert caught.value.hint == "install git"


def test_what_a_hook_of_another_repository_set_does_not_reach_this_one(repository, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    for name, value in {"GIT_DIR": ".git", "GIT_WORK_TREE": ".", "GIT_INDEX_FILE": ".git/index"}.items():
        monkeypatch.setenv(name, str(other / value))
    checkout = read_checkout(repository)
    assert checkout.root == repository
    assert checkout.is_clean


def remote_of(repository, tmp_path):
    folder = tmp_path / "remote.git"
    git(tmp_path, "clone", "--quiet", "--bare", repository, folder)
    git(repository, "remote", "add", "origin", str(folder))
    return folder


def test_ci_s_branch_counts_only_where_head_is_its_tip_at_the_remote(repository, tmp_path, monkeypatch):
    remote_of(repository, tmp_path)
    git(repository, "checkout", "--quiet", "--detach")
    monkeypatch.setenv("CI_COMMIT_BRANCH", "main")
    require_tip(read_checkout(repository))
    (repository / "a.sql").write_text("SELECT 2\n")
    commit(repository)
    with pytest.raises(UsageError, match=r"CI_COMMIT_BRANCH names branch main, whose tip at origin is \w{8}, not"):
        require_tip(read_checkout(repository))
    monkeypatch.setenv("CI_COMMIT_BRANCH", "12/merge")
    with pytest.raises(UsageError, match="names branch 12/merge, which origin does not have"):
        require_tip(read_checkout(repository))


def test_where_no_remote_answers_what_ci_says_is_believed(repository, tmp_path, monkeypatch):
    git(repository, "remote", "add", "origin", str(tmp_path / "nowhere.git"))
    git(repository, "checkout", "--quiet", "--detach")
    monkeypatch.setenv("CI_COMMIT_BRANCH", "main")
    require_tip(read_checkout(repository))


def test_outside_git_the_user_and_the_folder_say_whose_it_is(tmp_path):
    folder = tmp_path / "titles"
    folder.mkdir()
    checkout = read_checkout(folder)
    assert (checkout.owner, checkout.repo, checkout.branch, checkout.commit) == ("alice", "titles", "nogit", None)
    assert not checkout.is_clean
    assert checkout.version("ab" * 32) == "nogit-abababab"


def test_before_the_first_commit_there_is_none(tmp_path):
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    checkout = read_checkout(tmp_path)
    assert (checkout.branch, checkout.commit) == ("main", None)
    assert not checkout.is_clean


def test_where_ci_checked_out_a_commit_it_says_the_branch(repository, monkeypatch):
    git(repository, "checkout", "--quiet", "--detach")
    assert read_checkout(repository).branch == "HEAD"
    monkeypatch.setenv("GITHUB_REF_TYPE", "branch")
    monkeypatch.setenv("GITHUB_REF_NAME", "feature/a.b")
    assert read_checkout(repository).branch == "feature/a.b"
    monkeypatch.setenv("DATAFLOW_BRANCH", "staging")
    assert read_checkout(repository).branch == "staging"


@pytest.mark.parametrize(
    "address",
    [
        "HTTPS://bob:S3cr3t@git.example.org/data/plays.git",
        "https://S3cr3t@git.example.org/data/plays",
        "https://git.example.org/data/plays.git?token=S3cr3t",
        "ssh://git:S3cr3t@git.example.org/data/plays",
    ],
)
def test_no_credentials_of_a_remote_are_in_an_id(tmp_path, address):
    for command in (["init", "--quiet"], ["remote", "add", "origin", address]):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    found = read_checkout(tmp_path)
    assert (found.owner, found.repo) == ("data", "plays")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GIT_LITERAL_PATHSPECS", "1"),
        ("GIT_ICASE_PATHSPECS", "1"),
        ("GIT_ATTR_SOURCE", "HEAD"),
        ("GIT_OBJECT_DIRECTORY", "/nowhere"),
        ("GIT_NAMESPACE", "other"),
    ],
)
def test_what_changes_the_meaning_of_names_for_another_command_does_not_reach_here(
    repository, monkeypatch, tmp_path, variable, value
):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    (repository / "[a]").mkdir()
    (repository / "[a]" / "b.sql").write_text("SELECT 2\n")
    commit(repository)
    monkeypatch.setenv(variable, value)
    tree = tree_of_commit(read_checkout(repository))
    tree.require(tree.root / "[a]" / "b.sql")
    assert (tree.root / "[a]" / "b.sql").read_text() == "SELECT 2\n"
    assert not (tree.root / "a.sql").exists()  # nobody asked for it


def test_without_a_remote_the_branch_of_the_clone_speaks_against_a_variable(repository, monkeypatch):
    git(repository, "checkout", "--quiet", "--detach")
    monkeypatch.setenv("DATAFLOW_BRANCH", "main")
    require_tip(read_checkout(repository))
    (repository / "a.sql").write_text("SELECT 2\n")
    commit(repository)
    with pytest.raises(UsageError, match=r"DATAFLOW_BRANCH names branch main, which is at \w{8} here, not at \w{8}"):
        require_tip(read_checkout(repository))
    monkeypatch.setenv("DATAFLOW_BRANCH", "another")
    require_tip(read_checkout(repository))


@pytest.mark.parametrize("chosen", [None, "setting", "GIT_SSH_COMMAND", "GIT_SSH"])
def test_the_ssh_that_somebody_chose_is_used(repository, tmp_path, monkeypatch, chosen):
    ssh = tmp_path / "bin" / ("ssh" if chosen is None else "mine")
    ssh.parent.mkdir()
    ssh.write_text(f'#!/bin/sh\necho "$0 $@" >> {tmp_path}/asked\nexit 1\n')
    ssh.chmod(0o755)
    if chosen == "setting":
        git(repository, "config", "core.sshCommand", str(ssh))
    elif chosen:
        monkeypatch.setenv(chosen, str(ssh))
    monkeypatch.setenv("PATH", f"{ssh.parent}{os.pathsep}{os.environ['PATH']}")
    assert ask_remote(repository, "ls-remote", "git@git.invalid:acme/films.git") is None
    (asked, *_) = (tmp_path / "asked").read_text().splitlines()
    assert asked.split()[0].endswith(ssh.name)
    assert ("BatchMode=yes" in asked) == (chosen is None)
