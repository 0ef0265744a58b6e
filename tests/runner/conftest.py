"""Runs need a package to run."""

from __future__ import annotations

from tests.support.run_package import package

__all__ = ["package"]


def pytest_addoption(parser):
    parser.addoption("--run-kills", type=int, default=10, help="at how many random moments a run is killed")
