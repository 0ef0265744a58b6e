"""Issues of a repository on GitHub, by PyGithub."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

from dataflow.migration.tracker.answers import no_api, refusal, unreachable
from dataflow.migration.tracker.model import Draft, Issue
from dataflow.workflow.parameters import resolve_secrets

if TYPE_CHECKING:
    from github.Issue import Issue as GithubIssue
    from github.IssueComment import IssueComment

    from dataflow.workflow.tracker import GithubTracker

TIMEOUT = 20
BETWEEN_WRITES = 1.0
"""Seconds between requests that write, as GitHub asks for."""

_CLOCKS = dt.timedelta(hours=1)  # by which GitHub's and this machine's may differ
_GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}


class GithubIssues:
    """Issues of a repository on GitHub.

    A mark stands in an issue's text, where nobody sees it, and is looked for among what is new: a list is up to date
    at once, a search is not. A label would be lost where the token may file issues and not label them.

    Args:
        settings: `tracker:` of dataflow.yaml.
    """

    markup = "markdown"
    limit = 60_000

    def __init__(self, settings: GithubTracker) -> None:
        from github import Auth, Github

        self.name = settings.name
        self._github = Github(
            auth=Auth.Token(resolve_secrets(settings.token)),
            base_url=settings.url,
            timeout=TIMEOUT,
            retry=None,  # `patiently` does it: only who knows what was asked for knows whether it may be asked again
            seconds_between_requests=0,
            seconds_between_writes=BETWEEN_WRITES,
            lazy=True,  # the repository itself is of no interest
        )
        self._repository = self._github.get_repo(settings.repository)
        self._called = settings.repository

    def find(self, mark: str, since: dt.datetime) -> Issue | None:
        """Return the issue that was filed with a mark since a moment, if there is one."""
        with self._translated():
            for found in self._repository.get_issues(state="all", since=since - _CLOCKS):
                if found.pull_request is None and _line(mark) in (found.body or ""):
                    return self._issue(found)
        return None

    def create(self, draft: Draft) -> Issue:
        """File an issue."""
        with self._translated():
            return self._issue(
                self._repository.create_issue(
                    title=draft.title,
                    body=_text(draft),
                    labels=list(draft.labels),
                    assignees=[draft.assignee] if draft.assignee else [],
                )
            )

    def get(self, key: str) -> Issue | None:
        """Return an issue; None when it is not there any more."""
        from github import GithubException

        with self._translated():
            try:
                return self._issue(self._repository.get_issue(int(key.rpartition("#")[2])))
            except GithubException as error:
                if error.status in _GONE:
                    return None
                raise

    def update(self, issue: Issue, draft: Draft) -> None:
        """Write title and text anew; what people set, such as the assignee, stays."""
        with self._translated():
            _native(issue).edit(title=draft.title, body=_text(draft))

    def comment(self, issue: Issue, text: str) -> None:
        """Add a comment."""
        with self._translated():
            _: IssueComment = _native(issue).create_comment(text)

    def close(self, issue: Issue) -> None:
        """Close an issue; one that is closed stays as it is."""
        if issue.is_open:
            with self._translated():
                _native(issue).edit(state="closed", state_reason="completed")

    def reopen(self, issue: Issue) -> None:
        """Open an issue again; one that is open stays as it is."""
        if not issue.is_open:
            with self._translated():
                _native(issue).edit(state="open", state_reason="reopened")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._github.close()

    def _issue(self, found: GithubIssue) -> Issue:
        return Issue(f"{self._called}#{found.number}", found.html_url, found.state == "open", found)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn a failure into one line."""
        from github import BadAttributeException, GithubException, IncompletableObject
        from requests import RequestException

        try:
            yield
        except (BadAttributeException, IncompletableObject):
            raise no_api(self.name) from None
        except GithubException as error:
            headers = {name.lower(): value for name, value in (error.headers or {}).items()}
            raise refusal(self.name, error.status, _said(error.data), headers) from None
        except RequestException as error:
            raise unreachable(self.name, error) from None


def _native(issue: Issue) -> GithubIssue:
    found: GithubIssue = issue.native
    return found


def _line(mark: str) -> str:
    return f"<!-- dataflow: {mark} -->"


def _text(draft: Draft) -> str:
    return f"{draft.body}\n\n{_line(draft.mark)}\n"


def _said(data: Any) -> str:
    """Return what GitHub says of a refusal: its message, and what is wrong with which field."""
    if not isinstance(data, dict):
        return ""
    details = data.get("errors")
    fields = [
        str(it.get("message") or f"{it.get('field')} is {it.get('code')}: {it.get('value')}")
        if isinstance(it, dict)
        else str(it)
        for it in (details if isinstance(details, list) else [])
    ]
    return "; ".join([str(data.get("message", "")), *fields])
