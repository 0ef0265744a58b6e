"""`dataflow migration lineage`: who depends on what, and who says so."""

from __future__ import annotations

import datetime as dt
import gc
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow import foreign
from dataflow.cli.console import out, say, write
from dataflow.cli.migration.known import known_here, print_left_out
from dataflow.cli.migration.options import CheckoutOption
from dataflow.cli.options import EnvOption
from dataflow.cli.output import HTML, JSON, MERMAID, SVG, TEXT, FileOption, Output, Result, output_option
from dataflow.errors import display_path
from dataflow.wording import plural

if TYPE_CHECKING:
    from dataflow.lineage.graph import Traversal


def lineage(
    table: Annotated[str, typer.Argument(metavar="TABLE[.COLUMN]", help="A table, or a column of it.")],
    upstream: Annotated[bool, typer.Option("--upstream", help="Only where it comes from.")] = False,
    downstream: Annotated[bool, typer.Option("--downstream", help="Only who reads it.")] = False,
    depth: Annotated[int, typer.Option("--depth", min=1, help="How many steps to go.")] = 3,
    checkout: CheckoutOption = None,
    env: EnvOption = None,
    output: Annotated[
        Output,
        output_option(
            TEXT, JSON, MERMAID, HTML, SVG, to=True, help="`html` is a page with a picture, `svg` the picture alone."
        ),
    ] = TEXT,
    to: FileOption = None,
) -> None:
    """Show where a table or a column comes from, and who reads it.

    With who says so, and how old that is.

    Examples:
        dataflow migration lineage dataflow_demo.playback.view_hours --downstream
        dataflow migration lineage dataflow_demo.playback --output svg --to lineage.svg
    """
    output.require_place(to)
    gc.disable()  # what is made here is made to be shown; nothing of it is garbage before the end
    known = known_here(env, checkout, hurry=True)
    start = known.node(table)
    both = upstream == downstream
    found = [known.traverse(start, downstream=way, depth=depth) for way in (False, True) if both or way == downstream]
    print_left_out(known)
    output.write(_Lineage(found, dt.datetime.now(dt.UTC)), to)
    if to is not None:
        say(f"wrote {display_path(to)}")


@dataclass(frozen=True)
class _Lineage(Result):
    found: Sequence[Traversal]
    now: dt.datetime

    longest_indented_json = 100_000

    def text(self) -> None:
        for each in self.found:
            lines = list(_tree(each, self.now))
            if sys.stdout.isatty():
                _print_dimmed(lines)
            else:
                write("\n".join(lines) + "\n")
            if each is not self.found[-1]:
                sys.stdout.write("\n")

    def data(self) -> object:
        from dataflow.lineage.show.text import lineage_data

        return lineage_data(self.found)

    def mermaid(self) -> str:
        from dataflow.lineage.show.text import mermaid

        return mermaid(self.found)

    def html(self) -> str:
        from dataflow.lineage.show.html import html_page

        return html_page(self.found, self._title, self.now)

    def svg(self) -> str:
        from dataflow.lineage.show.picture import svg_document

        return svg_document(self.found, self._title, self.now)

    @property
    def _title(self) -> str:
        from dataflow.lineage.graph import qualified_name

        ways = " and ".join("downstream" if each.downstream else "upstream" for each in self.found)
        return f"{qualified_name(self.found[0].start)}: {ways}"


def _tree(found: Traversal, now: dt.datetime) -> Iterator[str]:
    from dataflow.cli.migration.times import times
    from dataflow.lineage.show.text import tree

    heading = "downstream: who reads it" if found.downstream else "upstream: where it comes from"
    tables = len({table for table, _ in found.levels}) - 1
    yield f"{heading} ({plural(tables, 'table') if found.edges else 'nobody that is known'})"
    for branches, name, note in tree(found, times(now)):
        yield f"{branches}{foreign.for_terminal_line(name)}{f'  {foreign.for_terminal_line(note)}' if note else ''}"


def _print_dimmed(lines: Sequence[str]) -> None:
    """Print a tree so that its names stand out."""
    from rich.text import Text

    for it in lines:
        lead, mark, rest = it.rpartition("── ") if "── " in it else ("", "", it)
        name, gap, note = rest.partition("  ")
        out().print(Text.assemble((lead + mark, "dim"), name, (gap + note, "dim")))
