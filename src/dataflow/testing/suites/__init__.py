"""Test suites of packages, whatever their language."""
