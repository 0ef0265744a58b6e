"""What was filed, in the state database: an issue for each owner, claimed by one process at a time."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dataflow.errors import DataflowError
from dataflow.migration.store import campaigns
from dataflow.process import birth, machine
from dataflow.state.database import StateDatabase, UtcDateTime, metadata
from dataflow.state.leases import is_gone
from dataflow.state.utc import now

issues = sa.Table(
    "dataflow_campaign_issues",
    metadata,
    sa.Column("campaign", sa.String(200), sa.ForeignKey(campaigns.c.id), primary_key=True),
    sa.Column("owner", sa.String(200), primary_key=True),
    sa.Column("tracker", sa.String(300), primary_key=True),
    sa.Column("key", sa.String(200)),
    sa.Column("url", sa.Text),
    sa.Column("state", sa.String(20)),  # open, closed; empty while none is known to be filed
    sa.Column("digest", sa.String(64)),
    sa.Column("asked", UtcDateTime),  # filing was asked for, and no answer came yet
    sa.Column("heard", sa.JSON),
    sa.Column("machine", sa.String(200)),  # whoever works on it now, and what tells them from a dead process
    sa.Column("process", sa.Integer),
    sa.Column("birth", sa.String(50)),
    sa.Column("since", UtcDateTime),
)

FORGOTTEN = dt.timedelta(minutes=30)
"""After which a claim of a process on another machine counts as left by a dead one."""

_FREE = {"machine": None, "process": None, "birth": None, "since": None}


@dataclass(frozen=True)
class IssueRecord:
    """An issue of an owner, as far as it is known.

    Attributes:
        owner: The owner; empty for workflows without one.
        key: What people call it; None while none is known to be filed.
        url: Its page.
        state: `open` or `closed`; None while none is known to be filed.
        digest: Of the text that was last written.
        asked: When filing it was asked for, where no answer came yet.
        heard: What was commented.
    """

    owner: str
    key: str | None = None
    url: str | None = None
    state: str | None = None
    digest: str | None = None
    asked: dt.datetime | None = None
    heard: tuple[str, ...] = ()


class IssueStore:
    """The issues of a campaign in one tracker.

    Args:
        database: The state database.
        campaign: The campaign's name.
        tracker: The tracker's name.
    """

    def __init__(self, database: StateDatabase, campaign: str, tracker: str) -> None:
        self._database = database
        self._place = {"campaign": campaign, "tracker": tracker}

    def all(self) -> list[IssueRecord]:
        """Return what is known, by owner."""
        query = sa.select(issues).where(*self._of()).order_by(issues.c.owner)
        return [_record(row) for row in self._database.rows(query)]

    @contextlib.contextmanager
    def claimed(self, owner: str) -> Iterator[IssueRecord | None]:
        """Work on the issue of an owner alone; None where another process does."""
        record = self._claim(owner)
        try:
            yield record
        finally:
            if record is not None:
                self.write(owner, **_FREE)

    def write(self, owner: str, **values: Any) -> None:
        """Write down what is known of the issue of an owner."""
        with self._database.begin() as connection:
            connection.execute(issues.update().where(*self._of(owner)).values(values))

    def _claim(self, owner: str) -> IssueRecord | None:
        row = self._row(owner)
        if row is None:
            with contextlib.suppress(DataflowError):  # another process may add it at this moment
                self._database.insert(issues, {**self._place, "owner": owner})
            row = self._row(owner)
        if row is None or not _is_free(row):
            return None
        unchanged = [issues.c[name].is_(None) if row[name] is None else issues.c[name] == row[name] for name in _FREE]
        mine = {"machine": machine(), "process": os.getpid(), "birth": birth(os.getpid()), "since": now()}
        with self._database.begin() as connection:
            taken = connection.execute(issues.update().where(*self._of(owner), *unchanged).values(mine)).rowcount
        row = self._row(owner) if taken else None
        return _record(row) if row is not None else None

    def _row(self, owner: str) -> dict[str, Any] | None:
        return next(iter(self._database.rows(sa.select(issues).where(*self._of(owner)))), None)

    def _of(self, *owner: str) -> list[sa.ColumnElement[bool]]:
        here = [issues.c[name] == value for name, value in self._place.items()]
        return [*here, *(issues.c.owner == it for it in owner)]


def _is_free(row: dict[str, Any]) -> bool:
    return row["machine"] is None or is_gone(row) or (row["machine"] != machine() and now() - row["since"] > FORGOTTEN)


def _record(row: dict[str, Any]) -> IssueRecord:
    return IssueRecord(
        row["owner"], row["key"], row["url"], row["state"], row["digest"], row["asked"], tuple(row["heard"] or ())
    )
