"""`dataflow migration list`: all campaigns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dataflow.cli.console import out, print_narrowed
from dataflow.cli.migration.known import known_here
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result


def list_(env: EnvOption = None, output: OutputOption = TEXT) -> None:
    """List all campaigns, newest first.

    They are those at the environment's state address.

    Examples:
        dataflow migration list --env production
    """
    from dataflow.migration.actions import list_campaigns

    output.show(_Campaigns(list_campaigns(known_here(env, []))))


_STYLES = {"open": "yellow", "done": "green", "cancelled": "dim"}


@dataclass(frozen=True)
class _Campaigns(Result):
    found: Sequence[dict[str, Any]]

    def text(self) -> None:
        from rich.text import Text

        if self.found:
            rows = [
                {
                    "campaign": it["campaign"],
                    "table": it["table"],
                    "environment": it["environment"],
                    "state": Text(" ".join(filter(None, (it["state"], it["closed"]))), _STYLES[it["state"]]),
                    **{name: it[name] for name in ("deadline", "opened", "by", "readers")},
                }
                for it in self.found
            ]
            print_narrowed(rows, spare=("by", "opened", "readers"))
        else:
            out().print("no campaigns yet: `dataflow migration plan TABLE …` shows what one would come to")

    def data(self) -> object:
        return self.found
