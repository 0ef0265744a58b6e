"""Moments of time, always in UTC."""

from __future__ import annotations

import datetime as dt


def now() -> dt.datetime:
    """Return the current moment."""
    return dt.datetime.now(dt.UTC)


def as_utc(moment: dt.datetime) -> dt.datetime:
    """Return a moment in UTC; one without a time zone, as SQLite returns it, is in UTC already."""
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
