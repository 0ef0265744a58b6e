"""`python_should_pass`; `jobs/audit/custom.py` runs it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dataflow.workflow.audits.base import AuditBase


class PythonAudit(AuditBase):
    """A Python function of your own, `audit(rows, args) -> float`, returns the number of failing rows: 0 passes."""

    function: Literal["python_should_pass"]
    script: str = Field(description="A .py file.")
    callable: str = Field("audit", description="The function's name in it.")

    @property
    def script_name(self) -> str:
        """The script."""
        return self.script
