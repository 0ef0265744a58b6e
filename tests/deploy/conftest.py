from __future__ import annotations

import pytest

from film_repo import Repo

KILLS = 20


def pytest_addoption(parser):
    parser.addoption("--kills", type=int, default=KILLS, help="at how many random moments a deployment is killed")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATAFLOW_USER", "alice")
    monkeypatch.delenv("DATAFLOW_REGISTRY", raising=False)
    return tmp_path / "home"


@pytest.fixture
def repo(tmp_path, home, monkeypatch):  # noqa: ARG001 - it says where home is
    found = Repo(tmp_path / "films")
    found.package("top")
    found.commit("the first")
    monkeypatch.chdir(found.folder)
    return found
