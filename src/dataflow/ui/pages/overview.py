"""The overview: which tables and workflows there are, whose, fresh until when, and what went wrong."""

from __future__ import annotations

from dataflow.ui.page import Page
from dataflow.ui.read.runs import runs_of

PAGE = Page("overview", "/", "Overview", runs_of, listed=True)
