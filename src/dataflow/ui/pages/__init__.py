"""The pages, in the order of the navigation.

A page is a module here with its `PAGE`, a function of `dataflow.ui.read` that finds what it shows, and a template of
its name. It holds no query, and its template no logic beyond what is shown where.
"""

from __future__ import annotations

from dataflow.ui.page import Page
from dataflow.ui.pages import overview, run, runs

PAGES: tuple[Page, ...] = (overview.PAGE, runs.PAGE, run.PAGE)
