"""Each test has a package in the current folder, small but whole, to change."""

from __future__ import annotations

from tests.support.definitions import definition, edit, load, mistakes, package

__all__ = ["definition", "edit", "load", "mistakes", "package"]
