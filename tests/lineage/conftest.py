"""Lineage is kept in a state database."""

from __future__ import annotations

from tests.support.lineage_state import state

__all__ = ["state"]
