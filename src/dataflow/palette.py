"""The colours of all pages and pictures, light and dark: those of text hold 4.5 : 1 on their ground (WCAG 2.2, 1.4.3).

The pages of `dataflow ui` have them in `site.css`, which a test compares.
"""

from __future__ import annotations

import re
from collections.abc import Mapping


def _colours(listed: str) -> Mapping[str, str]:
    return dict(it.split(":") for it in listed.split())


LIGHT = _colours("""
    ink:#1f2933 dim:#52606d line:#cbd2d9 paper:#fff card:#f5f7fa mark:#0957a5 markbg:#e3f0fd
    good:#1f6b43 goodbg:#dcf3e5 bad:#a61b1b badbg:#fde3e1 warn:#82500a warnbg:#fdf0d0
    busy:#0957a5 busybg:#dcecfb none:#52606d nonebg:#e4e7eb deployed:#6b46c1
""")
DARK = _colours("""
    ink:#e6edf3 dim:#a6b3c0 line:#3a4654 paper:#10161d card:#18212b mark:#84c1ff markbg:#15304d
    good:#7fdca4 goodbg:#143524 bad:#ffa49b badbg:#45191a warn:#f5cb70 warnbg:#3d2d0d
    busy:#84c1ff busybg:#15304d none:#a6b3c0 nonebg:#27323e deployed:#c4b5fd
""")


def _variables(colours: Mapping[str, str]) -> str:
    return f":root {{ {' '.join(f'--{name}:{colour};' for name, colour in colours.items())} }}"


SCHEME = f"{_variables(LIGHT)}\n@media (prefers-color-scheme: dark) {{ {_variables(DARK)} }}"
"""The colours as variables of a page, which follow what the reader's system has."""


def with_colours(style: str) -> str:
    """Put the light colours into a style in place of its variables: not all that shows SVG files knows those."""
    return re.sub(r"var\(--(\w+)\)", lambda name: LIGHT[name[1]], style)
