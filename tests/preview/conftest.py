"""Previews need a package."""

from __future__ import annotations

from tests.support.run_package import package

__all__ = ["package"]
