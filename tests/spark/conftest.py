"""The session with Comet, which tests of it share: its Spark has settings of its own, and a process has one Spark."""

from __future__ import annotations

import pytest

from tests.support.comet import comet_session


@pytest.fixture(scope="session")
def with_comet(tmp_path_factory):
    """A session with Comet, and the folder of what it says of writes."""
    with comet_session(tmp_path_factory.mktemp("comet")) as found:
        yield found
