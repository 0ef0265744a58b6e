from __future__ import annotations

import pytest

from dataflow.foreign import for_html, for_mermaid, for_spreadsheet, for_terminal, for_terminal_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;pwned\x07\x1b[31mRED", "\\x1b]0;pwned\\x07\\x1b[31mRED"),
        ("a\x00b\x7f\x9b1m", "a\\x00b\\x7f\\x9b1m"),
        ("a\u2028b\u202ec", "a\\u2028b\\u202ec"),
        ("a\u061cb\U000e0041c", "a\\u061cb\\U000e0041c"),
        ("back\b\rover", "back\\x08\\rover"),
        ("lone \udc80", "lone \\udc80"),
        ("Åland, 日本 🎬\tand\n[red]", "Åland, 日本 🎬\tand\n[red]"),
    ],
)
def test_a_terminal_shows_a_text_and_does_not_obey_it(text, shown):
    assert for_terminal(text) == shown


def test_a_line_stays_one():
    assert for_terminal_line("a\nb\tc") == "a\\nb\\tc"


def test_nothing_in_a_label_ends_it():
    shown = for_mermaid('s.b"]\n  click n_1 href "javascript:alert(3)"\n  x["<script>#quot;`b`')
    assert not set('"[]<>`\n') & set(shown)
    assert "#quot;" not in shown
    assert for_mermaid("prod.film_plays") == "prod.film_plays"


def test_a_page_takes_no_tags_and_no_attributes():
    assert for_html("<script>'\"&\x1b") == "&lt;script&gt;&#x27;&quot;&amp;\\x1b"


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@x", "\tx", "\rx", "\uff1dx"])
def test_no_text_in_a_cell_is_a_formula(text):
    assert for_spreadsheet(text) == for_terminal(f"'{text}")
    assert for_spreadsheet("a\x1b[31m") == "a\\x1b[31m"


@pytest.mark.parametrize("value", [-1, -1.5, None, "a=b", "", "2026-01-01"])
def test_other_cells_stay_as_they_are(value):
    assert for_spreadsheet(value) == value
