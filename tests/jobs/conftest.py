"""What a job does shows in the runs of a package."""

from __future__ import annotations

from tests.support.run_package import package

__all__ = ["package"]
