"""The query that shows the rows for which a run failed, as a word of a shell's command line."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from dataflow.jobs.audit.results import AuditResult

_NEEDLESS_QUOTES = re.compile(r"`([A-Za-z_]\w*)`")


def failed_rows_query(results: Sequence[AuditResult], audited: str, kept: str, where: str) -> str:
    """Return the query, quoted for a shell.

    Args:
        results: The results of all audits.
        audited: The rows that they saw, as SQL names them.
        kept: Where those rows are now.
        where: The rows as a SQL condition, for an audit that blames none in particular.
    """
    blamed = next((it.offending for it in results if it.blocking and not it.passed and it.offending), None)
    query = (blamed or f"SELECT * FROM {audited} WHERE {where}").replace(audited, kept)
    plain = _NEEDLESS_QUOTES.sub(r"\1", query.replace("WHERE true AND ", "WHERE "))
    return shlex.quote(plain) if re.search(r'["$`\\!]', plain) else f'"{plain}"'
