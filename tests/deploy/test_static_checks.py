"""Workflows rendered and checked without running anything, as `project test` does it."""

from __future__ import annotations

import shutil

import pytest

from dataflow.deploy.deployed_run import find_deployed, prepare_run
from dataflow.deploy.static_checks import check_workflows
from dataflow.sample.recipes import recipes
from dataflow.workflow.load import Request
from tests.support.places import EXAMPLES


def checked(repo):
    return {it.file.relative_to(repo.folder).as_posix(): it for it in check_workflows([repo.folder])}


@pytest.mark.parametrize("recipe", recipes(), ids=lambda it: it.name)
def test_each_recipe_s_workflows_pass(repo, recipe):
    shutil.rmtree(repo.folder / "top")
    shutil.copytree(EXAMPLES / recipe.example, repo.folder / "titles")
    repo.write("titles/identity.yaml", "owner: alice\npackage_id: alice.titles\nuuid: uuid-of-titles\n")
    found = checked(repo)
    assert {it.status for it in found.values()} == {"passed"}
    rendered = repo.folder / ".workflows" / "titles.main.sch.rendered.yaml"
    assert found["titles/main.sch.yaml"].rendered == rendered
    assert "table: alice_sandbox.alice_titles_results" in rendered.read_text()
    is_jar = (repo.folder / "titles" / "build.sbt").exists()
    script = "script: asset:dataflow.jar.titles#to-be-pinned" if is_jar else "script: ./src/"
    assert script in rendered.read_text()


def test_what_is_rendered_is_no_change_of_the_repository(repo):
    assert checked(repo)["top/main.sch.yaml"].status == "passed"
    assert repo.source().checkout.is_clean


def test_each_mistake_is_told_at_its_definition(repo):
    repo.package("bottom")
    repo.edit("top/src/write.sql", "GROUP BY title_id", "GROUP BY (title_id")
    repo.edit("bottom/main.sch.yaml", "${TARGET_DB}", "${TARGET_BD}")
    repo.commit()
    found = checked(repo)
    assert found["top/daily.sch.yaml"].status == "passed"
    (sql,) = found["top/main.sch.yaml"].problems
    assert sql.startswith("top/src/write.sql:3:")
    assert "SQL: Expecting )" in sql
    (parameter,) = found["bottom/main.sch.yaml"].problems
    assert "bottom/main.sch.yaml:8:17: undefined parameter 'TARGET_BD'" in parameter
    assert found["bottom/daily.sch.yaml"].status == "skipped"


def test_python_that_does_not_parse_and_tables_that_nobody_makes_are_told(repo):
    repo.edit("top/main.sch.yaml", "script: src/write.sql", "script: src/write.py")
    repo.write("top/src/write.py", "def main(args, spark)\n    pass\n")
    repo.edit("top/main.sch.yaml", "dataflow_demo.playback", "films.playback")
    problems = checked(repo)["top/main.sch.yaml"].problems
    assert "top/src/write.py:1:22: Python: expected ':'" in problems
    assert "table films.playback does not exist, and no workflow here makes it" in problems


def test_a_table_that_another_workflow_makes_need_not_be_there(repo):
    repo.package("bottom")
    repo.edit("bottom/main.sch.yaml", "dataflow_demo.playback", "${TARGET_DB}.alice_top_results")
    assert checked(repo)["bottom/main.sch.yaml"].status == "passed"


def test_a_reference_to_nothing_is_told(repo):
    repo.edit("top/main.sch.yaml", "script: ddl.sql", "script: ${dataflow.sql.nothing}")
    (problem,) = checked(repo)["top/main.sch.yaml"].problems
    assert problem.startswith("there is no sql 'nothing', here or deployed")


def test_an_r_script_takes_along_what_it_sources_and_its_project(repo):
    shutil.rmtree(repo.folder / "top")
    shutil.copytree(EXAMPLES / "sparklyr-workflow", repo.folder / "titles")
    repo.write("titles/identity.yaml", "owner: alice\npackage_id: alice.titles\nuuid: uuid-of-titles\n")
    repo.commit()
    repo.deploy()
    _, workflow = prepare_run(repo.registry, find_deployed(repo.registry, "titles.main"), Request())
    there = {path.relative_to(workflow.folder).as_posix() for path in workflow.folder.rglob("*") if path.is_file()}
    assert {"src/sparklyr_write.R", "src/tables.R", "src/viewing.R", "DESCRIPTION"} <= there
    assert not [name for name in there if "testthat" in name or "mocks" in name]
