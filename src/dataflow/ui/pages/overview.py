"""The overview: which tables and workflows there are, whose, fresh until when, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dataflow.ui.page import Asked, Page
from dataflow.ui.read.overview import overview_of
from dataflow.ui.source import Source


def _parts(source: Source) -> Iterable[Mapping[str, object]]:
    for kind in ("", "workflows"):
        parts = overview_of(source, Asked(options={"kind": kind})).parts
        yield from ({"kind": kind, "part": part} for part in range(1, parts + 1))


PAGE = Page("overview", "/", "Overview", overview_of, listed=True, exported=_parts)
