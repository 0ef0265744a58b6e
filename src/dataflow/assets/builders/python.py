"""Wheels: built by the project's own backend (PEP 517), with what they need locked beside them."""

from __future__ import annotations

import re
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.assets.builders import Artifact, Context, failed
from dataflow.assets.uv import INDEX_HINT, run_uv
from dataflow.engine.buildtools import SOURCE_DATE_EPOCH
from dataflow.errors import display_path

if TYPE_CHECKING:
    from dataflow.assets.discover import Asset
    from dataflow.assets.inputs import Inputs

_EXTRA = re.compile(r"\bextra\s*==")


def build_wheel(asset: Asset, inputs: Inputs, context: Context) -> Artifact:
    """Build a project's wheel in a copy of its files, and lock its dependencies."""
    context.report(f"building {display_path(asset.folder)} as a wheel …")
    sources, made = context.work / "sources", context.work / "made"
    inputs.copy_to(sources)
    lines: list[str] = []

    def hear(line: str) -> None:
        lines.append(line)
        context.output(line)

    code = run_uv(
        ["build", "--wheel", "--no-create-gitignore", "--out-dir", str(made), "--python", sys.executable, str(sources)],
        sources,
        hear,
        stopped=context.stopped,
        SOURCE_DATE_EPOCH=SOURCE_DATE_EPOCH,
        PYTHONHASHSEED="0",
        # Versions that a backend asks git for: there is none here, and the inputs are the version.
        SETUPTOOLS_SCM_PRETEND_VERSION=f"0+{inputs.sha256[:8]}",
    )
    found = sorted(made.glob("*.whl"))
    if code != 0 or len(found) != 1:
        raise failed(asset, lines, INDEX_HINT if any("fetch" in it or "resolve" in it for it in lines) else None)
    return Artifact(found[0], _lock(asset, requirements(found[0]), inputs, context), inputs.toolchain["python"])


def requirements(wheel: Path) -> list[str]:
    """Return what a wheel needs, as its metadata says; without what only extras need."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(it for it in archive.namelist() if it.endswith(".dist-info/METADATA") and it.count("/") == 1)
        metadata = HeaderParser().parsestr(archive.read(name).decode("utf-8"))
    return [it for it in metadata.get_all("Requires-Dist", []) if not _EXTRA.search(it)]


def _lock(asset: Asset, needed: list[str], inputs: Inputs, context: Context) -> str:
    """Pin what is needed, each with its checksums: what is installed in production is what was resolved here."""
    if not needed:
        return ""
    context.report(f"locking what {display_path(asset.folder)} needs …")
    wanted, limits, lock = (context.work / f"{it}.txt" for it in ("wanted", "limits", "lock"))
    wanted.write_text("".join(f"{it}\n" for it in needed), encoding="utf-8")
    limits.write_text(f"pyspark=={inputs.toolchain['pyspark']}\n", encoding="utf-8")  # the one that jobs run on
    lines: list[str] = []
    command = ["pip", "compile", "--generate-hashes", "--no-header", "--no-annotate", "--quiet", "--universal"]
    command += ["--python", sys.executable, "--constraints", str(limits), "--output-file", str(lock), str(wanted)]
    code = run_uv(command, context.work, lines.append, stopped=context.stopped)
    if code != 0:
        raise failed(asset, ["what it needs could not be resolved:", *lines], INDEX_HINT)
    return lock.read_text(encoding="utf-8")
