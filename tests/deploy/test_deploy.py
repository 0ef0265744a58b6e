"""Deploying to the local disk: no JVM, no network."""

from __future__ import annotations

import json
import shutil

import pytest

from dataflow.deploy.deployed_run import find_deployed, prepare_run
from dataflow.deploy.plan.builder import make_plan
from dataflow.deploy.plan.saved import check_saved, save_plan
from dataflow.deploy.rollback import plan_rollback
from dataflow.errors import DataflowError, DefinitionError, UsageError
from dataflow.workflow.load import Request
from tests.support.standing import KEY, bundle_of

pytestmark = pytest.mark.slow


def text_of(repo, file="top/main.sch.yaml", name="production"):
    return bundle_of(repo, name).workflows[file].text


def test_a_deployment_bundles_rendered_workflows_and_what_they_run(repo):
    commit = repo.git("rev-parse", "HEAD")
    done = repo.deploy()
    assert (done.deployment.name, done.deployment.number, done.changed) == ("production", 1, True)
    bundle = bundle_of(repo)
    assert sorted(bundle.workflows) == ["top/daily.sch.yaml", "top/main.sch.yaml"]
    assert "table: prod.alice_top_results" in text_of(repo)
    assert {it.path: it.commit for it in bundle.assets} == {"top/ddl.sql": commit[:8], "top/src/write.sql": commit[:8]}
    assert bundle.schemas["prod.alice_top_results"].columns == {"id": "INT", "hours": "DOUBLE", "date": "DATE"}
    assert bundle.schemas["prod.alice_top_results"].primary_key == ("date", "id")
    assert repo.current().revision.packages[KEY].workflows["alice.top.daily"].timezone == "Europe/Berlin"


def test_the_same_inputs_are_the_same_bundle_and_no_new_deployment(repo):
    first = repo.deploy()
    repo.write("README.md", "words")
    repo.write("top/notes.md", "more words")
    repo.commit()
    again = repo.deploy()
    assert not again.changed
    assert again.deployment.number == 1
    repo.git("mv", "top", "elsewhere")
    repo.git("mv", "elsewhere", "top")
    assert not repo.deploy().changed
    assert repo.current().revision.packages[KEY].bundle == first.deployment.revision.packages[KEY].bundle


def test_two_who_deploy_the_same_make_the_same_bytes(repo, monkeypatch, tmp_path):
    one = repo.deploy().deployment.revision.packages[KEY].bundle
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("DATAFLOW_USER", "ci")
    repo.git("remote", "add", "origin", "git@example.org:alice/films.git")
    moved = repo.folder.rename(tmp_path / "moved")
    repo.folder = moved
    other = repo.deploy().deployment.revision.packages[KEY].bundle
    assert other == one


def test_one_changed_package_takes_the_others_along_as_they_are(repo):
    repo.package("bottom")
    repo.commit()
    repo.deploy()
    before = repo.current().revision.packages
    repo.edit("bottom/src/write.sql", "<= 10", "> 10")
    repo.commit()
    assert repo.plan().unchanged == 1
    done = repo.deploy()
    assert set(done.packages) == {"alice/films:bottom"}
    after = repo.current().revision.packages
    assert after[KEY] == before[KEY]
    assert after["alice/films:bottom"].bundle != before["alice/films:bottom"].bundle


def test_a_package_that_is_gone_is_not_deployed_any_more(repo):
    repo.package("bottom")
    repo.commit()
    repo.deploy()
    shutil.rmtree(repo.folder / "bottom")
    repo.commit()
    (change,) = repo.plan().changes
    assert (change.path, change.action) == ("bottom", "removed")
    assert "alice.bottom.main: the workflow is removed" in change.workflows[1].breaking
    repo.deploy()
    assert set(repo.current().revision.packages) == {KEY}


def test_repositories_that_share_an_environment_leave_one_another_alone(repo, tmp_path):
    repo.deploy()
    other = type(repo)(tmp_path / "books")
    other.package("best")
    other.commit()
    other.deploy()
    assert set(repo.current().revision.packages) == {KEY, "alice/books:best"}
    twin = type(repo)(tmp_path / "copies")
    twin.package("top")
    twin.commit()
    with pytest.raises(DataflowError, match=r"workflow alice\.top\.daily is deployed there by alice/films:top"):
        twin.deploy()


def test_a_plan_shows_what_changes_and_what_of_it_breaks_readers(repo):
    repo.deploy()
    repo.edit("top/ddl.sql", "hours DOUBLE", "minutes INT, more STRING")
    repo.edit("top/main.sch.yaml", "primary_key: [date, id]", "primary_key: [date]")
    repo.edit("top/daily.sch.yaml", "LOOKBACK_DAYS: 3", "LOOKBACK_DAYS: 5")
    repo.commit()
    plan = repo.plan()
    (change,) = plan.changes
    assert {(it.name, it.action) for it in change.assets} == {("top/ddl.sql", "new"), ("top/src/write.sql", "same")}
    lines = [line for workflow in change.workflows for line in workflow.diff]
    assert "-  LOOKBACK_DAYS: '3'" in lines
    assert "+  LOOKBACK_DAYS: '5'" in lines
    assert any(line.startswith("+CREATE TABLE") and "minutes INT" in line for line in lines)
    assert plan.breaking == (
        "prod.alice_top_results: column hours removed",
        "prod.alice_top_results: key: date, id to date",
    )
    assert "prod.alice_top_results: column more STRING added" in change.tables
    json.dumps(plan.to_dict())


def test_a_removed_job_is_breaking(repo):
    repo.deploy()
    repo.edit("top/main.sch.yaml", "  - job:\n      id: metadata", "  - job:\n      id: described")
    repo.commit()
    assert repo.plan().breaking == ("alice.top.main: job metadata is removed",)


def test_a_saved_plan_is_done_as_it_is_or_not_at_all(repo, tmp_path):
    repo.deploy()
    repo.edit("top/src/write.sql", "<= 10", "<= 20")
    repo.commit()
    source, file = repo.source(), tmp_path / "plan.json"
    save_plan(make_plan(source), source, file)
    check_saved(make_plan(source), source, file)

    repo.edit("top/src/write.sql", "<= 20", "<= 30")
    repo.commit()
    with pytest.raises(DataflowError, match="the repository has changed since the plan was made: top"):
        check_saved(make_plan(repo.source()), repo.source(), file)

    repo.deploy()
    with pytest.raises(DataflowError, match="production has changed since the plan was made: from #1 to #2"):
        check_saved(make_plan(repo.source()), repo.source(), file)

    file.write_text("{}")
    with pytest.raises(UsageError, match="can't be read as a plan"):
        check_saved(make_plan(repo.source()), repo.source(), file)


def test_mistakes_are_told_before_anything_is_built(repo):
    repo.edit("top/main.sch.yaml", "${TARGET_DB}", "${TARGET_BD}")
    repo.commit()
    with pytest.raises(DefinitionError, match=r"main\.sch\.yaml:8:17: undefined parameter 'TARGET_BD'; did you mean"):
        repo.plan()
    assert repo.current() is None


def test_production_s_owner_is_the_pinned_one_whoever_deploys(repo, monkeypatch):
    repo.edit("dataflow.yaml", "TARGET_DB: prod", "TARGET_DB: ${dataflow.user}_prod")
    repo.commit()
    repo.git("remote", "add", "origin", "https://git.example.org/alice/films.git")
    monkeypatch.setenv("DATAFLOW_USER", "ci")
    repo.deploy()
    assert "owner: alice\n" in text_of(repo)
    assert "table: alice_prod.alice_top_results" in text_of(repo)
    (repo.folder / "top" / "identity.yaml").unlink()
    repo.commit()
    with pytest.raises(UsageError, match="so its owner would be whoever deploys it"):
        repo.plan()


def test_a_branch_stands_beside_production(repo):
    repo.deploy()
    repo.branch("feature")
    done = repo.deploy()
    switch = done.deployment.revision
    assert done.deployment.name == "branch-feature-alice"
    assert switch.database == "alice__feature"
    assert set(switch.workflows) == {"alice__feature.alice.top.main", "alice__feature.alice.top.daily"}
    assert (switch.expires - switch.at).days == 7
    text = text_of(repo, name=done.deployment.name)
    assert "table: alice__feature.alice_top_results" in text
    assert "SOURCE_TABLE: dataflow_demo.playback" in text
    assert repo.current().number == 1
    assert repo.current().revision.expires is None


@pytest.mark.parametrize(
    ("file", "old", "new", "table"),
    [
        (
            "main.sch.yaml",
            "table: ${TARGET_TABLE}\n        owner",
            "table: prod.results\n        owner",
            "prod.results",
        ),
        ("src/write.sql", "INSERT OVERWRITE ${TARGET_TABLE}", "INSERT INTO prod.other", "prod.other"),
    ],
)
def test_a_branch_that_would_write_production_s_tables_is_refused(repo, file, old, new, table):
    repo.branch("feature")
    if file.endswith(".sql"):
        repo.edit("top/main.sch.yaml", "script: ddl.sql", "script: src/write.sql")
    repo.edit(f"top/{file}", old, new)
    repo.commit()
    with pytest.raises(DefinitionError, match=f"may only write to alice__feature, and this writes {table}"):
        repo.deploy()


def test_a_schedule_counts_from_the_first_deployment(repo):
    first = repo.deploy().deployment.revision
    repo.edit("top/src/write.sql", "<= 10", "<= 20")
    repo.commit()
    second = repo.deploy().deployment.revision
    assert second.packages[KEY].since == first.at != second.at


def test_secrets_are_nowhere_in_the_registry(repo, home, monkeypatch):
    monkeypatch.setenv("CATALOG_TOKEN", "s3cr3t-value")
    repo.edit(
        "dataflow.yaml",
        "      TARGET_DB: prod\n",
        "      TARGET_DB: prod\n      KEY: ${secret:CATALOG_TOKEN}\n"
        "    openlineage: https://us:${secret:CATALOG_TOKEN}@lineage.example.org\n"
        "    catalog:\n      name: lake\n      token: ${secret:CATALOG_TOKEN}\n",
    )
    repo.edit("top/main.sch.yaml", "  SOURCE_TABLE:", "  OTHER: ${KEY}\n  SOURCE_TABLE:")
    repo.commit()
    repo.deploy()
    found = find_deployed(repo.registry, "alice.top.main")
    _, workflow = prepare_run(repo.registry, found, Request())
    assert workflow.environment.catalog["token"] == "${secret:CATALOG_TOKEN}"
    assert workflow.params["OTHER"] == "${secret:CATALOG_TOKEN}"
    assert workflow.environment.openlineage == "https://us:${secret:CATALOG_TOKEN}@lineage.example.org"
    files = [path for path in home.rglob("*") if path.is_file()]
    assert any(b"${secret:CATALOG_TOKEN}" in path.read_bytes() for path in files)
    assert not [path for path in files if b"s3cr3t-value" in path.read_bytes()]


@pytest.mark.parametrize(
    "setting",
    [
        "    state: postgresql+psycopg://us:hunter2@db.example.org/dataflow\n",
        "    catalog:\n      name: lake\n      jdbc.password: hunter2\n",
        "    openlineage: https://us:hunter2@lineage.example.org/api/v1/lineage\n",
    ],
)
def test_a_secret_in_the_clear_is_not_bundled(repo, setting):
    repo.edit("dataflow.yaml", "    branch: main\n", f"    branch: main\n{setting}")
    repo.commit()
    with pytest.raises(UsageError, match="contains a plain-text secret"):
        repo.deploy()
    assert repo.current() is None


def test_scripts_take_what_they_import_along(repo):
    repo.edit("top/main.sch.yaml", "script: src/write.sql", "script: src/write.py")
    repo.write("top/src/write.py", "from helper import x\n\ndef main(args, spark): pass\n")
    repo.write("top/src/helper.py", "x = 1\n")
    repo.write("top/src/deeper/values.json", "{}\n")
    repo.write("top/src/test_write.py", "def test(): pass\n")
    repo.write("top/src/mocks/a.yaml", "rows: []\n")
    repo.commit()
    repo.deploy()
    bundle = bundle_of(repo)
    assert {it.path for it in bundle.assets} == {
        "top/ddl.sql",
        "top/src/helper.py",
        "top/src/write.py",
        "top/src/write.sql",
    }
    assert set(bundle.files) == {"top/src/deeper/values.json"}
    _, workflow = prepare_run(repo.registry, find_deployed(repo.registry, "alice.top.main"), Request())
    assert (workflow.folder / "src" / "deeper" / "values.json").is_file()
    assert not (workflow.folder / "src" / "test_write.py").exists()


def test_the_same_text_under_two_names_is_two_files(repo):
    repo.package("bottom")
    (repo.folder / "bottom" / "ddl.sql").rename(repo.folder / "bottom" / "table.sql")
    repo.edit("bottom/main.sch.yaml", "script: ddl.sql", "script: table.sql")
    repo.commit()
    repo.deploy()
    _, workflow = prepare_run(repo.registry, find_deployed(repo.registry, "alice.bottom.main"), Request())
    assert (workflow.folder / "table.sql").read_text() == (repo.folder / "top" / "ddl.sql").read_text()


def test_another_package_s_definition_is_deployed_with_its_caller(repo):
    repo.package("bottom")
    repo.edit("bottom/daily.sch.yaml", "./main.sch.yaml", "../top/main.sch.yaml")
    repo.commit()
    repo.deploy()
    key = "alice/films:bottom"
    assert set(repo.current().revision.packages[key].workflows) == {"alice.bottom.main", "alice.bottom.daily"}
    _, workflow = prepare_run(repo.registry, find_deployed(repo.registry, "alice.bottom.daily"), Request())
    assert {it.identity.uuid for it in workflow.walk()} == {"uuid-of-bottom", "uuid-of-top"}
    before = repo.current().revision.packages[key].bundle
    repo.edit("top/main.sch.yaml", "SOURCE_TABLE: dataflow_demo.playback", "SOURCE_TABLE: dataflow_demo.other")
    repo.commit()
    repo.deploy()
    assert repo.current().revision.packages[key].bundle != before


def test_references_are_pinned_and_run_from_the_registry(repo, tmp_path):
    other = type(repo)(tmp_path / "shared")
    other.package("common")
    other.commit()
    other.deploy()
    repo.edit("top/main.sch.yaml", "script: ddl.sql", "script: ${dataflow.sql.common~~src~~write}")
    repo.commit()
    repo.deploy()
    (asset,) = [it for it in bundle_of(repo).assets if it.path is None]
    assert asset.id.startswith("dataflow.sql.common~~src~~write.alice.shared.main.")
    assert f"script: asset:{asset.id}#sha256:{asset.sha256}\n" in text_of(repo)
    assert not repo.plan().changes
    _, workflow = prepare_run(repo.registry, find_deployed(repo.registry, "alice.top.main"), Request())
    script = workflow.folder / workflow.steps[0].job.spark.script
    assert script.read_text().startswith("INSERT OVERWRITE")

    other.edit("common/src/write.sql", "<= 10", "<= 99")
    other.commit()
    other.deploy()
    assert [it.path for it in repo.plan().changes] == ["top"]  # the latest one is another now

    repo.edit("top/main.sch.yaml", "common~~src", "comon~~src")
    repo.commit()
    with pytest.raises(UsageError, match="there is no sql 'comon/src/write', here or deployed; did you mean"):
        repo.plan()


def test_a_team_s_registry_is_in_a_store(repo, s3_address):
    repo.edit("dataflow.yaml", "project: films\n", f"project: films\nregistry: {s3_address}\n")
    repo.commit()
    repo.deploy()
    repo.edit("top/src/write.sql", "<= 10", "<= 20")
    repo.commit()
    assert repo.deploy().deployment.number == 2
    registry = repo.registry
    assert registry.address == s3_address
    plan_rollback(registry, "production").apply(registry)
    shutil.rmtree(repo.folder)
    _, workflow = prepare_run(registry, find_deployed(registry, "alice.top.main"), Request())
    assert "title_id <= 10" in (workflow.folder / "src" / "write.sql").read_text()
