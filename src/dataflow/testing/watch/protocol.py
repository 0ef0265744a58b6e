"""How the watcher's processes speak: lines of JSON on a pipe."""

from __future__ import annotations

import json
import os
from typing import Any

Event = dict[str, Any]


def tell(descriptor: int, event: Event) -> None:
    """Write an event, on a line of its own even where a killed process left half of one.

    Raises:
        BrokenPipeError: Nobody listens any more.
    """
    data = memoryview(b"\n" + json.dumps(event).encode() + b"\n")
    while data:
        data = data[os.write(descriptor, data) :]


def heard(line: bytes) -> Event | None:
    """Return the event on a line; None where there is none, or half of one."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
