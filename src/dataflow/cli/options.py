"""Options that many commands have, and how their values are read."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import typer

from dataflow.cli.completion import environments
from dataflow.errors import UsageError
from dataflow.workflow.values import FIRST_DAY, LAST_DAY


def env_option(omitted: str, more: str = "") -> Any:
    """Return the option that names an environment, which means the same for every command.

    Args:
        omitted: Which one is meant if it is omitted.
        more: What else is to be said.
    """
    return typer.Option(
        "--env",
        metavar="NAME",
        help=f"The environment, by its name; {omitted} if omitted.{more}",
        autocompletion=environments,
    )


EnvOption = Annotated[str | None, env_option("your own sandbox")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="At most so many.")]


def parse_day(text: str | None) -> dt.date | None:
    """Read a day as `require_day` does; None stays None."""
    return None if text is None else require_day(text)


def require_day(text: str) -> dt.date:
    """Read a day such as 2026-01-31.

    Raises:
        UsageError: It is not a date, or so far away that no calendar has the days around it.
    """
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"'{text}' is not a date", "write it as YYYY-MM-DD, for example 2026-01-31") from None
    if not FIRST_DAY <= day <= LAST_DAY:
        raise UsageError(f"{day} is out of range", f"days go from {FIRST_DAY} to {LAST_DAY}")
    return day
