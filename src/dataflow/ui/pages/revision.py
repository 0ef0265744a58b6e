"""What one deployment changed: definitions, scripts, schedules, versions, tables and settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dataflow.errors import UsageError
from dataflow.ui.page import Asked, Page
from dataflow.ui.read.deployments import RevisionDetail, deployment_history, deployment_names, revision
from dataflow.ui.source import Source

_MOST_EXPORTED = 20
"""How many revisions of each deployment become static pages."""


def read(source: Source, asked: Asked) -> RevisionDetail:
    """Return a revision with all that it changed.

    Raises:
        UsageError: There is none of this number.
    """
    name, text = asked.subject["environment"], asked.subject["number"]
    is_number = text.isdecimal() and len(text) < 10
    known = is_number and name in deployment_names(source.registry)
    found = revision(source.registry, name, int(text)) if known else None
    if found is None:
        raise UsageError(f"there is no deployment #{text} of {name}")
    return found


def exported(source: Source) -> Iterable[Mapping[str, str]]:
    """Yield the last revisions of each deployment."""
    for name in deployment_names(source.registry):
        found = deployment_history(source.registry, name, _MOST_EXPORTED)
        for row in found.rows if found is not None else ():
            yield {"environment": name, "number": str(row.number)}


PAGE = Page("revision", "/revisions/{environment}/{number}", "Deployment", read, exported=exported)
