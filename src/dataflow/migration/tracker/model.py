"""What a tracker is to a campaign: a few operations on issues, and one kind of failure."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Any, Protocol, Self

from dataflow.errors import DataflowError


@dataclass(frozen=True)
class Draft:
    """An issue as it should be.

    Attributes:
        title: Its title, on one line.
        body: Its text, in the tracker's markup.
        mark: What tells it from all others; it is looked for before it is filed again.
        labels: Its labels; the first is the campaign's.
        assignee: Who it is assigned to; None for nobody.
        deadline: Until when it should be done.
    """

    title: str
    body: str
    mark: str
    labels: tuple[str, ...]
    assignee: str | None
    deadline: dt.date

    @property
    def digest(self) -> str:
        """What tells whether the text has changed since it was written."""
        return hashlib.sha256(f"{self.title}\n{self.body}".encode()).hexdigest()


@dataclass(frozen=True)
class Issue:
    """An issue as it stands in the tracker.

    Attributes:
        key: What people call it, such as `acme/data#12` or `DATA-12`.
        url: Its page.
        is_open: Whether it is open.
        native: What the client has of it.
    """

    key: str
    url: str
    is_open: bool
    native: Any


class Tracker(Protocol):
    """An issue tracker. Each operation is one that may be repeated, but `create` and `comment`."""

    name: str
    """What messages call it."""

    markup: str
    """How texts are written: `markdown` or `wiki`."""

    limit: int
    """How long a text may be."""

    def find(self, mark: str, since: dt.datetime) -> Issue | None:
        """Return the issue that was filed with a mark since a moment, if there is one."""

    def create(self, draft: Draft) -> Issue:
        """File an issue."""

    def get(self, key: str) -> Issue | None:
        """Return an issue; None when it is not there any more."""

    def update(self, issue: Issue, draft: Draft) -> None:
        """Write title and text anew; what people set, such as the assignee, stays."""

    def comment(self, issue: Issue, text: str) -> None:
        """Add a comment."""

    def close(self, issue: Issue) -> None:
        """Close an issue; one that is closed stays as it is."""

    def reopen(self, issue: Issue) -> None:
        """Open an issue again; one that is open stays as it is."""

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(self, *_: object) -> None:
        """Close all connections."""


class TrackerError(DataflowError):
    """A tracker can't be reached, or refuses something.

    Attributes:
        again: After how many seconds the same may succeed; None where it never will by itself.
        unsure: Whether what was asked may have been done all the same.
        of_issue: Whether others may fare better: it is about this one issue.
    """

    def __init__(
        self,
        message: str,
        hint: str | None = None,
        *,
        again: float | None = None,
        unsure: bool = False,
        of_issue: bool = False,
    ) -> None:
        super().__init__(message, hint, permanent=again is None)
        self.again = again
        self.unsure = unsure
        self.of_issue = of_issue
