"""`sql_should_return_no_rows`; `jobs/audit/custom.py` runs it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from dataflow.workflow.audits.base import AuditBase


class SqlAudit(AuditBase):
    """A query of your own returns no rows; `${AUDITED}` stands for the rows under audit."""

    function: Literal["sql_should_return_no_rows"]
    sql: str | None = None
    script: str | None = Field(None, description="A .sql file instead of the text.")

    @model_validator(mode="after")
    def _has_one_source(self) -> SqlAudit:
        if (self.sql is None) == (self.script is None):
            raise ValueError("needs either 'sql' or 'script'")
        return self

    @property
    def script_name(self) -> str | None:
        """The script, where it has one."""
        return self.script
