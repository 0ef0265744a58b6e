"""Issues of a project in Jira, Cloud or Data Center, by the client `jira`."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

from dataflow.errors import did_you_mean
from dataflow.migration.tracker.answers import no_api, refusal, unreachable
from dataflow.migration.tracker.model import Draft, Issue, TrackerError
from dataflow.workflow.parameters import resolve_secrets

if TYPE_CHECKING:
    from jira import JIRA
    from jira.resources import Issue as JiraIssue

    from dataflow.workflow.tracker import JiraTracker

TIMEOUT = 20.0
_DUE = "duedate"
_DONE, _NEW, _STARTED = "done", "new", "indeterminate"  # the categories that every status is in


class JiraIssues:
    """Issues of a project in Jira.

    A mark is a label, as Jira finds labels exactly.

    Args:
        settings: `tracker:` of dataflow.yaml.
    """

    markup = "wiki"
    limit = 30_000

    def __init__(self, settings: JiraTracker) -> None:
        from jira import JIRA

        self.name = settings.name
        self._settings = settings
        token = resolve_secrets(settings.token)
        login: dict[str, Any] = {"basic_auth": (settings.user, token)} if settings.user else {"token_auth": token}
        with self._translated():  # it asks the server whether it is Cloud's
            self._jira: JIRA = JIRA(settings.url, timeout=TIMEOUT, max_retries=0, logging=False, **login)

    def find(self, mark: str, since: dt.datetime) -> Issue | None:  # noqa: ARG002 - labels are found whenever
        """Return the issue that was filed with a mark since a moment, if there is one."""
        asked = f'project = "{self._settings.project}" AND labels = "{_label(mark)}" ORDER BY created ASC'
        with self._translated():
            found = self._jira.search_issues(asked, maxResults=1, fields="status")
            return next((self._issue(it) for it in found), None)

    def create(self, draft: Draft) -> Issue:
        """File an issue; with the deadline as its due date, where the project has one."""
        fields: dict[str, Any] = {
            "project": {"key": self._settings.project},
            "issuetype": {"name": self._settings.issue_type},
            "summary": draft.title,
            "description": draft.body,
            "labels": [*draft.labels, _label(draft.mark)],
            _DUE: draft.deadline.isoformat(),
            **self._settings.fields,
        }
        if draft.assignee:
            fields["assignee"] = {"accountId" if self._jira._is_cloud else "name": draft.assignee}
        with self._translated():
            made = self._created(fields)
            return Issue(str(made.key), f"{self._settings.url}/browse/{made.key}", is_open=True, native=made)

    def get(self, key: str) -> Issue | None:
        """Return an issue; None when it is not there any more."""
        from jira import JIRAError

        with self._translated():
            try:
                return self._issue(self._jira.issue(key, fields="status"))
            except JIRAError as error:
                if error.status_code == HTTPStatus.NOT_FOUND:
                    return None
                raise

    def update(self, issue: Issue, draft: Draft) -> None:
        """Write title and text anew; what people set, such as the assignee, stays."""
        with self._translated():
            native: JiraIssue = issue.native
            native.update(fields={"summary": draft.title, "description": draft.body})

    def comment(self, issue: Issue, text: str) -> None:
        """Add a comment."""
        with self._translated():
            self._jira.add_comment(issue.key, text)

    def close(self, issue: Issue) -> None:
        """Close an issue; one that is closed stays as it is."""
        if issue.is_open:
            self._move(issue, self._settings.close, (_DONE,), "close")

    def reopen(self, issue: Issue) -> None:
        """Open an issue again; one that is open stays as it is."""
        if not issue.is_open:
            self._move(issue, self._settings.reopen, (_NEW, _STARTED), "reopen")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._jira.close()  # type: ignore[no-untyped-call]  # of a library that gives this one no types

    def _created(self, fields: Mapping[str, Any]) -> JiraIssue:
        from jira import JIRAError

        try:
            return self._jira.create_issue(fields=dict(fields), prefetch=False)
        except JIRAError as error:
            if error.status_code != HTTPStatus.BAD_REQUEST or _DUE not in _wrong_fields(error):
                raise
            return self._created({name: value for name, value in fields.items() if name != _DUE})

    def _move(self, issue: Issue, wanted: str | None, categories: Sequence[str], key: str) -> None:
        """Move an issue by the transition that is wanted, or by one that leads into a category of statuses."""
        with self._translated():
            offered = self._jira.transitions(issue.key)
            chosen = _chosen(offered, wanted, categories)
            if chosen is None:
                names = [str(it["name"]) for it in offered]
                what = (
                    f"has no transition '{wanted}'{did_you_mean(wanted, names)}" if wanted else f"can't {key} by itself"
                )
                raise TrackerError(
                    f"issue {issue.key} {what}", f"set tracker.{key} in dataflow.yaml to a transition", of_issue=True
                )
            self._jira.transition_issue(issue.key, chosen)

    def _issue(self, found: JiraIssue) -> Issue:
        status = found.raw["fields"]["status"]
        is_open = status.get("statusCategory", {}).get("key") != _DONE
        return Issue(str(found.key), f"{self._settings.url}/browse/{found.key}", is_open, found)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn a failure into one line."""
        from jira import JIRAError
        from requests import RequestException

        try:
            yield
        except JIRAError as error:
            headers = {name.lower(): value for name, value in getattr(error.response, "headers", {}).items()}
            raise refusal(self.name, error.status_code or 0, _said(error), headers) from None
        except (ValueError, KeyError):  # a page to log in at, or whatever else a proxy has to say
            raise no_api(self.name) from None
        except RequestException as error:
            raise unreachable(self.name, error) from None


def _label(mark: str) -> str:
    return f"dataflow-{mark}"


def _chosen(offered: Sequence[Mapping[str, Any]], wanted: str | None, categories: Sequence[str]) -> str | None:
    """Return the id of a transition, by its name or that of the status it leads to, or by the status' category."""
    if wanted:
        names = ((it["id"], {str(it["name"]).lower(), str(it.get("to", {}).get("name")).lower()}) for it in offered)
        return next((str(id_) for id_, called in names if wanted.lower() in called), None)
    for category in categories:
        for it in offered:
            if it.get("to", {}).get("statusCategory", {}).get("key") == category:
                return str(it["id"])
    return None


def _answer(error: Any) -> Mapping[str, Any]:
    try:
        found = error.response.json()
    except (AttributeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _wrong_fields(error: Any) -> Mapping[str, Any]:
    found = _answer(error).get("errors")
    return found if isinstance(found, dict) else {}


def _said(error: Any) -> str:
    """Return what Jira says of a refusal: its messages, and what is wrong with which field."""
    messages = _answer(error).get("errorMessages") or []
    fields = [f"{name}: {why}" for name, why in _wrong_fields(error).items()]
    return "; ".join([*map(str, messages), *fields])
