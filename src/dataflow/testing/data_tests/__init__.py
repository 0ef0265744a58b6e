"""Tests written as data: given rows, expected rows."""
