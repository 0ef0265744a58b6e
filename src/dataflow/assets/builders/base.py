"""What a builder is given, and what it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, display_path
from dataflow.report import silent

if TYPE_CHECKING:
    from dataflow.assets.discover import Asset

Listener = Callable[[str], None]

_SHOWN = 12


@dataclass(frozen=True)
class Artifact:
    """What a build made.

    Attributes:
        path: The file.
        lock: The pinned requirements of a wheel, each with its checksums, as text.
        python: The Python version that the lock was made for, such as `3.11`.
    """

    path: Path
    lock: str | None = None
    python: str | None = None


@dataclass(frozen=True)
class BuildContext:
    """What builders may use.

    Attributes:
        work: An empty folder.
        spark: The environment's Spark settings, for a Maven mirror.
        output: Called with each line that a tool prints.
        report: Called with a line about what takes a while.
        stopped: Called now and then; once it returns True, the build is ended.
    """

    work: Path
    spark: Mapping[str, str] = field(default_factory=dict)
    output: Listener = silent
    report: Listener = silent
    stopped: Callable[[], bool] = lambda: False


def failed(asset: Asset, lines: Sequence[str], hint: str | None = None) -> DataflowError:
    """Return the failure of a build, with the last lines of its tool."""
    printed = [line.rstrip() for line in lines if line.strip()]
    listed = "".join(f"\n    {line}" for line in printed[-_SHOWN:])
    return DataflowError(f"{display_path(asset.path)} could not be built:{listed}", hint, permanent=True)
