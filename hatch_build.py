"""Puts the repository into what is built, as a git bundle with its tags.

From an installed wheel packages can thus be generated, and later updated, without a network: see
dataflow/sample/origin.py.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_PLACE = {"wheel": "dataflow/template.bundle", "sdist": "src/dataflow/template.bundle"}


class TemplateBundle(BuildHookInterface):
    """Adds `template.bundle` where there is a whole repository to make it from, else nothing."""

    PLUGIN_NAME = "custom"
    _folder: TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the bundle in a temporary folder and have it included."""
        if version == "editable" or not self._is_whole_repository():
            return
        self._folder = TemporaryDirectory()
        bundle = Path(self._folder.name) / "template.bundle"
        # One thread: the same commits make the same bytes.
        if self._git("-c", "pack.threads=1", "bundle", "create", "--quiet", str(bundle), "HEAD", "--tags") is None:
            self.app.display_warning("no git bundle of the recipes could be made: the build goes on without")
            return
        build_data["force_include"][str(bundle)] = _PLACE[self.target_name]

    def finalize(self, *_: Any) -> None:
        """Clear up."""
        if self._folder:
            self._folder.cleanup()

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
