"""`dataflow migration notify`: send the owners of affected workflows what they have to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import err, out, say, write
from dataflow.cli.migration.issues import print_issues
from dataflow.cli.migration.known import known_here
from dataflow.cli.migration.options import CampaignArgument, CheckoutOption
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.wording import plural

if TYPE_CHECKING:
    from dataflow.migration.actions import DueNotices, SentNotices


def notify(
    name: CampaignArgument = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show; send nothing.")] = False,
    files: Annotated[
        Path | None, typer.Option("--files", metavar="FOLDER", help="Write the messages into this folder instead.")
    ] = None,
    checkout: CheckoutOption = None,
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Send each owner what of theirs is affected, once.

    Nearer to the deadline those who have not moved are reminded. With `tracker:` in dataflow.yaml each owner has an
    issue as well, which is kept up to date, closed and reopened.

    Examples:
        dataflow migration notify --dry-run
        dataflow migration notify --files ./messages

    Exit codes:
        1: a message could not be sent, or an issue not be filed
    """
    from dataflow.migration.actions import due_notices, send_due_notices

    known = known_here(env, checkout)
    if dry_run:
        output.show(_Due(due_notices(known, name)))
        return
    sent = send_due_notices(known, name, files, say)
    output.show(_Sent(sent))
    if sent.results.failed or (sent.issues is not None and sent.issues.failed):
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Due(Result):
    due: DueNotices

    def text(self) -> None:
        for message in self.due.messages:
            write(f"To: {message.owner or '(no owner)'}\nSubject: {message.subject}\n\n{message.text}\n\n")
        count = len(self.due.messages)
        say(f"{plural(count, 'message')} {'is' if count == 1 else 'are'} due; none was sent")
        for it in self.due.issues:
            if it.action != "unchanged":
                say(f"to be {it.action} for {it.owner or 'no owner'}: {it.key or it.title}")

    def data(self) -> object:
        messages = [asdict(it) for it in self.due.messages]
        issues = [asdict(it) for it in self.due.issues]
        return {"due": messages, "sent": [], "doubtful": [], "failed": [], "issues": issues}


@dataclass(frozen=True)
class _Sent(Result):
    all: SentNotices

    def text(self) -> None:
        results, issues = self.all.results, self.all.issues
        print_issues(issues)
        for message, where in results.sent:
            out().print(f"notified {message.owner or 'nobody in particular'} ({message.level}): {where}")
        for owner in results.doubtful:
            say(f"{owner} may or may not have been notified: sending was interrupted; it is not resent automatically")
        for message, failure in results.failed:
            err().print(f"not notified: {message.owner or 'no owner'}: {failure.message}", style="red")
            if failure.hint:
                err().print(f"  → {failure.hint}")
        if not self.all.due and (issues is None or all(it.action == "unchanged" for it in issues.changes)):
            out().print("no message is due now")

    def data(self) -> object:
        results, issues = self.all.results, self.all.issues
        failed = [{"owner": it.owner, "message": why.message, "hint": why.hint} for it, why in results.failed]
        unfiled = [
            {"owner": owner, "message": why.message, "hint": why.hint}
            for owner, why in (issues.failed if issues else [])
        ]
        return {
            "due": [asdict(it) for it in self.all.due],
            "sent": [{"owner": it.owner, "level": it.level, "to": where} for it, where in results.sent],
            "doubtful": list(results.doubtful),
            "failed": failed,
            "issues": [asdict(it) for it in issues.changes] if issues else [],
            "issues_failed": unfiled,
            "issues_busy": issues.busy if issues else [],
        }
