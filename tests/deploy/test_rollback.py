"""Going back to what was deployed before, and what is remembered of it: no JVM, no network."""

from __future__ import annotations

import pytest

from dataflow.deploy import deployments
from dataflow.deploy.rollback import plan_rollback
from dataflow.errors import DataflowError, UsageError
from tests.support.standing import KEY

pytestmark = pytest.mark.slow


def test_an_older_bundle_comes_back_at_once(repo):
    bundles = []
    for number in (10, 20, 30):
        repo.edit("top/src/write.sql", f"<= {number - 10 or 10}", f"<= {number}")
        if number > 10:
            repo.commit()
        bundles.append(repo.deploy().deployment.revision.packages[KEY].bundle)

    def back(**options):
        plan_rollback(repo.registry, "production", **options).apply(repo.registry)
        return repo.current().revision.packages[KEY].bundle

    assert back() == bundles[1]
    assert back() == bundles[0]
    with pytest.raises(UsageError, match="has no earlier deployment than #1"):
        back()
    assert back(to="3") == bundles[2]
    assert back(to=bundles[1][:12]) == bundles[1]
    with pytest.raises(UsageError, match="already runs what #2 ran"):
        back(to="#2")
    with pytest.raises(UsageError, match="there is no deployment '77'"):
        back(to="77")
    assert repo.plan().changes  # the checkout is not what runs there now
    assert repo.deploy().deployment.revision.packages[KEY].bundle == bundles[2]


def test_one_workflow_goes_back_and_the_others_stay(repo):
    repo.package("bottom")
    repo.commit()
    first = repo.deploy().deployment.revision.packages
    for name in ("top", "bottom"):
        repo.edit(f"{name}/src/write.sql", "<= 10", "<= 20")
    repo.commit()
    second = repo.deploy().deployment.revision.packages
    plan_rollback(repo.registry, "production", workflow="alice.top.main").apply(repo.registry)
    now = repo.current().revision.packages
    assert now[KEY].bundle == first[KEY].bundle
    assert now["alice/films:bottom"].bundle == second["alice/films:bottom"].bundle


def test_a_rollback_of_what_somebody_just_changed_is_refused(repo):
    repo.deploy()
    repo.edit("top/src/write.sql", "<= 10", "<= 20")
    repo.commit()
    repo.deploy()
    planned = plan_rollback(repo.registry, "production")
    planned.apply(repo.registry)
    with pytest.raises(DataflowError, match="has just been changed by somebody else"):
        planned.apply(repo.registry)


def test_every_switch_is_remembered(repo):
    repo.deploy()
    repo.edit("top/src/write.sql", "<= 10", "<= 20")
    repo.commit()
    repo.deploy()
    plan_rollback(repo.registry, "production").apply(repo.registry)
    past = deployments.history(repo.registry, "production")
    assert [(it.number, it.revision.action, it.revision.restores) for it in past] == [
        (1, "deploy", None),
        (2, "deploy", None),
        (3, "rollback", 1),
    ]
