"""Audits: checks of the rows that a run wrote, before readers can see them."""

from __future__ import annotations

from dataflow.jobs.audit.results import AuditedRows, AuditResult
from dataflow.jobs.audit.run import run_audits

__all__ = ["AuditResult", "AuditedRows", "run_audits"]
