"""The status of a reader."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.migration.impact import AffectedWorkflow

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class ReaderStatus:
    """Where a reader stands.

    Attributes:
        reader: The reader.
        state: `moved`, `acked` or `open`.
        why: What tells so.
        since: When that was.
    """

    reader: AffectedWorkflow
    state: str
    why: str
    since: dt.datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether the change would still break it, as far as is known."""
        return self.state == "open"
