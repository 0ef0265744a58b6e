"""Checking out a bundle from the registry: a folder that runs, checked to the last byte each time.

<home>/deployed/<bundle>/work/     definitions, scripts and files, where they were in their repository
<home>/deployed/<bundle>/assets/   what was built, under its checksum
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from dataflow.assets.ids import AssetId
from dataflow.errors import DataflowError
from dataflow.files import sha256_of, write_file
from dataflow.home import subfolder
from dataflow.report import Report, silent
from dataflow.workflow.identity import FILE_NAME
from dataflow.workflow.parameters import POINTER
from dataflow.workflow.program_kind import Kind, program_kind
from dataflow.workflow.pyproject import UNPACKED

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.build.python.pylock import Lock
    from dataflow.deploy.bundle.manifest import Bundle, PinnedAsset, RenderedWorkflow

_POINTER = re.compile(rf"{POINTER}dataflow\.\S+?#sha256:([0-9a-f]{{64}})")


@dataclass(frozen=True)
class BundleCheckout:
    """A bundle that is checked out.

    Attributes:
        bundle: The bundle.
        sha256: Its id.
        folder: Where it is.
        registry: Where it is from.
    """

    bundle: Bundle
    sha256: str
    folder: Path
    registry: Registry

    def definition(self, file: str) -> Path:
        """Return where one of its definitions is."""
        return self.folder / "work" / file

    def built(self, asset: PinnedAsset) -> Path:
        """Return where the file of one of its assets is."""
        return self.folder / "assets" / asset.sha256[:16] / asset.name

    def path_of(self, file: Path) -> str:
        """Return the path that one of its files has in the repository that it was deployed from."""
        file = Path(os.path.normpath(file))
        if file.is_relative_to(self.folder / "work"):
            return file.relative_to(self.folder / "work").as_posix()
        asset = next((it for it in self.bundle.assets if self.built(it) == file), None)
        return file.name if asset is None else asset.path or asset.id


def check_out_bundle(registry: Registry, bundle: Bundle, sha256: str) -> BundleCheckout:
    """Check out a bundle in the Dataflow home; files that are there and complete are kept.

    Raises:
        DataflowError: An object of it is missing or corrupted.
    """
    found = BundleCheckout(bundle, sha256, subfolder("deployed", sha256[:32]), registry)
    os.utime(found.folder)  # it is in use: what is not for long is pruned
    _write_files(found, _fetch)
    return found


def check_out_texts(registry: Registry, bundle: Bundle, sha256: str, folder: Path) -> BundleCheckout:
    """Check out a bundle in a new folder for reading, not running: builds and data are empty files.

    Raises:
        DataflowError: An object of it is missing or corrupted.
    """

    def fetch(registry: Registry, sha256: str, to: Path) -> None:
        if program_kind(to) in {Kind.SQL, Kind.PYTHON, Kind.R}:
            registry.fetch(sha256, to)
        else:
            _write(to, b"")

    found = BundleCheckout(bundle, sha256, folder, registry)
    _write_files(found, fetch)
    return found


def _write_files(found: BundleCheckout, fetch: Callable[[Registry, str, Path], None]) -> None:
    bundle, registry = found.bundle, found.registry
    built = {it.sha256: found.built(it) for it in bundle.assets}
    pointed = {sha256 for it in bundle.workflows.values() for sha256 in _POINTER.findall(it.text)}
    for asset in bundle.assets:
        if asset.path is not None and asset.is_raw:
            fetch(registry, asset.sha256, _inside(found, asset.path))
        if asset.sha256 in pointed or asset.lock is not None:
            fetch(registry, asset.sha256, built[asset.sha256])
    for path, checksum in bundle.files.items():
        fetch(registry, checksum, _inside(found, path))
    for file, workflow in bundle.workflows.items():
        _write(_inside(found, file), _with_paths(workflow, _inside(found, file).parent, built).encode())
    for folder, package in bundle.packages.items():
        text = f"owner: {package.owner}\npackage_id: {package.id}\nuuid: {package.uuid}\n"
        _write(_inside(found, str(PurePosixPath(folder, FILE_NAME))), text.encode())


def python_of(found: BundleCheckout, report: Report = silent) -> Path | None:
    """Return the Python that has what the bundle's wheels are locked to, and unpack them; None when it needs none.

    Raises:
        DataflowError: The environment can't be made.
    """
    _unpack(found, [it for it in found.bundle.assets if it.lock is not None and it.name.endswith(".whl")])
    locks = locks_of(found.registry, found.bundle.assets)
    if not locks:
        return None
    from dataflow.build.python.environment import environment

    return environment(locks, report)


def locks_of(registry: Registry, assets: Sequence[PinnedAsset]) -> list[Lock]:
    """Return the locks of wheels: what the one environment of a run is made of.

    Raises:
        DataflowError: One is for another Python, or from before locks were as they are.
    """
    from dataflow.build.python.lock import require_python
    from dataflow.build.python.pylock import Lock

    locks = []
    for asset in assets:
        if asset.lock is None or not (text := registry.get(asset.lock).decode()):
            continue
        where = str(PurePosixPath(asset.path).parent) if asset.path else asset.id
        require_python(f"{where}, as it was deployed,", f"=={asset.python}.*")
        if not text.lstrip().startswith("lock-version"):
            raise DataflowError(f"{where} was deployed by an older Dataflow", "deploy it again", permanent=True)
        locks.append(Lock(AssetId.parse(asset.id).namespace, where, text))
    return locks


def _unpack(found: BundleCheckout, wheels: Sequence[PinnedAsset]) -> None:
    """Unpack wheels, and write beside the scripts where their modules are, a project's own first."""
    folders = {it.id: found.built(it).parent / "code" for it in wheels}
    for wheel in wheels:
        _install(found.built(wheel), folders[wheel.id])
    base = found.folder / "work"
    for top, own in {".": None, **{str(PurePosixPath(it.path).parent): it.id for it in wheels if it.path}}.items():
        ordered = sorted(folders, key=lambda it: (it != own, it))
        place = _inside(found, str(PurePosixPath(top, UNPACKED)))
        _write(place, "".join(f"{os.path.relpath(folders[it], base / top)}\n" for it in ordered).encode())


def _install(wheel: Path, folder: Path) -> None:
    if folder.exists():
        return
    from dataflow.build.uv import run_uv

    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part-") as name:
        draft, lines = Path(name) / "code", list[str]()
        command = ["pip", "install", "--no-deps", "--no-index", "--python", sys.executable, "--target", str(draft)]
        if run_uv([*command, str(wheel)], folder.parent, lines.append) != 0:
            raise DataflowError(f"{wheel.name} can't be unpacked: {' '.join(lines[-3:])}", permanent=True)
        with contextlib.suppress(OSError):  # another process was first
            draft.rename(folder)


def _inside(found: BundleCheckout, path: str) -> Path:
    """Return the path of a file in the folder; a manifest that points outside is refused."""
    base = found.folder / "work"
    target = Path(os.path.normpath(base / path))
    if not target.is_relative_to(base):
        raise DataflowError(f"bundle {found.sha256[:12]} names a file outside its folder: {path}", permanent=True)
    return target


def _with_paths(workflow: RenderedWorkflow, folder: Path, built: dict[str, Path]) -> str:
    """Return a definition's text with paths of files in place of pointers to assets."""

    def place(pointer: re.Match[str]) -> str:
        if pointer[1] not in built:
            raise DataflowError(f"{workflow.id} names an asset that its bundle does not hold: {pointer[0]}")
        return os.path.relpath(built[pointer[1]], folder)

    return _POINTER.sub(place, workflow.text)


def _fetch(registry: Registry, sha256: str, to: Path) -> None:
    with contextlib.suppress(OSError):
        if sha256_of(to) == sha256:
            return
    registry.fetch(sha256, to)


def _write(path: Path, data: bytes) -> None:
    with contextlib.suppress(OSError):
        if path.read_bytes() == data:
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, data)
