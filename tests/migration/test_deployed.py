"""Lineage of what is deployed follows what is deployed, by the commands that deploy and those that ask."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from dataflow.engine.catalog import open_catalog
from dataflow.workflow.project import Environment
from film_repo import Repo

SOURCE = "dataflow_demo.playback"
DEADLINE = (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=60)).isoformat()


class Films(Repo):
    """The repository, with the command line in it."""

    def __init__(self, command, nowhere):
        super().__init__(command.folder)
        self.command, self.nowhere = command, nowhere

    def deployed(self, message="a change"):
        self.commit(message)
        return self.command("project", "deploy").stdout

    def readers(self, what=SOURCE, env="production"):
        """Return who reads a table or a column by what is deployed, each with its bundle."""
        asked = ("migration", "lineage", what, "--downstream", "--depth", "1", "--checkout", self.nowhere, "--env", env)
        found = self.command.json(*asked)["workflows"]
        return {(each["workflow"], each["bundle"]) for each in found if each["source"] == "deployed"}

    def standing(self):
        found = self.command.json("migration", "status", "--env", "production")["readers"]
        return {each["workflow"]: (each["state"], each["why"]) for each in found}


@pytest.fixture
def films(here_command, tmp_path):
    import pyarrow as pa

    home = Path(here_command.environ["DATAFLOW_HOME"])
    catalog = open_catalog(Environment("sandbox"))
    catalog.create_namespace("dataflow_demo")
    columns = [("title_id", pa.int32()), ("view_hours", pa.float64()), ("hours", pa.float64()), ("date", pa.date32())]
    catalog.create_table(SOURCE, pa.schema(columns), location=str(home / "playback"))
    (tmp_path / "nowhere").mkdir()
    here_command.folder.rmdir()
    found = Films(here_command, tmp_path / "nowhere")
    found.package("top")
    return found


def bundle_of(films, package="top", env="production"):
    switch = films.current(env).switch
    return next(it.bundle for key, it in switch.packages.items() if key.endswith(f":{package}"))


def test_each_switch_brings_the_lineage_of_what_runs_from_then_on(films):
    films.deployed()
    assert films.readers() == {("alice.top.main", bundle_of(films))}
    assert films.readers(f"{SOURCE}.view_hours") == {("alice.top.main", bundle_of(films))}

    films.edit("top/src/write.sql", "SUM(view_hours)", "SUM(hours)")
    films.deployed()
    assert films.readers(f"{SOURCE}.view_hours") == set()
    assert films.readers(f"{SOURCE}.hours") == {("alice.top.main", bundle_of(films))}

    films.command("project", "rollback", "--yes")
    assert films.readers(f"{SOURCE}.view_hours") == {("alice.top.main", bundle_of(films))}
    assert films.readers(f"{SOURCE}.hours") == set()


def test_a_branch_s_deployment_is_known_as_long_as_it_stands(films):
    films.deployed()
    films.branch("feature/x")
    films.edit("top/src/write.sql", "title_id <= 10", "title_id <= 20")
    films.deployed()
    workflows = {workflow for workflow, _ in films.readers()}
    assert len(workflows) == 2
    films.command("project", "destroy", "--branch", "feature/x", "--yes")
    assert {workflow for workflow, _ in films.readers()} == {"alice.top.main"}


def test_a_reader_has_moved_by_its_next_deployment_or_when_it_is_deployed_no_more(films):
    films.package("other")
    films.deployed()
    films.command("migration", "start", SOURCE, "--drop", "view_hours", "--deadline", DEADLINE, "--env", "production")
    assert {state for state, _ in films.standing().values()} == {"open"}
    assert films.standing()["alice.top.main"][1].startswith("its latest deployment reads it")

    films.edit("top/src/write.sql", "SUM(view_hours)", "SUM(hours)")
    films.deployed()
    assert films.standing()["alice.top.main"] == ("moved", "its latest deployment uses the old name no more")
    assert films.standing()["alice.other.main"][0] == "open"
    films.git("rm", "-rq", "other")
    films.deployed()
    assert films.standing()["alice.other.main"][0] == "moved"


def test_killed_between_the_switch_and_its_lineage_the_next_look_brings_it(films):
    films.deployed()
    films.command("migration", "start", SOURCE, "--drop", "view_hours", "--deadline", DEADLINE, "--env", "production")
    films.edit("top/src/write.sql", "SUM(view_hours)", "SUM(hours)")
    films.commit()
    films.deploy()  # the switch alone
    assert films.standing()["alice.top.main"][0] == "moved"


def test_a_deployment_that_was_switched_succeeds_whatever_becomes_of_its_lineage(films):
    (films.folder / "dataflow.yaml").write_text(
        (films.folder / "dataflow.yaml")
        .read_text()
        .replace("branch: main", "branch: main\n    state: sqlite:////proc/no/state.db")
    )
    films.commit()
    done = films.command("project", "deploy")
    assert "production is at #1 now" in done.stdout
    assert "lineage of production is not known, and is read again by the next deployment" in done.stderr
