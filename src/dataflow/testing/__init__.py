"""Unit tests of scripts on a real Spark: mocks as tables, production's own code path, readable diffs."""

from __future__ import annotations

from dataflow.testing.fixture import Dataflow

__all__ = ["Dataflow"]
