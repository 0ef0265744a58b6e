"""Wheels: built by the project's own backend (PEP 517), with what they need locked beside them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow import git
from dataflow.assets.builders.base import Artifact, BuildContext, failed
from dataflow.build.gradle_maven import SOURCE_DATE_EPOCH
from dataflow.build.python.lock import PYLOCK, lock_of
from dataflow.build.uv import INDEX_HINT, run_uv
from dataflow.errors import UsageError, display_path
from dataflow.process import CollectedOutput
from dataflow.workflow.pyproject import read_project

if TYPE_CHECKING:
    from dataflow.assets.discover import Asset
    from dataflow.assets.inputs import Inputs

_VERSIONS = (
    "PBR_VERSION",
    "PDM_BUILD_SCM_VERSION",
    "POETRY_DYNAMIC_VERSIONING_BYPASS",
    "SETUPTOOLS_SCM_PRETEND_VERSION",
    "UV_DYNAMIC_VERSIONING_BYPASS",
)
"""Variables that give backends the version that they would ask git for: the inputs are the version."""

_SKIPPED = {"SKIP_GENERATE_AUTHORS": "1", "SKIP_WRITE_GIT_CHANGELOG": "1"}  # pbr's files of the history
_SOMEBODY = ("-c", "user.name=dataflow", "-c", "user.email=dataflow@localhost", "-c", "commit.gpgSign=false")
_THEN = {"GIT_AUTHOR_DATE": f"@{SOURCE_DATE_EPOCH} +0000", "GIT_COMMITTER_DATE": f"@{SOURCE_DATE_EPOCH} +0000"}


def build_wheel(asset: Asset, inputs: Inputs, context: BuildContext) -> Artifact:
    """Build a project's wheel in a copy of its files, and lock what it needs; without modules it is its lock alone."""
    lock = _lock(asset, context)
    if not read_project(asset.path).is_packed:
        file = context.work / PYLOCK
        file.write_text(lock, encoding="utf-8")
        return Artifact(file, lock, inputs.toolchain["python"])
    context.report(f"building {display_path(asset.folder)} as a wheel …")
    sources, made = context.work / "sources", context.work / "made"
    inputs.copy_to(sources)
    _commit(sources)
    output = CollectedOutput(context.output)
    code = run_uv(
        ["build", "--wheel", "--no-create-gitignore", "--out-dir", str(made), "--python", sys.executable, str(sources)],
        sources,
        output,
        stopped=context.stopped,
        SOURCE_DATE_EPOCH=SOURCE_DATE_EPOCH,
        PYTHONHASHSEED="0",
        GIT_CEILING_DIRECTORIES=str(context.work),
        **_SKIPPED,
        **dict.fromkeys(_VERSIONS, f"0+{inputs.sha256[:8]}"),
    )
    found = sorted(made.glob("*.whl"))
    if code != 0 or len(found) != 1:
        about_index = any("fetch" in it or "resolve" in it for it in output.lines)
        raise failed(asset, output.lines, INDEX_HINT if about_index else None)
    return Artifact(found[0], lock, inputs.toolchain["python"])


def _commit(sources: Path) -> None:
    """Make the copy a repository: some backends ask git which data files belong to a package."""
    for arguments in (("init", "-q"), ("add", "-A", "-f"), (*_SOMEBODY, "commit", "-q", "-m", "as it is built")):
        git.run(sources, *arguments, variables=_THEN)


def _lock(asset: Asset, context: BuildContext) -> str:
    """Return what is needed, each with its checksums: what is installed in production is what was locked here."""
    lock = lock_of(read_project(asset.path), context.report, keep=False)
    if lock is None:
        return ""
    for name, place in lock.local():
        raise UsageError(
            f"{lock.where} has {name} from {place}, which is on this machine alone",
            f"publish {name} to an index, and name that under [[tool.uv.index]]",
        )
    return lock.text
