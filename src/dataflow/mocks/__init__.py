"""Mock files: small tables that a human likes to read, and that mean the same to every reader of YAML."""

from __future__ import annotations

from dataflow.mocks.load import load_mock, read_mock
from dataflow.mocks.model import Mock, MockColumn, Value
from dataflow.mocks.values_sql import to_values_sql

__all__ = ["Mock", "MockColumn", "Value", "load_mock", "read_mock", "to_values_sql"]
