"""Taking deployments down, and tables back: on the embedded catalog, by PyIceberg."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from dataflow.deploy.destroy import destroy, plan_destroy, plan_sweep
from dataflow.deploy.rollback import plan_rollback
from dataflow.deploy.targets import branch_target, sandbox_target
from dataflow.errors import DataflowError, UsageError
from dataflow.tables.catalog import open_catalog, warehouse
from dataflow.tables.properties import MOVING_COLUMNS
from dataflow.tables.pyiceberg_catalog import list_tables
from dataflow.tables.rollback import roll_back
from dataflow.workflow.project import Environment

pytestmark = pytest.mark.slow

KEY = "alice/films:top"
ROWS = pa.table({"id": pa.array([1, 2], pa.int32())})


@pytest.fixture
def catalog(repo):  # noqa: ARG001 - the catalog is in its home
    return open_catalog(Environment("any"))


def make(catalog, name, **properties):
    catalog.create_namespace_if_not_exists(name.rpartition(".")[0])
    marked = {f"dataflow.{key.replace('_', '-')}": value for key, value in properties.items()}
    place = f"{warehouse()}/{name.replace('.', '/')}"
    return catalog.create_table(name, ROWS.schema, location=place, properties=marked)


def publish(table, bundle, day=None):
    """Publish rows as a run of a bundle does; of no bundle as somebody else would."""
    about = {"dataflow.bundle": bundle} if bundle else {}
    about |= {"dataflow.partition": f"date={day}", "dataflow.sources": '{"s": [1, 2]}'} if day else {}
    table.append(ROWS, snapshot_properties=about)
    return table.refresh().current_snapshot().snapshot_id


def test_with_a_branch_goes_what_it_made_and_nothing_else(repo, catalog):
    repo.branch("feature")
    repo.deploy()
    make(catalog, "alice__feature.alice_top_results", package="uuid-of-top")
    make(catalog, "alice__feature.notes")
    make(catalog, "alice__feature.foreign", package="uuid-of-bob")
    make(catalog, "prod.alice_top_results", package="uuid-of-top")
    target = branch_target("feature", repo.source().project)
    planned = plan_destroy(repo.registry, target.name, target.environment)
    assert planned.tables == ("alice__feature.alice_top_results",)
    assert planned.left == ("alice__feature.foreign", "alice__feature.notes")
    assert planned.workflows == ("alice__feature.alice.top.daily", "alice__feature.alice.top.main")

    destroy(repo.registry, planned)
    assert list_tables(catalog) == ["alice__feature.foreign", "alice__feature.notes", "prod.alice_top_results"]
    assert repo.current(target.name) is None
    assert repo.deploy().deployment.number == 3  # what was deployed before is history, and goes on


def test_an_empty_database_goes_as_well(repo, catalog):
    repo.branch("feature")
    repo.deploy()
    make(catalog, "alice__feature.alice_top_results", package="uuid-of-top")
    target = branch_target("feature", repo.source().project)
    destroy(repo.registry, plan_destroy(repo.registry, target.name, target.environment))
    assert ("alice__feature",) not in catalog.list_namespaces()


def test_a_killed_destruction_is_finished_by_doing_it_again(repo, catalog):
    repo.branch("feature")
    repo.deploy()
    for name in ("a", "b"):
        make(catalog, f"alice__feature.{name}", package="uuid-of-top")
    target = branch_target("feature", repo.source().project)

    def killed(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        destroy(repo.registry, plan_destroy(repo.registry, target.name, target.environment), killed)
    assert repo.current(target.name) is not None
    destroy(repo.registry, plan_destroy(repo.registry, target.name, target.environment))
    assert list_tables(catalog) == []
    assert repo.current(target.name) is None


def test_production_can_t_be_taken_down(repo):
    repo.deploy()
    project = repo.source().project
    with pytest.raises(UsageError, match="branch main deploys to production, which the team shares"):
        branch_target("main", project)
    with pytest.raises(UsageError, match="is a shared environment"):
        plan_destroy(repo.registry, "production", project.environments["production"])


def test_one_s_own_sandbox_goes_with_what_plain_runs_made(repo, catalog):
    make(catalog, "alice_sandbox.alice_top_results", package="uuid-of-top")
    make(catalog, "alice_sandbox.by_hand")
    make(catalog, "bob_sandbox.results", package="uuid-of-top")
    target = sandbox_target(repo.source().project)
    planned = plan_destroy(repo.registry, target.name, target.environment)
    assert (planned.tables, planned.left) == (("alice_sandbox.alice_top_results",), ("alice_sandbox.by_hand",))
    destroy(repo.registry, planned)
    assert list_tables(catalog) == ["alice_sandbox.by_hand", "bob_sandbox.results"]


def test_only_what_outlived_its_time_is_swept_and_production_never(repo, catalog):
    repo.deploy()
    repo.branch("feature")
    repo.deploy()
    repo.deploy(sandbox=True)
    make(catalog, "alice__feature.alice_top_results", package="uuid-of-top")
    make(catalog, "alice_sandbox.alice_top_results", package="uuid-of-top")
    make(catalog, "alice_sandbox.of_a_plain_run", package="uuid-of-top")
    now = dt.datetime.now(dt.UTC)
    assert plan_sweep(repo.registry, now + dt.timedelta(days=6)) == []
    found = plan_sweep(repo.registry, now + dt.timedelta(days=8))
    assert {it.environment: it.tables for it in found} == {
        "branch-feature-alice": ("alice__feature.alice_top_results",),
        "sandbox-alice": ("alice_sandbox.alice_top_results",),
    }
    for it in found:
        destroy(repo.registry, it)
    assert list_tables(catalog) == ["alice_sandbox.of_a_plain_run"]
    assert repo.current().number == 1
    assert plan_sweep(repo.registry, now + dt.timedelta(days=999)) == []


def test_what_is_deployed_meanwhile_stays(repo):
    repo.branch("feature")
    repo.deploy()
    target = branch_target("feature", repo.source().project)
    planned = plan_destroy(repo.registry, target.name, target.environment)
    repo.edit("top/src/write.sql", "<= 10", "<= 20")
    repo.commit()
    repo.deploy()
    with pytest.raises(DataflowError, match="branch-feature-alice has just been changed by somebody else"):
        destroy(repo.registry, planned)


# ------------------------------------------------------------------------------------ rollback --with-data


@pytest.fixture
def two(repo):
    """Deploy two commits, and return their bundles."""
    first = repo.deploy().deployment.revision.packages[KEY].bundle
    repo.edit("top/src/write.sql", "<= 10", "<= 20")
    repo.commit()
    return first, repo.deploy().deployment.revision.packages[KEY].bundle


def plan(repo):
    return plan_rollback(repo.registry, "production", with_data=True)


def test_tables_return_to_what_the_bundle_had_published(repo, catalog, two):
    table = make(catalog, "prod.alice_top_results", package="uuid-of-top", hwm="2026-01-03")
    publish(table, two[0], "2026-01-01")
    wanted = publish(table, two[0], "2026-01-02")
    publish(table, two[1], "2026-01-02")
    publish(table, two[1], "2026-01-03")
    (planned,) = plan(repo).tables
    assert (planned.snapshot, planned.undone) == (wanted, ("date=2026-01-03", "date=2026-01-02"))
    roll_back(catalog, planned)
    table.refresh()
    assert table.current_snapshot().snapshot_id == wanted
    assert table.properties["dataflow.hwm"] == "2026-01-02"  # the third day is missing again
    assert table.properties["dataflow.hwm.sources"] == '{"s": [1, 2]}'
    assert plan(repo).tables == ()


def test_days_that_were_there_before_stay_complete(repo, catalog, two):
    table = make(catalog, "prod.alice_top_results", package="uuid-of-top", hwm="2026-01-02")
    publish(table, two[0], "2026-01-01")
    publish(table, two[0], "2026-01-02")
    publish(table, two[1], "2026-01-01")
    (planned,) = plan(repo).tables
    roll_back(catalog, planned)
    assert table.refresh().properties["dataflow.hwm"] == "2026-01-02"


def test_what_others_wrote_is_not_undone(repo, catalog, two):
    table = make(catalog, "prod.alice_top_results", package="uuid-of-top")
    publish(table, two[0], "2026-01-01")
    publish(table, two[1], "2026-01-02")
    publish(table, None)
    with pytest.raises(DataflowError, match="was written by somebody else since: snapshot"):
        plan(repo)
    with table.transaction() as change:
        change.set_properties({MOVING_COLUMNS: '{"hours": "view_hours"}'})
    with pytest.raises(DataflowError, match="by somebody else, or by the migration that moves its columns, since"):
        plan(repo)


def test_what_was_written_while_it_was_looked_at_is_not_undone(repo, catalog, two):
    table = make(catalog, "prod.alice_top_results", package="uuid-of-top")
    publish(table, two[0], "2026-01-01")
    publish(table, two[1], "2026-01-02")
    (planned,) = plan(repo).tables
    last = publish(table, None)
    with pytest.raises(DataflowError, match="was written by somebody else just now"):
        roll_back(catalog, planned)
    assert table.refresh().current_snapshot().snapshot_id == last


def test_a_bundle_that_never_published_has_nothing_to_return_to(repo, catalog, two):
    table = make(catalog, "prod.alice_top_results", package="uuid-of-top")
    publish(table, two[1], "2026-01-02")
    with pytest.raises(DataflowError, match="has published nothing to prod"):
        plan(repo)


def test_another_package_s_table_is_left_alone(repo, catalog, two):  # noqa: ARG001 - two are deployed
    make(catalog, "prod.alice_top_results", package="uuid-of-bob")
    with pytest.raises(DataflowError, match="is not this package's"):
        plan(repo)


def test_to_take_down_twice_is_no_mistake_and_to_take_down_what_never_was_is_one(repo):
    repo.branch("feature")
    repo.deploy()

    def run(name):
        done = repo.command("project", "destroy", "--yes", "--branch", name)
        return done.returncode, done.stdout + done.stderr

    assert run("feature")[0] == 0
    code, said = run("feature")
    assert (code, said) == (0, "there is nothing to take down\n")
    code, said = run("feture")
    assert code == 2
    assert "there is no deployment 'branch-feture-alice'" in said


def test_a_branch_of_any_length_has_a_deployment(repo):
    name = "feature/" + "b" * 120 + "/" + "c" * 110
    repo.branch(name)
    done = repo.deploy()
    assert len(done.deployment.revision.database) <= 128
    target = branch_target(name, repo.source().project)
    assert repo.current(target.name).number == 1
    destroy(repo.registry, plan_destroy(repo.registry, target.name, target.environment))
    assert repo.current(target.name) is None
