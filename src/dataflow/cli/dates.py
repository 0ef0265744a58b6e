"""Days, as people type them."""

from __future__ import annotations

import datetime as dt

from dataflow.errors import UsageError


def parse_day(text: str | None) -> dt.date | None:
    """Read a day such as 2026-01-31; None stays None.

    Raises:
        UsageError: It is none.
    """
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"'{text}' is no date", "write it as YYYY-MM-DD, for example 2026-01-31") from None
