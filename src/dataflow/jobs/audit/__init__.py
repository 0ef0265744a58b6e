"""Audits: checks of the rows that a run wrote, before anybody else can read them."""

from __future__ import annotations

from dataflow.jobs.audit.results import AuditResult, Rows
from dataflow.jobs.audit.run import run_audits

__all__ = ["AuditResult", "Rows", "run_audits"]
