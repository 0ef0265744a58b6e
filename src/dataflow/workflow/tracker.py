"""`tracker:` of `dataflow.yaml`: where campaigns file their issues."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from dataflow.workflow.strict_model import StrictModel

_REPOSITORY = re.compile(r"[A-Za-z0-9-]+/[\w.-]+", re.ASCII)
_PROJECT_KEY = re.compile(r"[A-Z][A-Z0-9_]*")
_SECRET = re.compile(r"\$\{secret:[^}]+\}")


def _address(url: str) -> str:
    """Return the address of a server without the slash at its end."""
    if "@" in url:
        raise ValueError("a login does not belong in an address: see `token` and `user`")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.query
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("should be an http or https address")
    return url.rstrip("/")


class _Tracker(StrictModel):
    token: str = Field(description="`${secret:NAME}`: who may write issues there.")
    labels: list[str] = Field([], description="What issues are labelled with, beside the campaign.")

    @field_validator("token")
    @classmethod
    def _is_secret(cls, token: str) -> str:
        if not _SECRET.fullmatch(token):
            raise ValueError("a token does not belong in a file: write ${secret:NAME}")
        return token

    @field_validator("labels")
    @classmethod
    def _are_words(cls, labels: list[str]) -> list[str]:
        for label in labels:
            if not label or label != label.strip() or re.search(r"\s", label):
                raise ValueError("a label should be a word without spaces")
        return labels


class GithubTracker(_Tracker):
    """Issues of a repository on GitHub."""

    type: Literal["github"]
    repository: str = Field(description="OWNER/NAME.")
    url: str = Field("https://api.github.com", description="GitHub's API; of an Enterprise server https://HOST/api/v3.")

    _url = field_validator("url")(_address)

    @field_validator("repository")
    @classmethod
    def _is_repository(cls, repository: str) -> str:
        if not _REPOSITORY.fullmatch(repository):
            raise ValueError("should be OWNER/NAME")
        return repository

    @property
    def name(self) -> str:
        """What messages and the state database call it."""
        return f"{self.repository} at {urlsplit(self.url).netloc}"


class JiraTracker(_Tracker):
    """Issues of a project in Jira, Cloud or Data Center."""

    type: Literal["jira"]
    url: str = Field(description="Its address, such as https://acme.atlassian.net.")
    project: str = Field(description="The project's key, such as DATA.")
    user: str | None = Field(None, description="Of Jira Cloud: the e-mail address that the API token belongs to.")
    issue_type: str = Field("Task", description="What kind of issue a campaign files.")
    close: str | None = Field(None, description="The transition, or the status, that closes an issue.")
    reopen: str | None = Field(None, description="The transition, or the status, that reopens one.")
    fields: dict[str, Any] = Field({}, description="More fields of a new issue, as Jira's REST API spells them.")

    _url = field_validator("url")(_address)

    @field_validator("project")
    @classmethod
    def _is_key(cls, project: str) -> str:
        if not _PROJECT_KEY.fullmatch(project):
            raise ValueError("should be a project's key in capital letters, such as DATA")
        return project

    @property
    def name(self) -> str:
        """What messages and the state database call it."""
        return f"{self.project} at {urlsplit(self.url).netloc}"


TrackerSpec = Annotated[GithubTracker | JiraTracker, Field(discriminator="type")]
