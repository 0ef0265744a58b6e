from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.repositories import git


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Make an empty repository."""
    folder = tmp_path / "films"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    return folder
