"""Finding what is deployed and laying it out to run, from the registry alone: no JVM, no network."""

from __future__ import annotations

import shutil

import pytest

from dataflow.deploy.deployed_run import assets_of, find_deployed, prepare_run
from dataflow.errors import DataflowError, UsageError
from dataflow.workflow.load import Request
from tests.support.standing import KEY, bundle_of


def test_what_was_deployed_runs_without_its_checkout(repo):
    repo.deploy()
    registry = repo.registry
    shutil.rmtree(repo.folder)
    found = find_deployed(registry, "alice.top.daily")
    laid_out, workflow = prepare_run(registry, found, Request())
    assert workflow.bundle == found.sha256
    assert [step.id for step in workflow.steps] == ["each_day"]
    inner = next(it for it in workflow.walk() if it.id == "alice.top.main")
    assert inner.target_tables == ("prod.alice_top_results",)
    assert inner.identity.uuid == "uuid-of-top"
    assert (inner.folder / "src" / "write.sql").read_text().startswith("INSERT OVERWRITE")
    assert laid_out.definition("top/main.sch.yaml").is_file()
    assert {it["path"] for it in assets_of(registry, found.sha256)} == {"top/ddl.sql", "top/src/write.sql"}


def test_a_deployed_run_can_t_be_pointed_elsewhere(repo):
    repo.deploy()
    found = find_deployed(repo.registry, "alice.top.main")
    with pytest.raises(UsageError, match=r"TARGET_TABLE was fixed .*: prod\.alice_top_results"):
        prepare_run(repo.registry, found, Request(params={"TARGET_TABLE": "x.y"}))
    _, workflow = prepare_run(repo.registry, found, Request(params={"SOURCE_TABLE": "x.y"}))
    assert workflow.params["SOURCE_TABLE"] == "x.y"


def test_deployed_workflows_are_found_by_what_people_call_them(repo):
    repo.deploy()
    repo.branch("feature")
    repo.deploy()
    registry = repo.registry
    assert find_deployed(registry, "alice.top.main").bundle.environment.name == "production"
    assert find_deployed(registry, "alice__feature.alice.top.main").bundle.environment.name == "branch-feature-alice"
    assert find_deployed(registry, "top.main", "production").id == "alice.top.main"
    sha256 = repo.current().revision.packages[KEY].bundle
    assert find_deployed(registry, sha256[:10]).file == "top/main.sch.yaml"
    assert find_deployed(registry, f"{sha256[:10]}:daily").file == "top/daily.sch.yaml"
    with pytest.raises(UsageError, match="is deployed to branch-feature-alice, production"):
        find_deployed(registry, "top.main")
    with pytest.raises(UsageError, match=r"did you mean 'alice\.top\.main'"):
        find_deployed(registry, "alice.top.mian")


def test_a_laid_out_file_that_was_changed_is_put_back(repo):
    repo.deploy()
    found = find_deployed(repo.registry, "alice.top.main")
    _, workflow = prepare_run(repo.registry, found, Request())
    script = workflow.folder / "src" / "write.sql"
    written = script.read_text()
    script.write_text("DROP TABLE prod.alice_top_results")
    prepare_run(repo.registry, found, Request())
    assert script.read_text() == written


def test_a_corrupted_object_is_named_and_refused(repo):
    repo.deploy()
    (asset,) = [it for it in bundle_of(repo).assets if it.path == "top/src/write.sql"]
    (repo.folder.parent / "home" / "registry" / "objects" / asset.sha256).write_text("DROP TABLE x")
    found = find_deployed(repo.registry, "alice.top.main")
    with pytest.raises(DataflowError, match=f"object {asset.sha256} in the registry is corrupted"):
        prepare_run(repo.registry, found, Request())
