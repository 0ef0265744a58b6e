"""Building assets: each builder is given an asset and its inputs, and returns a file."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.assets.builders.base import Artifact, BuildContext, Listener
from dataflow.report import silent

if TYPE_CHECKING:
    from dataflow.assets.discover import Asset
    from dataflow.assets.inputs import Inputs


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
