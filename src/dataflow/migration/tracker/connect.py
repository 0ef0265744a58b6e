"""Opens the tracker of an environment."""

from __future__ import annotations

from dataflow.errors import DataflowError
from dataflow.migration.tracker.model import Tracker
from dataflow.workflow.tracker import GithubTracker, JiraTracker


def open_tracker(settings: GithubTracker | JiraTracker) -> Tracker:
    """Return a tracker that can be worked with.

    Raises:
        DataflowError: Its client is not installed, its token is not there, or it can't be reached.
    """
    try:
        if isinstance(settings, GithubTracker):
            from dataflow.migration.tracker.github import GithubIssues

            return GithubIssues(settings)
        from dataflow.migration.tracker.jira import JiraIssues

        return JiraIssues(settings)
    except ModuleNotFoundError as error:
        raise DataflowError(
            f"{error.name} is not installed, which tracker.type: {settings.type} needs",
            "pip install 'dataflow-recipes[trackers]'",
            permanent=True,
        ) from None


def markup_of(settings: GithubTracker | JiraTracker) -> tuple[str, int]:
    """Return how a tracker's texts are written, and how long they may be."""
    if isinstance(settings, GithubTracker):
        from dataflow.migration.tracker.github import GithubIssues

        return GithubIssues.markup, GithubIssues.limit
    from dataflow.migration.tracker.jira import JiraIssues

    return JiraIssues.markup, JiraIssues.limit
