from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from dataflow.ui.app import make_app
from tests.support.browser import chromium, served
from tests.support.ui_facts import add_facts
from tests.support.ui_world import make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Return what pages are read from: ten days of three workflows."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("world")
        patch.setenv("DATAFLOW_HOME", str(folder / "home"))
        source = make_world(folder)
        yield source
        source.close()


@pytest.fixture(scope="module")
def client(world):
    """Return a client of the site over it, which raises what a page raises."""
    return TestClient(make_app(world), base_url="http://localhost")


@pytest.fixture(scope="session")
def browser():
    """Return a real Chromium without a window."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def site(world):
    """Return the address of the site over the world, served as `dataflow ui` does."""
    with served(make_app(world)) as address:
        yield address


@pytest.fixture(scope="module")
def facts(world):
    """Return a client of the site over the same with tables, lineage, deployments, schedules and a campaign."""
    add_facts(world)
    return TestClient(make_app(world), base_url="http://localhost")
