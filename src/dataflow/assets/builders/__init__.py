"""Building assets: each builder is given an asset and its inputs, and returns a file."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, display_path
from dataflow.report import silent

if TYPE_CHECKING:
    from dataflow.assets.discover import Asset
    from dataflow.assets.inputs import Inputs

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


def build(asset: Asset, inputs: Inputs, context: BuildContext) -> Artifact:
    """Build an asset.

    Args:
        asset: Which.
        inputs: What it is made of; nothing else is seen by the build.
        context: Where and with what.

    Raises:
        DataflowError: The build failed, or its tool is missing.
    """
    match asset.builder:
        case "raw":
            copy = context.work / asset.path.name
            inputs.copy_to(context.work)
            return Artifact(copy)
        case "python":
            from dataflow.assets.builders.python import build_wheel

            return build_wheel(asset, inputs, context)
        case "sbt":
            from dataflow.build import sbt
            from dataflow.spark.java import find_java

            jar = sbt.build(
                asset.root,
                find_java(context.report),
                context.spark,
                output=context.output,
                report=context.report,
                stopped=context.stopped,
            )
            return Artifact(jar)
        case _:
            from dataflow.assets.builders.jvm import build_jar

            return build_jar(asset, inputs, context)


@contextlib.contextmanager
def workspace(
    spark: Mapping[str, str] | None = None,
    output: Listener = silent,
    report: Listener = silent,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[BuildContext]:
    """Give a build a folder, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="dataflow-build-", ignore_cleanup_errors=True) as name:
        yield BuildContext(Path(name), spark or {}, output, report, stopped)


def failed(asset: Asset, lines: Sequence[str], hint: str | None = None) -> DataflowError:
    """Return the failure of a build, with the last lines of its tool."""
    printed = [line.rstrip() for line in lines if line.strip()]
    listed = "".join(f"\n    {line}" for line in printed[-_SHOWN:])
    return DataflowError(f"{display_path(asset.path)} could not be built:{listed}", hint, permanent=True)
