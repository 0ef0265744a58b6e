from __future__ import annotations

import subprocess

import pytest

from dataflow.assets.git import read_checkout


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


def git(folder, *arguments):
    identity = ["-c", "user.name=Alice", "-c", "user.email=alice@example.org"]
    done = subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder):
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "A change")


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


@pytest.mark.parametrize("name", ["new.sql", "a.sql", "deep/new.sql"])
def test_a_change_that_no_commit_holds_is_seen_and_said(repository, name):
    (repository / name).parent.mkdir(exist_ok=True)
    (repository / name).write_text("SELECT 2\n")
    checkout = read_checkout(repository)
    assert not checkout.is_clean
    assert checkout.version("ab" * 32) == "dirty-abababab"


@pytest.mark.parametrize("name", ["target/a.jar", "etl/dist/a.whl", ".workflows/etl.main.sch.rendered.yaml"])
def test_what_builds_leave_behind_is_no_change(repository, name):
    (repository / name).parent.mkdir(parents=True)
    (repository / name).write_text("built")
    assert read_checkout(repository).is_clean


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
