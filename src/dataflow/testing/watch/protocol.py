"""The protocol of the watcher's processes: lines of JSON on a pipe."""

from __future__ import annotations

import json
import os
from typing import Any

Event = dict[str, Any]


def send(descriptor: int, event: Event) -> None:
    """Write an event, on a line of its own even where a killed process left half of one.

    Raises:
        BrokenPipeError: The reader has ended.
    """
    data = memoryview(b"\n" + json.dumps(event).encode() + b"\n")
    while data:
        data = data[os.write(descriptor, data) :]


def decode(line: bytes) -> Event | None:
    """Return the event on a line; None for an empty line, or a part of one."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
