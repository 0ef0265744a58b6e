"""How the commands of this group spell moments."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataflow.lineage.show.labels import Times


def times(now: dt.datetime) -> Times:
    """Return what spells moments: by their age on a terminal, and as they are in what may be kept."""
    from dataflow.lineage.show.labels import ages, moment

    return ages(now) if sys.stdout.isatty() else moment
