"""Puts the recipes into what is built: as a git bundle of the repository with its tags, and as files.

From an installed wheel packages can thus be generated, and later updated, without a network; where there is no git,
or was none when the wheel was built (an unpacked archive of the source), the files still generate: see
dataflow/sample/origin.py.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_PLACE = {"wheel": "dataflow/template.bundle", "sdist": "src/dataflow/template.bundle"}
_PARTS = ("copier.yml", "recipes", "hooks", "src/dataflow/workflow/identity.py")
"""What packages are generated from; the hook among it loads the last by its place in the repository."""


class TemplateBundle(BuildHookInterface):
    """Adds the recipes as files, and as `template.bundle` where there is a whole repository to make it from."""

    PLUGIN_NAME = "custom"
    _folder: TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Lay the files and the bundle into a temporary folder, and have them included."""
        if version == "editable":
            return
        self._folder = TemporaryDirectory()
        laid = Path(self._folder.name)
        if self.target_name == "wheel":  # a source distribution holds them where they stand
            self._copy_files(laid / "template")
            build_data["force_include"][str(laid / "template")] = "dataflow/template"
        if not self._is_whole_repository():
            return
        bundle = laid / "template.bundle"
        # One thread: the same commits make the same bytes.
        if self._git("-c", "pack.threads=1", "bundle", "create", "--quiet", str(bundle), "HEAD", "--tags") is None:
            self.app.display_warning("no git bundle of the recipes could be made: the build goes on without")
            return
        build_data["force_include"][str(bundle)] = _PLACE[self.target_name]

    def finalize(self, *_: Any) -> None:
        """Clear up."""
        if self._folder:
            self._folder.cleanup()

    def _copy_files(self, folder: Path) -> None:
        """Copy the recipes: of a file that is included from its own place, the package would have only one copy."""
        for part in _PARTS:
            source, place = Path(self.root, part), folder / part
            if source.is_dir():
                shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, place)

    def _is_whole_repository(self) -> bool:
        """Neither an unpacked archive, nor below some other repository, nor a shallow clone."""
        asked = self._git("rev-parse", "--show-toplevel", "--is-shallow-repository")
        top, shallow = (asked or "\n").split("\n")[:2]
        return bool(top) and Path(top).resolve() == Path(self.root).resolve() and shallow == "false"

    def _git(self, *arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", self.root, *arguments], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout
