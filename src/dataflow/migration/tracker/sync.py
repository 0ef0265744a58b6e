"""Keeps a campaign's issues in step with what its readers do.

Each owner's issue is worked on under a claim. That filing was asked for is written down before it is asked for; when no
answer came, the tracker is looked at first, for as long as it may take until it finds what was filed.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from dataflow.errors import DataflowError
from dataflow.migration.campaign.definition import Campaign
from dataflow.migration.notice_text import ANNOUNCED, OVERDUE, notice_content
from dataflow.migration.notify import due_level, open_readers
from dataflow.migration.progress.definition import ReaderStatus
from dataflow.migration.tracker.answers import patiently
from dataflow.migration.tracker.connect import markup_of, open_tracker
from dataflow.migration.tracker.model import Draft, Issue, Tracker, TrackerError
from dataflow.migration.tracker.store import IssueRecord, IssueStore
from dataflow.migration.tracker.text import comment_text, issue_draft, issue_mark
from dataflow.report import Report, silent
from dataflow.state.utc import now as moment_now
from dataflow.wording import plural

if TYPE_CHECKING:
    from dataflow.lineage.query import LineageGraph
    from dataflow.workflow.project import Environment
    from dataflow.workflow.tracker import GithubTracker, JiraTracker

SETTLES = dt.timedelta(seconds=30)
"""How long it may take at most until a tracker finds what was filed."""

_LOOK = 2.0
_TRIES = 2
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class IssueChange:
    """What was done, or would be, with the issue of an owner.

    Attributes:
        owner: The owner; empty for workflows without one.
        action: `filed`, `updated`, `commented`, `reopened`, `closed` or `unchanged`.
        key: What people call the issue; None where it is not filed yet.
        url: Its page.
        title: Its title; empty where it was not written.
        text: Its text; empty where it was not written.
    """

    owner: str
    action: str
    key: str | None
    url: str | None
    title: str = ""
    text: str = ""


@dataclass
class IssueResult:
    """What came of a campaign's issues.

    Attributes:
        changes: What was done.
        failed: Owners whose issue could not be brought up to date, with the errors.
        busy: Owners whose issue another process works on.
    """

    changes: list[IssueChange] = field(default_factory=list)
    failed: list[tuple[str, DataflowError]] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)

    def links(self) -> dict[str, str]:
        """Return the page of each owner's issue."""
        return {change.owner: change.url for change in self.changes if change.url and change.action != "closed"}


@dataclass(frozen=True)
class CampaignIssues:
    """The issues of a campaign.

    Attributes:
        campaign: The campaign.
        readers: How far its readers are.
        environment: Has the owners.
        settings: The tracker.
        store: What was filed.
        report: Called with a line where something takes a while.
    """

    campaign: Campaign
    readers: Sequence[ReaderStatus]
    environment: Environment
    settings: GithubTracker | JiraTracker
    store: IssueStore
    report: Report = silent

    def drafts(self, lineage: LineageGraph, now: dt.datetime, *, ready: bool) -> dict[str, Draft]:
        """Return the issue of each owner whose readers have not moved, as it should be."""
        found = {}
        markup, limit = markup_of(self.settings)
        level = OVERDUE if self.campaign.row.deadline <= now.date() else ANNOUNCED
        for owner, mine in open_readers(self.campaign, self.readers).items():
            content = notice_content(self.campaign, owner, mine, level, lineage, now, ready=ready)
            found[owner] = issue_draft(self.campaign, owner, content, self.environment, markup, limit)
        return found

    def planned(self, drafts: Mapping[str, Draft], now: dt.datetime) -> list[IssueChange]:
        """Return what `bring_up_to_date` would do, as far as the state tells; the tracker is not asked."""
        known = {record.owner: record for record in self.store.all()}
        changes = []
        for owner, draft in drafts.items():
            record = known.pop(owner, IssueRecord(owner))
            action = "unchanged" if record.digest == draft.digest else "updated"
            if record.state is None:
                action = "filed"
            elif record.state == "closed":
                action = "reopened"
            elif action == "unchanged" and self._reminder(record, now):
                action = "commented"
            changes.append(IssueChange(owner, action, record.key, record.url, draft.title, draft.body))
        gone = [record for record in known.values() if record.state == "open"]
        return changes + [IssueChange(record.owner, "closed", record.key, record.url) for record in gone]

    def bring_up_to_date(self, drafts: Mapping[str, Draft], now: dt.datetime) -> IssueResult:
        """File, update, reopen and close issues, and remind by a comment as the deadline nears."""
        rest = [it.owner for it in self.store.all() if it.owner not in drafts and (it.state == "open" or it.asked)]
        work = {owner: _Wanted(draft, now) for owner, draft in drafts.items()}
        return self._each({**work, **dict.fromkeys(rest)})

    def follow(self) -> IssueResult:
        """Close what is done, and reopen what is not any more; nothing is filed or written anew."""
        waiting = open_readers(self.campaign, self.readers) if self.campaign.row.state == "open" else {}
        moved = [it.owner for it in self.store.all() if it.state and (it.state == "open") != (it.owner in waiting)]
        return self._each({owner: _Wanted(None) if owner in waiting else None for owner in moved})

    def _each(self, wanted: Mapping[str, _Wanted | None]) -> IssueResult:
        """Work on issues one after the other; once the tracker itself fails, the rest fails for the same reason."""
        result = IssueResult()
        if not wanted:
            return result
        failure: DataflowError | None = None
        try:
            tracker = patiently(lambda: open_tracker(self.settings), self.report)
        except DataflowError as error:
            result.failed = [(owner, error) for owner in wanted]
            return result
        with tracker:
            for owner, want in wanted.items():
                if failure is None:
                    failure = self._one(tracker, owner, want, result)
                else:
                    result.failed.append((owner, failure))
        return result

    def _one(self, tracker: Tracker, owner: str, want: _Wanted | None, result: IssueResult) -> DataflowError | None:
        """Bring one issue up to date; return the failure that others would share."""
        with self.store.claimed(owner) as record:
            if record is None:
                result.busy.append(owner)
                return None
            work = _Work(self, tracker, record)
            try:
                result.changes += work.close() if want is None else work.keep_open(want)
            except DataflowError as error:
                result.failed.append((owner, error))
                return None if isinstance(error, TrackerError) and error.of_issue else error
        return None

    def _reminder(self, record: IssueRecord, now: dt.datetime) -> str | None:
        """Return how close the deadline is, where an owner should hear that now."""
        return due_level(self.campaign, {ANNOUNCED, *record.heard}, now)


@dataclass(frozen=True)
class _Wanted:
    """An issue that should be open.

    Attributes:
        draft: Its text; None where that is left as it is.
        now: The current time, for reminders.
    """

    draft: Draft | None
    now: dt.datetime | None = None


@dataclass
class _Work:
    """The work on one issue, under its claim."""

    issues: CampaignIssues
    tracker: Tracker
    record: IssueRecord

    def keep_open(self, want: _Wanted) -> list[IssueChange]:
        """File, update or reopen it, and remind."""
        draft, action = want.draft, "unchanged"
        issue = self._known_issue()
        if issue is None:
            if draft is None:
                return []  # it is gone; `notify` files another one
            issue, action = self._file(draft), "filed"
        if draft is not None and self.record.digest != draft.digest:
            self._update(issue, draft)
            action = "updated" if action == "unchanged" else action
        if not issue.is_open:
            action = self._reopen(issue)
        level = self.issues._reminder(self.record, want.now) if want.now and action != "filed" else None
        if level:
            self._comment(issue, level, self._reminding(level, want.now))
            action = "commented" if action == "unchanged" else action
        title, body = (draft.title, draft.body) if draft else ("", "")
        return [IssueChange(self.record.owner, action, issue.key, issue.url, title, body)]

    def _update(self, issue: Issue, draft: Draft) -> None:
        self._patiently(lambda: self.tracker.update(issue, draft))
        self._write(digest=draft.digest)

    def close(self) -> list[IssueChange]:
        """Close it: all that it was about has moved, or the campaign is over."""
        issue = self._known_issue()
        if issue is None and self.record.asked is not None:
            issue = self._settled(self.record.asked)
        if issue is None:
            self._write(state="closed" if self.record.key else None, asked=None)
            return []
        was_open = issue.is_open
        self._moved(issue.key, self.tracker.close)
        self._write(key=issue.key, url=issue.url, state="closed", asked=None)
        if was_open:
            self._comment(issue, None, self._why_closed())
        return [IssueChange(self.record.owner, "closed", issue.key, issue.url)]

    def _file(self, draft: Draft) -> Issue:
        """File it, unless it was filed before without an answer."""
        for attempt in range(_TRIES):
            if self.record.asked is not None and (found := self._settled(self.record.asked)) is not None:
                self._filed(found, None)  # what it says may be of before
                return found
            self._write(asked=moment_now())
            try:
                issue = patiently(lambda: self.tracker.create(draft), self.issues.report, only_if_sure=True)
            except TrackerError as error:
                if not error.unsure:
                    self._write(asked=None)
                    raise
                if attempt == _TRIES - 1:
                    raise
            else:
                self._filed(issue, draft.digest)
                return issue
        raise AssertionError

    def _filed(self, issue: Issue, digest: str | None) -> None:
        state = "open" if issue.is_open else "closed"
        self._write(key=issue.key, url=issue.url, state=state, digest=digest, asked=None, heard=[])

    def _settled(self, asked: dt.datetime) -> Issue | None:
        """Return what was filed when it was asked for; None once it would have been found."""
        mark, told = issue_mark(self.issues.campaign, self.record.owner), False
        while True:
            found = self._patiently(lambda: self.tracker.find(mark, asked))
            left = (asked + SETTLES - moment_now()).total_seconds()
            if found is not None or left <= 0:
                return found
            if not told:
                self.issues.report(f"{self.tracker.name} gave no answer: looking whether it filed the issue")
                told = True
            time.sleep(min(_LOOK, left))

    def _known_issue(self) -> Issue | None:
        key = self.record.key
        return self._patiently(lambda: self.tracker.get(key)) if key else None

    def _reopen(self, issue: Issue) -> str:
        """Open it again, and say why: whatever people think, its readers have not moved."""
        was_closed_here = self.record.state == "closed"
        self._moved(issue.key, self.tracker.reopen)
        self._write(state="open")
        mine = open_readers(self.issues.campaign, self.issues.readers).get(self.record.owner, [])
        why = "; ".join(f"{each.reader.workflow}: {each.why}" for each in mine)
        text = f"Reopened: {why}."
        if not was_closed_here:
            text += " Where that is no longer so, run or deploy it, or acknowledge it as described above."
        self._comment(issue, None, text)
        return "reopened"

    def _moved(self, key: str, move: Callable[[Issue], None]) -> None:
        """Close or reopen an issue; each time it is looked at first."""

        def once() -> None:
            if (issue := self.tracker.get(key)) is not None:
                move(issue)

        self._patiently(once)

    def _reminding(self, level: str, now: dt.datetime | None) -> str:
        deadline = self.issues.campaign.row.deadline
        if level == OVERDUE or now is None:
            return f"The deadline {deadline} has passed."
        return f"A reminder: {plural((deadline - now.date()).days, 'day')} left until {deadline}."

    def _why_closed(self) -> str:
        campaign, owner = self.issues.campaign, self.record.owner
        if campaign.row.state != "open":
            return f"Closed: campaign {campaign.id} is {campaign.row.state}."
        mine = [each for each in self.issues.readers if (each.reader.owner or "") == owner]
        return "Closed: " + "; ".join(f"{each.reader.workflow}: {each.why}" for each in mine) + "."

    def _comment(self, issue: Issue, level: str | None, text: str) -> None:
        """Comment at most once: what may have been said is not said again."""
        if level:
            self._write(heard=[*self.record.heard, level])
        try:
            shown = comment_text(text, self.tracker.markup)
            patiently(lambda: self.tracker.comment(issue, shown), self.issues.report, only_if_sure=True)
        except TrackerError as error:
            if level and not error.unsure:
                self._write(heard=[it for it in self.record.heard if it != level])
            if not error.unsure:
                raise

    def _patiently(self, call: Callable[[], _Answer]) -> _Answer:
        return patiently(call, self.issues.report)

    def _write(self, **values: Any) -> None:
        self.issues.store.write(self.record.owner, **values)
        changed: dict[str, Any] = {name: tuple(it) if isinstance(it, list) else it for name, it in values.items()}
        self.record = replace(self.record, **changed)
