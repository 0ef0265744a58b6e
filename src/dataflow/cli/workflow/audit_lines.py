"""The lines on audits, the same after a run and when its record is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataflow.cli.console import out, print_rows
from dataflow.wording import number

_IN_FULL = 12


@dataclass(frozen=True)
class AuditLine:
    """An audit as it is told.

    Attributes:
        audit: What is known of it, by the names that its record has.
        of: Which run or attempt it is of, where there are several.
    """

    audit: Mapping[str, Any]
    of: str = ""


def print_audits(lines: Sequence[AuditLine]) -> None:
    """Print what audits found; of many, how many passed, and those that did not."""
    from rich.markup import escape

    bad = [line for line in lines if not line.audit["passed"]]
    if len(lines) > _IN_FULL:
        out().print(f"audits: {len(lines) - len(bad)} of {len(lines)} passed")
    for line in lines if len(lines) <= _IN_FULL else bad:
        audit = line.audit
        mark = "[green]✓[/]" if audit["passed"] else "[red]✗[/]" if audit["blocking"] else "[yellow]![/]"
        of = f"{line.of} " if line.of else ""
        finding = audit.get("finding") or number(audit["figure"])  # older records have the figure alone
        text = f"{of}{audit['name']}: {finding} (expected {audit['expected']})"
        out().print(f"  {mark} {escape(text)}", markup=True)
        if audit["sample"]:
            print_rows(audit["sample"])
