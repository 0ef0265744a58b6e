"""The primary keys that a definition's Metadata jobs declare, for audits that name no columns of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from dataflow.workflow.checks import DefinitionView, jobs
from dataflow.workflow.models import AuditSpec, WapTemplate
from dataflow.workflow.table_names import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflow.errors import Problem
    from dataflow.workflow.yamlfile import YamlPath

_Audited = TypeVar("_Audited", WapTemplate, AuditSpec)


class TableKeys:
    """The primary keys of the tables that one definition describes."""

    def __init__(self, view: DefinitionView) -> None:
        """Find them in the definition's Metadata jobs."""
        self._view = view
        self._keys: dict[str, list[str]] = {}
        for route in jobs(view):
            table = view.text(*route, "metadata", "table")
            if table and (key := [text for _, text in view.texts(*route, "metadata", "primary_key")]):
                self._keys[plain(table).lower()] = key

    def told(self, audited: _Audited) -> _Audited:
        """Return what has audits, those that are about the table's primary key now with its columns."""
        key = self._keys.get(audited.table.lower())
        if key is None:
            return audited
        return audited.model_copy(update={"audits": [audit.with_key(key) for audit in audited.audits]})

    def missing(self, audited: WapTemplate | AuditSpec, route: YamlPath) -> Iterator[Problem]:
        """Yield a mistake for each audit, of those at a place, whose columns nobody says."""
        for i, audit in enumerate(audited.audits):
            if audit.lacks_key:
                message = (
                    f"'{audit.function}' needs 'columns': no Metadata job here gives {audited.table} a 'primary_key'"
                )
                yield self._view.problem((*route, i, "function"), message)
