"""The text of an issue, in the markup of its tracker: what is foreign is code, or escaped."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from dataflow.foreign import for_jira, for_jira_block, for_markdown_block, for_markdown_prose
from dataflow.migration.campaign.definition import Campaign
from dataflow.migration.notice_text import PATCH_TO_REVIEW, NoticeContent
from dataflow.migration.tracker.model import Draft
from dataflow.secret import masked

if TYPE_CHECKING:
    from dataflow.workflow.project import Environment

_TITLE = 250
_LABEL = 50  # of GitHub; Jira's may be longer
_Prose = Callable[[str], str]
_Block = Callable[[Sequence[str], str], str]
_MARKUP: dict[str, tuple[_Prose, _Block]] = {
    "markdown": (for_markdown_prose, for_markdown_block),
    "wiki": (for_jira, for_jira_block),
}
_CODE = {"markdown": "`{}`", "wiki": "{{{{{}}}}}"}


def campaign_label(campaign: Campaign) -> str:
    """Return the label that all issues of a campaign have."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", f"migration-{campaign.id}")
    if len(name) <= _LABEL:
        return name
    return f"{name[: _LABEL - 9]}-{hashlib.sha256(campaign.id.encode()).hexdigest()[:8]}"


def issue_mark(campaign: Campaign, owner: str) -> str:
    """Return what tells the issue of an owner from all others."""
    row = campaign.row
    return hashlib.sha256(f"{row.environment}/{row.id}/{row.opened.isoformat()}/{owner}".encode()).hexdigest()[:20]


def issue_draft(
    campaign: Campaign, owner: str, content: NoticeContent, environment: Environment, markup: str, limit: int
) -> Draft:
    """Return an issue as it should be.

    Args:
        campaign: The campaign.
        owner: The owner; empty for workflows without one.
        content: What to say.
        environment: Has the owners, and the tracker.
        markup: How the tracker's texts are written.
        limit: How long a text may be.
    """
    known = environment.owners.get(owner)
    more = environment.tracker.labels if environment.tracker else []
    title = " ".join(masked(content.subject if owner else f"{content.subject} (no owner)").split())
    return Draft(
        title if len(title) <= _TITLE else f"{title[: _TITLE - 1]}…",
        _fitting(content, markup, limit),
        issue_mark(campaign, owner),
        (campaign_label(campaign), *more),
        known.tracker if known else None,
        campaign.row.deadline,
    )


def comment_text(text: str, markup: str) -> str:
    """Return the text of a comment."""
    return _MARKUP[markup][0](masked(text))


def _fitting(content: NoticeContent, markup: str, limit: int) -> str:
    """Return the text, without the patch and then without lines where it would be longer than a tracker takes."""
    workflows = list(content.workflows)
    text = "\n".join(_text(content, workflows, markup, with_patch=True))
    if len(text) > limit:
        text = "\n".join(_text(content, workflows, markup, with_patch=False))
    while len(text) > limit and len(workflows) > 1:
        left = workflows[: len(workflows) // 2]
        more = f"… and {len(content.workflows) - len(left):,} more lines"
        text = "\n".join(_text(content, [*left, more], markup, with_patch=False))
        workflows = left
    return text


def _text(content: NoticeContent, workflows: Sequence[str], markup: str, *, with_patch: bool) -> Iterator[str]:
    prose, block = _MARKUP[markup]
    bullet = "* " if markup == "wiki" else "- "
    for before, line in zip(("", *content.opening), content.opening, strict=False):
        item = line.removeprefix("  - ")
        if item == line and before.startswith("  - "):
            yield ""  # else it is of the last item
        yield (bullet if item != line else "") + prose(masked(item))
    head, *lines = workflows
    yield from ("", prose(head), "", block([masked(line) for line in lines], "text"), "")
    if content.patch and with_patch:
        yield from (f"{PATCH_TO_REVIEW} git apply at the root of the repository:", "")
        yield from (block(masked(content.patch).split("\n"), "diff"), "")
    elif content.patch:
        printed = _CODE[markup].format("dataflow migration notify --dry-run")
        yield from (f"The patch is too long for this text: {printed} prints it.", "")
    for line in content.reply:
        command = line.startswith("  ")
        yield block([masked(line.strip())], "text") if command else prose(masked(line))
    kept = _CODE[markup].format("dataflow migration notify")
    yield from ("", f"{kept} keeps this text up to date, and closes the issue once all of these have moved.")
