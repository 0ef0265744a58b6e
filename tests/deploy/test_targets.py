from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.deploy.targets import _database_part
from dataflow.errors import UsageError


def test_the_branch_decides_where_a_commit_goes(repo):
    assert repo.source().target.name == "production"
    repo.branch("staging")
    assert repo.source().target.name == "staging"
    repo.branch("feature/a.b")
    target = repo.source().target
    assert target.name == "branch-feature~~a~_b-alice"
    assert target.isolated
    assert target.database == target.environment.params["TARGET_DB"]
    assert target.database.startswith("alice__feature_a_b__")


def test_what_no_commit_holds_goes_to_the_sandbox_and_says_so(repo):
    repo.edit("top/src/write.sql", "<= 10", "<= 20")
    target = repo.source().target
    assert (target.name, target.database, target.sandbox) == ("sandbox-alice", "alice_sandbox", True)
    assert target.note == "there are uncommitted changes"
    (asset,) = [asset for asset, _ in repo.deploy().assets if asset.path == "top/src/write.sql"]
    assert ".main.dirty-" in asset.id


def test_a_clean_commit_goes_to_the_sandbox_on_request_alone(repo):
    assert repo.source(sandbox=True).target.name == "sandbox-alice"


def test_without_a_production_main_is_not_deployed(repo):
    repo.write("dataflow.yaml", "version: 1\nproject: films\n")
    repo.commit()
    with pytest.raises(UsageError, match="has no environment 'production'"):
        repo.source()


def test_other_branches_take_the_settings_of_the_environment_for_all(repo):
    repo.write(
        "dataflow.yaml",
        """
        version: 1
        project: films
        environments:
          production:
            catalog:
              name: lake
              token: ${secret:PRODUCTION}
          development:
            branch: "*"
            catalog:
              name: lake
              token: ${secret:READER}
        """,
    )
    repo.branch("x")
    repo.commit()
    assert repo.source().target.environment.catalog["token"] == "${secret:READER}"


def test_a_bare_commit_has_no_branch_to_go_by(repo, monkeypatch):
    for name in ("GITHUB_REF_TYPE", "CI_COMMIT_BRANCH", "DATAFLOW_BRANCH"):
        monkeypatch.delenv(name, raising=False)
    repo.git("checkout", "-q", "--detach")
    with pytest.raises(UsageError, match="detached HEAD"):
        repo.source()
    monkeypatch.setenv("DATAFLOW_BRANCH", "main")
    assert repo.source().target.name == "production"


@given(st.lists(st.text(min_size=1, max_size=12), min_size=2, max_size=2, unique=True))
def test_two_branches_never_share_a_database(names):
    one, other = map(_database_part, names)
    assert one != other
    assert one.replace("_", "a").isalnum()
