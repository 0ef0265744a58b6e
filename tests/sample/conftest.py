"""A template of one's own to generate from: what the checkout has, in a repository that a test may change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dataflow.sample.copier_environment import copier_environment
from tests.support.template_repo import make_template


@pytest.fixture(autouse=True)
def _somebody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of the user who runs the tests: name, home, settings."""
    monkeypatch.setenv("DATAFLOW_USER", "alice")
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COPIER_CACHE_DIR", str(tmp_path / "copier-cache"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    with copier_environment():  # for those tests that call Copier themselves
        yield


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """The recipes as they stand, in a repository without tags."""
    return make_template(tmp_path / "template")
