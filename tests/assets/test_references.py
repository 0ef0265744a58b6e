from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.assets.ids import ASSET_TYPES, AssetId
from dataflow.assets.publish import Pin
from dataflow.assets.references import Reference, References, is_reference
from dataflow.assets.registry import Registry
from dataflow.errors import UsageError
from dataflow.repository.checkout import Checkout

HERE = Checkout(root=None, owner="user", repo="data", branch="main", commit="ab" * 20, dirty=False)
NAMES = st.text(alphabet="aZ0-_~./é", min_size=1, max_size=8)


@pytest.fixture
def registry(tmp_path):
    return Registry(str(tmp_path))


def built(registry, namespace, *, type_="jar", owner="user", repo="data", branch="main", commit="39206ee8"):
    def entry(number):
        id_ = AssetId(type_, namespace, owner, repo, branch, commit, number)
        return {"id": str(id_), "inputs": "00", "artifact": {"sha256": "aa", "name": "a.jar", "size": 1}}

    series = AssetId(type_, namespace, owner, repo, branch, commit, 1).series
    return Pin.of(registry.append(series, entry)[1])


def complaint(references, text):
    with pytest.raises(UsageError) as error:
        references.resolve(text)
    return f"{error.value.message} → {error.value.hint}"


def test_the_latest_of_this_branch_is_meant_where_nothing_else_is_said(registry):
    built(registry, "etl", branch="feature")
    built(registry, "etl")
    second = built(registry, "etl")
    assert References(registry, HERE).resolve("dataflow.jar.etl") == second


def test_what_this_deployment_builds_comes_before_what_is_registered(registry):
    old = built(registry, "etl")
    new = replace(old, id=replace(old.id, build=7))
    references = References(registry, HERE, {("jar", "etl"): new})
    assert references.resolve("dataflow.jar.etl") == new
    assert references.resolve("dataflow.jar.etl.user.data@main") == new
    assert references.resolve(str(new.id)) == new
    assert references.resolve("dataflow.jar.etl@main.1") == old


def test_a_branch_and_one_of_its_builds_can_be_named(registry):
    first = built(registry, "etl", branch="feature/a.b")
    second = built(registry, "etl", branch="feature/a.b")
    references = References(registry, HERE)
    assert references.resolve("dataflow.jar.etl@feature~~a~_b") == second
    assert references.resolve("dataflow.jar.etl@feature/a~_b.1") == first
    assert references.resolve(str(first.id)) == first


def test_an_asset_of_another_repository_is_found_and_its_main_branch_is_meant(registry):
    built(registry, "rank", owner="team", repo="shared", branch="feature")
    there = built(registry, "rank", owner="team", repo="shared", branch="master")
    references = References(registry, HERE)
    assert references.resolve("dataflow.jar.rank") == there
    assert references.resolve("dataflow.jar.rank.team.shared") == there
    built(registry, "rank", owner="other", repo="shared")
    assert complaint(references, "dataflow.jar.rank") == (
        "'${dataflow.jar.rank}' is in several repositories"
        " → there is ${dataflow.jar.rank.other.shared}, ${dataflow.jar.rank.team.shared}"
    )
    own = built(registry, "rank")
    assert references.resolve("dataflow.jar.rank") == own


def test_a_script_can_be_named_by_its_path(registry):
    script = built(registry, "titles/src/write", type_="sql")
    references = References(registry, HERE)
    assert references.resolve("dataflow.sql.titles/src/write") == script
    assert references.resolve("dataflow.sql.titles~~src~~write@main.1") == script


def test_only_a_sandbox_takes_what_no_commit_holds(registry):
    clean = built(registry, "etl")
    dirty = built(registry, "etl", commit="dirty-39206ee8")
    assert References(registry, HERE).resolve("dataflow.jar.etl") == clean
    assert References(registry, HERE, unclean=True).resolve("dataflow.jar.etl") == dirty
    built(registry, "new", commit="dirty-39206ee8")
    assert "has no build that a commit holds" in complaint(References(registry, HERE), "dataflow.jar.new")


def test_an_unknown_one_lists_the_nearest_and_what_is_deployed(registry):
    built(registry, "scala-workflow")
    built(registry, "etl", type_="wheel")
    references = References(registry, HERE)
    assert complaint(references, "dataflow.jar.scala-workflw") == (
        "there is no jar 'scala-workflw', here or deployed; did you mean 'scala-workflow'?"
        " → there is ${dataflow.jar.scala-workflow}"
    )
    assert "it is a wheel" in complaint(references, "dataflow.jar.etl")
    assert "nothing of type r is here or was ever deployed" in complaint(references, "dataflow.r.rank")
    assert complaint(references, "dataflow.jar.scala-workflow@mian") == (
        "'${dataflow.jar.scala-workflow@mian}' has no build of that branch → there are builds of @main"
    )
    assert complaint(references, "dataflow.jar.scala-workflow@main.9") == (
        "'${dataflow.jar.scala-workflow@main.9}' was never built"
        " → there is dataflow.jar.scala-workflow.user.data.main.39206ee8.1"
    )
    assert "is not of that repository" in complaint(references, "dataflow.jar.scala-workflow.user.other")
    assert "was never built" in complaint(references, "dataflow.jar.scala-workflow.user.data.main.00000000.1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dataflow.jar", "refers to no asset"),
        ("dataflow.jar.a.b", "refers to no asset"),
        ("dataflow.jar.a@", "refers to no asset"),
        ("dataflow.jra.a", "'jra' is not a type of asset; did you mean 'jar'"),
        ("dataflow.jar.a@release/1.2.3", "a branch of that name is spelled @release~~1~_2~_3"),
        ("dataflow.jar.a~x", "is not the spelling of a name"),
    ],
)
def test_what_is_wrong_with_a_reference_is_said(registry, text, said):
    assert said in complaint(References(registry, HERE), text)


@given(
    st.sampled_from(ASSET_TYPES),
    NAMES,
    st.none() | st.tuples(NAMES, NAMES),
    st.none() | st.tuples(NAMES, st.none() | st.integers(1, 99)),
)
def test_a_reference_is_what_its_text_says(type_, namespace, repository, version):
    branch, build = version or (None, None)
    reference = Reference(type_, namespace, repository, branch, build)
    assert Reference.parse(str(reference)) == reference
    assert is_reference(str(reference))


def test_built_ins_are_no_references():
    assert not is_reference("dataflow.yesterday")
    assert not is_reference("TARGET_TABLE")
    assert is_reference("dataflow.jar.etl@main.1")
