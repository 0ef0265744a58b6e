"""Wheels: built by the project's own backend (PEP 517), with what they need locked beside them."""

from __future__ import annotations

import re
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow import git
from dataflow.assets.builders import Artifact, Context, failed
from dataflow.assets.uv import INDEX_HINT, run_uv
from dataflow.engine.buildtools import SOURCE_DATE_EPOCH
from dataflow.errors import UsageError, display_path

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
"""What tells backends a version that they would ask git for: the inputs are the version."""

_SKIPPED = {"SKIP_GENERATE_AUTHORS": "1", "SKIP_WRITE_GIT_CHANGELOG": "1"}  # pbr's files of the history
_SOMEBODY = ("-c", "user.name=dataflow", "-c", "user.email=dataflow@localhost", "-c", "commit.gpgSign=false")
_THEN = {"GIT_AUTHOR_DATE": f"@{SOURCE_DATE_EPOCH} +0000", "GIT_COMMITTER_DATE": f"@{SOURCE_DATE_EPOCH} +0000"}

_EXTRA = re.compile(r"\bextra\s*==")


def build_wheel(asset: Asset, inputs: Inputs, context: Context) -> Artifact:
    """Build a project's wheel in a copy of its files, and lock its dependencies."""
    context.report(f"building {display_path(asset.folder)} as a wheel …")
    sources, made = context.work / "sources", context.work / "made"
    inputs.copy_to(sources)
    _commit(sources)
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
        GIT_CEILING_DIRECTORIES=str(context.work),
        **_SKIPPED,
        **dict.fromkeys(_VERSIONS, f"0+{inputs.sha256[:8]}"),
    )
    found = sorted(made.glob("*.whl"))
    if code != 0 or len(found) != 1:
        raise failed(asset, lines, INDEX_HINT if any("fetch" in it or "resolve" in it for it in lines) else None)
    return Artifact(found[0], _lock(asset, requirements(found[0]), inputs, context), inputs.toolchain["python"])


def _commit(sources: Path) -> None:
    """Make the copy a repository: some backends ask git which data files belong to a package."""
    for arguments in (("init", "-q"), ("add", "-A", "-f"), (*_SOMEBODY, "commit", "-q", "-m", "as it is built")):
        git.run(sources, *arguments, variables=_THEN)


def requirements(wheel: Path) -> list[str]:
    """Return what a wheel needs, as its metadata says; without what only extras need."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(it for it in archive.namelist() if it.endswith(".dist-info/METADATA") and it.count("/") == 1)
        metadata = HeaderParser().parsestr(archive.read(name).decode("utf-8"))
    return [it for it in metadata.get_all("Requires-Dist", []) if not _EXTRA.search(it)]


def refuse_elsewhere(asset: Asset, needed: list[str]) -> None:
    """Refuse what is needed from somewhere that a lock can't name: it would be a stranger's package of that name.

    Raises:
        UsageError: The project says that it is a folder, a repository or of an index of its own.
    """
    sources = dict(_sources(asset.folder))
    for requirement in needed:
        name = _normal(re.split(r"[\s;\[<>=!~@(]", requirement, maxsplit=1)[0])
        found = re.search(r"@\s*(file:\S+)", requirement)
        where = found[1] if found else sources.get(name)
        if where is not None:
            raise UsageError(
                f"{display_path(asset.path)} needs {name} from {where}, which can't be locked",
                "have it packed into this wheel; or publish it where UV_INDEX_URL leads, without a source of its own",
            )


def _sources(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield where a project, or the workspace around it, says that packages are, other than in the usual index."""
    for above in (folder, *folder.parents):
        try:
            tool = tomllib.loads((above / "pyproject.toml").read_text(encoding="utf-8")).get("tool", {})
        except (OSError, ValueError):
            tool = {}
        uv = tool.get("uv", {}) if isinstance(tool, dict) else {}
        if above == folder or "workspace" in uv:
            for name, source in uv.get("sources", {}).items():
                yield _normal(name), _place(source)
        if above != folder and (above / ".git").exists():
            return


def _place(source: object) -> str:
    first = source[0] if isinstance(source, list) and source else source
    if not isinstance(first, dict):
        return str(first)
    kinds = ("path", "git", "url", "index")
    found = next((f"{kind} {first[kind]}" for kind in kinds if kind in first), "its workspace")
    return found.removeprefix("path ").removeprefix("url ")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _lock(asset: Asset, needed: list[str], inputs: Inputs, context: Context) -> str:
    """Pin what is needed, each with its checksums: what is installed in production is what was resolved here."""
    refuse_elsewhere(asset, needed)
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
