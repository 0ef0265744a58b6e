"""`dataflow migration notify`: send the owners of affected workflows what they have to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import err, out, say, write
from dataflow.cli.migration.known import known_here
from dataflow.cli.migration.options import CampaignArgument, CheckoutOption
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.wording import plural

if TYPE_CHECKING:
    from dataflow.migration.notify import DeliveryResult, Notice


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

    Nearer to the deadline those who have not moved are reminded.

    Examples:
        dataflow migration notify --dry-run
        dataflow migration notify --files ./messages

    Exit codes:
        1: a message could not be sent
    """
    from dataflow.migration.actions import due_notices, send_due_notices

    known = known_here(env, checkout)
    if dry_run:
        output.show(_Due(due_notices(known, name)))
        return
    due, results = send_due_notices(known, name, files)
    output.show(_Sent(due, results))
    if results.failed:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Due(Result):
    messages: Sequence[Notice]

    def text(self) -> None:
        for message in self.messages:
            write(f"To: {message.owner or '(no owner)'}\nSubject: {message.subject}\n\n{message.text}\n\n")
        count = len(self.messages)
        say(f"{plural(count, 'message')} {'is' if count == 1 else 'are'} due; none was sent")

    def data(self) -> object:
        return {"due": [asdict(it) for it in self.messages], "sent": [], "doubtful": [], "failed": []}


@dataclass(frozen=True)
class _Sent(Result):
    due: Sequence[Notice]
    results: DeliveryResult

    def text(self) -> None:
        for message, where in self.results.sent:
            out().print(f"notified {message.owner or 'nobody in particular'} ({message.level}): {where}")
        for owner in self.results.doubtful:
            say(f"{owner} may or may not have been notified: sending was interrupted; it is not resent automatically")
        for message, failure in self.results.failed:
            err().print(f"not notified: {message.owner or 'no owner'}: {failure.message}", style="red")
            if failure.hint:
                err().print(f"  → {failure.hint}")
        if not self.due:
            out().print("no message is due now")

    def data(self) -> object:
        results = self.results
        failed = [{"owner": it.owner, "message": why.message, "hint": why.hint} for it, why in results.failed]
        return {
            "due": [asdict(it) for it in self.due],
            "sent": [{"owner": it.owner, "level": it.level, "to": where} for it, where in results.sent],
            "doubtful": list(results.doubtful),
            "failed": failed,
        }
