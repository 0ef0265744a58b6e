from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.assets.ids import ASSET_TYPES, AssetId, escape, unescape
from dataflow.errors import UsageError

NAMES = st.text(min_size=1).filter(lambda text: not any("\ud800" <= it <= "\udfff" for it in text))
TEXT = "dataflow.jar.scala-workflow.user.stranger-data.master.39206ee8.11"


@given(NAMES)
def test_every_name_has_one_spelling_that_leads_back_to_it(name):
    spelled = escape(name)
    assert unescape(spelled) == name
    assert set(spelled) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_~")


@given(st.text(alphabet="aB0-_~./%é", min_size=1))
def test_what_is_no_spelling_is_refused(text):
    try:
        name = unescape(text)
    except ValueError:
        return
    assert escape(name) == text


@given(st.builds(AssetId, st.sampled_from(ASSET_TYPES), NAMES, NAMES, NAMES, NAMES, NAMES, st.integers(min_value=1)))
def test_an_id_is_what_its_text_says(asset):
    assert AssetId.parse(str(asset)) == asset


def test_an_id_reads_as_it_should():
    asset = AssetId("jar", "scala-workflow", "user", "stranger-data", "master", "39206ee8", 11)
    assert str(asset) == TEXT
    assert AssetId.parse(TEXT) == asset
    assert asset.series == "builds/jar/scala-workflow/user/stranger-data/master"


@pytest.mark.parametrize(
    ("branch", "spelled"), [("feature/a.b", "feature~~a~_b"), ("release-1_2", "release-1_2"), ("é", "~c3~a9")]
)
def test_branches_have_a_spelling_without_dots_and_slashes(branch, spelled):
    assert escape(branch) == spelled


def test_only_what_a_commit_holds_is_clean():
    clean = AssetId.parse(TEXT)
    assert clean.is_clean
    assert not AssetId.parse(TEXT.replace("39206ee8", "dirty-39206ee8")).is_clean
    assert not AssetId.parse(TEXT.replace("39206ee8", "nogit-39206ee8")).is_clean


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dataflow.jar.scala-workflow", "is not an asset id"),
        (TEXT.replace(".jar.", ".jra."), "'jra' is not a type of asset; did you mean 'jar'"),
        (TEXT.replace(".11", ".011"), "'011' is not a build number"),
        (TEXT.replace("master", "~2"), "'~2' is not the spelling of a name"),
        (TEXT.replace("user", "~61"), "'~61' is not the spelling of a name"),
    ],
)
def test_what_is_wrong_with_an_id_is_said(text, said):
    with pytest.raises(UsageError, match=said):
        AssetId.parse(text)
