"""Whose package this is: pinned once when it is generated, derived from the user when it was not.

Standard library only: the after-generation hook runs this very file under Copier's own Python, where Dataflow
may not be installed.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import subprocess
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "identity.yaml"
_LONGEST = 100  # Hive takes 128 characters for a table, and recipes put `_results` and the like behind

_HEADER = """\
# Who owns this package, pinned when it was generated. Workflow ids and table
# names derive from it. Written once and never touched by an update: keep it in
# git, and leave the uuid as it is.
"""


@dataclass(frozen=True)
class Identity:
    """Who owns a package.

    Attributes:
        owner: The person or team, a slug: `alice`.
        package_id: What workflow ids start with: `alice.playback`.
        uuid: What the package's tables carry, so that no other package writes to them.
        pinned: False when there is no `identity.yaml`, and all of this was derived from user and folder.
    """

    owner: str
    package_id: str
    uuid: str
    pinned: bool = True

    @property
    def package_slug(self) -> str:
        """The package id as a part of a table name: `alice_playback`; shortened where no table could be called so."""
        name = slug(self.package_id)
        if len(name) <= _LONGEST:
            return name
        return f"{name[: _LONGEST - 13].rstrip('_')}_{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def slug(text: str) -> str:
    """Turn a text into a word that SQL takes as a name: lower case letters, digits and underscores."""
    word = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return f"n{word}" if word[:1].isdigit() else word or "unnamed"


def current_user() -> str:
    """Say who is at the keyboard, as a slug: `DATAFLOW_USER`, else git's user.email, else the login."""
    return slug(os.environ.get("DATAFLOW_USER") or _git_user() or login())


def login() -> str:
    """Return the login's name; of one that has only a number, as in many containers, that."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return f"user_{os.getuid()}" if hasattr(os, "getuid") else "user"


def derived(folder: Path) -> Identity:
    """Return what identifies a package that was never pinned: the current user and the folder's name."""
    owner, name = current_user(), slug(folder.resolve().name)
    return Identity(owner, f"{owner}.{name}", f"unpinned:{owner}.{name}", pinned=False)


def pin(folder: Path, shortname: str, workflow_id: str = "") -> Identity:
    """Write `identity.yaml` for a new package; one that is there already is kept as it stands.

    Args:
        folder: The package's folder.
        shortname: Last part of the package id.
        workflow_id: The whole package id, where the user gave one.
    """
    owner = current_user()
    identity = Identity(owner, workflow_id or f"{owner}.{slug(shortname)}", str(uuid.uuid4()))
    path = folder / FILE_NAME
    if path.exists():
        return identity
    temporary = path.with_suffix(".tmp")
    temporary.write_text(
        f"{_HEADER}owner: {identity.owner}\npackage_id: {identity.package_id}\nuuid: {identity.uuid}\n",
        encoding="utf-8",
    )
    temporary.replace(path)
    return identity


def _git_user() -> str:
    env = {key: value for key, value in os.environ.items() if key not in {"GIT_DIR", "GIT_WORK_TREE", "GIT_CONFIG"}}
    command = ["git", "config", "user.email"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10, env=env)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip().split("@")[0]
