from __future__ import annotations

import pytest

from dataflow.assets.builders import build, workspace
from dataflow.assets.builders.base import Artifact
from dataflow.assets.discover import discover
from dataflow.assets.inputs import read_inputs
from dataflow.assets.publish import publish, published
from dataflow.repository.checkout import read_checkout
from tests.support.processes import at_once
from tests.support.repositories import commit, git
from tests.support.trees import WHEEL, WRITE, package, write

pytestmark = pytest.mark.slow

PUBLISH = """\
from pathlib import Path
from dataflow.assets.builders import build, workspace
from dataflow.assets.builders.base import Artifact
from dataflow.assets.discover import discover
from dataflow.repository.checkout import read_checkout
from dataflow.assets.inputs import read_inputs
from dataflow.assets.publish import publish
from dataflow.assets.registry import Registry

def work(ready, tell, folder, address):
    folder = Path(folder)
    registry, checkout = Registry(address), read_checkout(folder)
    (asset,) = [it for it in discover(folder, checkout.repo).assets if it.namespace == "titles/src/write"]
    inputs = read_inputs(asset)
    ready()
    with workspace() as context:
        pin, new = publish(registry, asset, checkout, inputs, lambda: build(asset, inputs, context))
    tell([str(pin.id), new])
"""


@pytest.fixture(autouse=True)
def _one_user(monkeypatch):
    monkeypatch.setenv("DATAFLOW_USER", "alice")
    for name in ("DATAFLOW_BRANCH", "GITHUB_REF_NAME", "CI_COMMIT_BRANCH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def repo(tmp_path):
    folder = tmp_path / "stranger-data"
    package(folder / "titles")
    commit(folder)
    return folder


def deploy(registry, folder, namespace="titles/src/write"):
    """Publish one asset as a deployment does, and say how often it was built."""
    checkout = read_checkout(folder)
    (asset,) = [it for it in discover(folder, checkout.repo).assets if it.namespace == namespace]
    inputs, built = read_inputs(asset), []
    with workspace() as context:

        def make():
            built.append(asset)
            return build(asset, inputs, context)

        pin, new = publish(registry, asset, checkout, inputs, make)
    assert published(registry, asset, checkout, inputs) == pin
    return pin, new, len(built)


def edit(folder, number):
    write(folder / "titles", **{"src/write.sql": WRITE % number})


def test_a_build_gets_the_id_of_its_commit_and_the_next_number(registry, repo):
    pin, new, _ = deploy(registry, repo)
    head = git(repo, "rev-parse", "HEAD")[:8]
    assert str(pin.id) == f"dataflow.sql.titles~~src~~write.alice.stranger-data.main.{head}.1"
    assert pin.pointer == f"{pin.id}#sha256:{pin.sha256}"
    assert new
    assert registry.get(pin.sha256) == (repo / "titles/src/write.sql").read_bytes()
    edit(repo, 1)
    head = commit(repo)[:8]
    assert str(deploy(registry, repo)[0].id).endswith(f".main.{head}.2")


def test_the_same_inputs_keep_their_id_through_later_commits_and_a_return_to_them(registry, repo):
    first, *_ = deploy(registry, repo)
    write(repo, **{"other.txt": "no input"})
    commit(repo)
    assert deploy(registry, repo) == (first, False, 0)
    edit(repo, 1)
    commit(repo)
    assert deploy(registry, repo)[0].id.build == 2
    edit(repo, 0)
    commit(repo)
    assert deploy(registry, repo) == (first, False, 0)


def test_a_wheel_s_lock_travels_with_it(registry, repo):
    write(repo, **{"etl/pyproject.toml": WHEEL % ("etl", "etl"), "etl/etl-1.0.whl": "the wheel"})
    commit(repo)
    (asset,) = [it for it in discover(repo).assets if it.type == "wheel"]
    made = Artifact(repo / "etl/etl-1.0.whl", "iniconfig==2.0\n", "3.11")
    pin, _ = publish(registry, asset, read_checkout(repo), read_inputs(asset), lambda: made)
    assert (pin.name, pin.python, pin.size) == ("etl-1.0.whl", "3.11", 9)
    assert registry.get(pin.lock) == b"iniconfig==2.0\n"
    assert registry.get(pin.sha256) == b"the wheel"


def test_another_branch_has_numbers_of_its_own_and_takes_over_what_was_built(registry, repo):
    first, *_ = deploy(registry, repo)
    git(repo, "checkout", "--quiet", "-b", "feature/a.b")
    pin, new, built = deploy(registry, repo)
    assert (pin.id.branch, pin.id.build, new, built) == ("feature/a.b", 1, True, 0)
    assert ".feature~~a~_b." in str(pin.id)
    assert pin.sha256 == first.sha256


def test_what_no_commit_holds_says_so_and_production_never_takes_it(registry, repo):
    edit(repo, 1)
    dirty, *_ = deploy(registry, repo)
    assert not dirty.id.is_clean
    assert dirty.id.commit == f"dirty-{dirty.inputs[:8]}"
    assert deploy(registry, repo) == (dirty, False, 0)
    commit(repo)
    clean, new, built = deploy(registry, repo)
    assert (clean.id.is_clean, clean.id.build, new, built) == (True, 2, True, 0)
    write(repo, **{"notes.txt": "a change elsewhere"})
    assert deploy(registry, repo)[0] == clean


def test_a_kill_after_the_entry_leaves_an_id_that_is_found_again(registry, repo, monkeypatch):
    original = type(registry).write_once
    with monkeypatch.context() as patch:
        patch.setattr(
            type(registry), "write_once", lambda self, name, entry: "/of/" in name or original(self, name, entry)
        )
        first, *_ = deploy(registry, repo)
    assert deploy(registry, repo) == (first, False, 0)


def test_an_object_that_was_removed_is_built_again(tmp_path, repo):
    from dataflow.assets.registry import Registry

    registry = Registry(str(tmp_path / "registry"))
    first, *_ = deploy(registry, repo)
    (tmp_path / "registry/objects" / first.sha256).unlink()
    pin, _, built = deploy(registry, repo)
    assert (pin, built) == (first, 1)
    assert registry.has(first.sha256)


def test_eight_deploys_of_eight_commits_at_once_get_eight_consecutive_builds(repo, tmp_path):
    address = str(tmp_path / "registry")  # on S3 it is the registry's own test
    clones, commits = [], []
    for number in range(8):
        clone = tmp_path / f"clone-{number}" / "stranger-data"
        git(tmp_path, "clone", "--quiet", str(repo), str(clone))
        edit(clone, number + 1)
        commits.append(commit(clone)[:8])
        git(clone, "remote", "set-url", "origin", "git@example.org:user/stranger-data.git")
        clones.append(clone)
    answers = [it for (it,) in at_once(PUBLISH, [[str(clone), address] for clone in clones])]
    ids = [id_.split(".") for id_, _ in answers]
    assert sorted(int(it[-1]) for it in ids) == [*range(1, 9)]
    assert [it[-2] for it in ids] == commits
    assert [it[3:6] for it in ids] == [["user", "stranger-data", "main"]] * 8


def test_eight_deploys_of_the_same_commit_at_once_are_one_build(tmp_path, repo):
    answers = [it for (it,) in at_once(PUBLISH, [[str(repo), str(tmp_path / "registry")]] * 8)]
    assert len({id_ for id_, _ in answers}) == 1
    assert [new for _, new in answers].count(True) == 1
