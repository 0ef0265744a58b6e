"""Runs need a package to run."""

from __future__ import annotations

from tests.support.run_package import package

__all__ = ["package"]
