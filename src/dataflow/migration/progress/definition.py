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
    """The status of a reader.

    Attributes:
        reader: The reader.
        state: `moved`, `acked` or `open`.
        why: The evidence.
        since: When the evidence was observed.
    """

    reader: AffectedWorkflow
    state: str
    why: str
    since: dt.datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether the change would still break it."""
        return self.state == "open"
