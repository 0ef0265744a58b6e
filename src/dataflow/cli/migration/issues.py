"""What is printed of a campaign's issues in a tracker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.cli.console import err, say

if TYPE_CHECKING:
    from dataflow.migration.tracker.sync import IssueResult


def print_issues(result: IssueResult | None) -> None:
    """Print what was done with issues, and what could not be, on stderr; each reason once, with whom it concerns."""
    if result is None:
        return
    for change in result.changes:
        if change.action != "unchanged":
            say(f"{change.action} {change.key} of {change.owner or 'no owner'}: {change.url}")
    for owner in result.busy:
        say(f"the issue of {owner or 'no owner'} is left to another command, which works on it now")
    reasons: dict[tuple[str, str | None], list[str]] = {}
    for owner, error in result.failed:
        reasons.setdefault((error.message, error.hint), []).append(owner or "no owner")
    for (message, hint), owners in reasons.items():
        err().print(f"no issue for {', '.join(owners)}: {message}", style="red")
        if hint:
            err().print(f"  → {hint}")
