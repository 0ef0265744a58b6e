"""The words of ours: each once, short where it is met, whole in the glossary."""

from __future__ import annotations

import pytest

from dataflow.glossary import WORDS, as_markdown, find_word, words_in

NAMES = [it.name for it in WORDS]


def test_words_are_listed_once_and_in_order():
    assert sorted(NAMES, key=str.lower) == NAMES
    assert len(set(NAMES)) == len(NAMES)
    assert {"bundle", "hwm", "sandbox", "wap"} <= {it.name for it in WORDS if it.explained}


@pytest.mark.parametrize("word", WORDS, ids=lambda it: it.name)
def test_a_word_is_found_as_it_is_spelled_and_explained_without_itself(word):
    for spelled in (word.name, word.name.upper(), word.name.title()):
        assert find_word(spelled) is word
    assert word.is_in(f"a {word.name}.step of a run")
    assert not word.is_in(f"x{word.name}x")
    assert len(word.short) <= 110
    assert not word.short.endswith(".")
    assert word.more.endswith(".")


def test_only_words_that_a_newcomer_can_not_know_are_explained_where_they_are_met():
    assert [it.name for it in words_in("wap.write, two bundles, the HWM, a mock")] == ["bundle", "hwm", "wap"]
    assert [it.name for it in words_in("Sandboxes and branches are paused")] == ["sandbox"]
    assert not list(words_in("nothing of the kind, swap, bundled"))


def test_the_document_has_every_word_with_all_that_is_said_of_it():
    text = as_markdown()
    for word in WORDS:
        assert f"\n\n**{word.name}**: {word.short}. {word.more}" in text
