from __future__ import annotations

import textwrap

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dataflow.workflow.identity import Identity
from dataflow.workflow.load import Request, load_workflow
from dataflow.workflow.project import Environment
from dataflow.workflow.render import RenderContext, Rendering, dump, given_by, known_params
from dataflow.workflow.yamlfile import read_yaml

PRODUCTION = Environment("production", {"TARGET_DB": "prod", "WHO": "${dataflow.user}", "KEY": "${secret:KEY}"})
ALICE = Identity("alice", "alice.films", "a-uuid")
DEFINITION = """
# a comment
version: 1
workflow:
  id: ${dataflow.package_id}.main
params:
  EXECUTION_DATE: ${dataflow.yesterday}
  PARALLEL: 2
  TARGET_TABLE: ${TARGET_DB}.results
  BOTH: ${TARGET_TABLE} ${EXECUTION_DATE}
  ESCAPED: $${TARGET_DB}
jobs:
  - job:
      type: Notification
      id: tell
      notification:
        to: [owner]
        subject: ${dataflow.workflow_id} wrote ${TARGET_TABLE} of ${EXECUTION_DATE} for ${WHO}
        message: |
          ${BOTH}
          ${ESCAPED} ${dataflow.run_id} ${secret:KEY} ${PARALLEL}
"""


@pytest.fixture
def file(tmp_path):
    def written(text):
        path = tmp_path / "main.sch.yaml"
        path.write_text(textwrap.dedent(text).lstrip())
        return read_yaml(path)

    return written


def rendering(file, **known):
    return Rendering(file, RenderContext(PRODUCTION, ALICE, "ci", **known))


def test_what_is_known_is_put_in_and_what_a_run_decides_is_kept(file):
    found = rendering(file(DEFINITION))
    told = yaml.safe_load(found.text)["jobs"][0]["job"]["notification"]
    assert told["subject"] == "alice.films.main wrote prod.results of ${EXECUTION_DATE} for ci"
    assert told["message"] == "${BOTH}\n${ESCAPED} ${dataflow.run_id} ${secret:KEY} ${PARALLEL}\n"
    assert yaml.safe_load(found.text)["params"] == {
        "BOTH": "prod.results ${EXECUTION_DATE}",
        "ESCAPED": "$${TARGET_DB}",
        "EXECUTION_DATE": "${dataflow.yesterday}",
        "PARALLEL": "2",
        "TARGET_TABLE": "prod.results",
    }


def test_only_what_environment_and_package_decide_is_fixed(file):
    assert rendering(file(DEFINITION)).fixed == {
        "TARGET_DB": "prod",
        "TARGET_TABLE": "prod.results",
        "WHO": "ci",
        "KEY": "${secret:KEY}",
    }


def test_what_a_caller_gives_is_not_fixed(file):
    found = rendering(file(DEFINITION), given={"TARGET_TABLE"})
    assert "TARGET_TABLE" not in found.fixed
    assert "wrote ${TARGET_TABLE} of" in found.text


def test_a_deployment_s_workflows_have_ids_of_their_own(file):
    found = rendering(file(DEFINITION), id_prefix="alice__x.")
    assert found.id == "alice__x.alice.films.main"
    assert "alice__x.alice.films.main wrote" in found.text


def test_the_text_is_the_same_whatever_the_order_and_comments(file):
    one = rendering(file(DEFINITION)).text
    other = DEFINITION.replace("# a comment\n", "").replace(
        "      type: Notification\n      id: tell\n", "      id: tell\n      type: Notification\n"
    )
    assert rendering(file(other)).text == one


def test_references_are_rendered_to_what_they_are_pinned_to(file):
    text = DEFINITION.replace("${BOTH}", "${dataflow.jar.films@main.3}")
    assert "at dataflow.jar.films@main.3!" in rendering(file(text), reference=lambda name: f"at {name}!").text


def test_a_rendered_definition_runs_as_the_definition_does(file, tmp_path):
    request = Request(environment=PRODUCTION, user="ci", date=None, run_id="r")
    (tmp_path / "identity.yaml").write_text("owner: alice\npackage_id: alice.films\nuuid: a-uuid\n")
    source = file(DEFINITION)
    before = load_workflow(source.path, request)
    source.path.write_text(rendering(source).text)
    after = load_workflow(source.path, request)
    assert after.steps == before.steps
    assert after.params == before.params
    assert after.id == before.id


def test_what_callers_give_is_found_in_loops_too(file):
    text = """
        version: 1
        jobs:
          - job: {id: a, type: Subworkflow, subworkflow: {file: ./x.sch.yaml, params: {A: 1}}}
          - foreach:
              id: b
              job: {id: c, type: Subworkflow, subworkflow: {file: ./x.sch.yaml, params: {B: 1}}}
    """
    assert given_by(file(text)) == {"./x.sch.yaml": {"A", "B"}}


def test_environments_know_who_deploys():
    assert known_params(RenderContext(PRODUCTION, ALICE, "ci")) == {
        "TARGET_DB": "prod",
        "WHO": "ci",
        "KEY": "${secret:KEY}",
    }


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), include_characters="\n"), max_size=30)
DATA = st.recursive(
    st.one_of(TEXT, st.integers(-(10**6), 10**6), st.booleans()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), DATA, min_size=1, max_size=3))
def test_what_is_dumped_reads_back_as_it_was(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("dump") / "a.yaml"
    path.write_text(dump(data), encoding="utf-8")
    assert read_yaml(path).data == data
