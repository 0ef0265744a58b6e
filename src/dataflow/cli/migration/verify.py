"""`dataflow migration verify`: compare old and new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from dataflow.cli.console import out
from dataflow.cli.migration.known import known_here, spark_of
from dataflow.cli.migration.options import AnyCampaignArgument
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result

if TYPE_CHECKING:
    from dataflow.migration.verify import Comparison


def verify(name: AnyCampaignArgument = None, env: EnvOption = None, output: OutputOption = TEXT) -> None:
    """Check that old and new agree: now, or just before the removal.

    Examples:
        dataflow migration verify

    Exit codes:
        1: some rows differ
    """
    from dataflow.migration.actions import verify_campaign

    known = known_here(env, [])
    found = verify_campaign(known, name, spark_of(known))
    output.show(_Verified(found))
    if any(each.different for each in found):
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Verified(Result):
    found: Sequence[Comparison]

    def text(self) -> None:
        for each in self.found:
            mark = "✗" if each.different else "✓"
            out().print(f"{mark} {each.says}: {each.different:,} of {each.rows:,} rows differ")

    def data(self) -> object:
        return [asdict(each) for each in self.found]
