from __future__ import annotations

import pytest
from lineage_state import State


@pytest.fixture
def state(tmp_path):
    found = State(f"sqlite:///{tmp_path / 'home' / 'state.db'}")
    yield found
    found.records.close()
