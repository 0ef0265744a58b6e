"""One palette for pages and pictures, in which text can be read."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from dataflow.palette import DARK, LIGHT, SCHEME, with_colours

SITE = files("dataflow.ui").joinpath("static/site.css").read_text(encoding="utf-8")
ROOT = re.compile(r":root \{([^}]*)\}")


def variables(text):
    return dict(re.findall(r"--(\w+): ?(#\w+);", text))


def luminance(colour):
    """Relative luminance as WCAG 2.2 defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * it for it in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [it / 12.92 if it <= 0.04045 else ((it + 0.055) / 1.055) ** 2.4 for it in parts]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_site_has_the_colours_of_all_other_pages():
    light, dark, *_ = ROOT.findall(SITE)
    assert (variables(light), variables(dark)) == (LIGHT, DARK)
    light, dark = ROOT.findall(SCHEME)
    assert (variables(light), variables(dark)) == (LIGHT, DARK)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read_on_its_ground(colours):
    text = ("ink", "dim", "mark", "good", "bad", "warn", "busy", "deployed")
    pairs = [(name, ground) for name in text for ground in ("paper", "card")]
    pairs += [(name, f"{name}bg") for name in ("mark", "good", "bad", "warn", "busy", "none")]
    assert [pair for pair in pairs if contrast(*(colours[it] for it in pair)) < 4.5] == []


def test_a_picture_has_light_colours_in_place_of_variables():
    assert with_colours("a { fill:var(--ink); stroke:var(--good) }") == "a { fill:#1f2933; stroke:#1f6b43 }"
