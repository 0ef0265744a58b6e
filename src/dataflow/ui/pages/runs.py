"""The runs of the environment, newest first."""

from __future__ import annotations

from dataflow.ui.page import Page
from dataflow.ui.read.runs import runs_of

PAGE = Page("runs", "/runs", "Runs", runs_of, listed=True)
