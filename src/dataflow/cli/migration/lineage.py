"""`dataflow migration lineage` and `import`: who depends on what, and who says so."""

from __future__ import annotations

import datetime as dt
import gc
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow import foreign
from dataflow.cli.console import EnvOption, out, say, write
from dataflow.errors import display_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflow.lineage.graph import Traversal
    from dataflow.lineage.query import LineageGraph

_WIDE = 1000
"""How many lines of JSON are still worth being indented."""

CheckoutOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--checkout", help="A folder with workflows to read as well; may be repeated. The one around you if omitted."
    ),
]


class Drawn(StrEnum):
    """How lineage is shown."""

    TEXT = "text"
    JSON = "json"
    MERMAID = "mermaid"
    HTML = "html"


def lineage(
    table: Annotated[str, typer.Argument(metavar="TABLE[.COLUMN]", help="A table, or a column of it.")],
    upstream: Annotated[bool, typer.Option("--upstream", help="Only where it comes from.")] = False,
    downstream: Annotated[bool, typer.Option("--downstream", help="Only who reads it.")] = False,
    depth: Annotated[int, typer.Option("--depth", min=1, help="How many steps to go.")] = 3,
    checkout: CheckoutOption = None,
    env: EnvOption = None,
    output: Annotated[
        Drawn, typer.Option("--output", help="`html` is a page with a picture.", case_sensitive=False)
    ] = Drawn.TEXT,
) -> None:
    """Show where a table or a column comes from and who reads it, with who says so and how old that is.

    Example:  dataflow migration lineage dataflow_demo.playback.view_hours --downstream
    """
    gc.disable()  # what is made here is made to be shown; nothing of it is garbage before the end
    known = known_here(env, checkout, hurry=True)
    start = known.node(table)
    both = upstream == downstream
    found = [known.traverse(start, downstream=way, depth=depth) for way in (False, True) if both or way == downstream]
    tell_broken(known)
    _show(found, output)


def import_(
    events: Annotated[Path, typer.Argument(help="A file of OpenLineage events, or a folder of such files.")],
    env: EnvOption = None,
) -> None:
    """Take in lineage that other tools told in OpenLineage events; the same events again change nothing.

    Example:  dataflow migration import ./openlineage-events
    """
    import contextlib

    from dataflow.lineage.openlineage.ingest import import_events
    from dataflow.state.run_records import Records
    from dataflow.workflow.project import environment, find_project

    chosen = environment(find_project(Path.cwd()), env)
    with contextlib.closing(Records(chosen.state)) as records:
        done = import_events(events, records, chosen.catalog_name)
    for line in done.skipped[:10]:
        say(f"left out: {line}")
    out().print(f"{done.events:,} events tell of {done.edges:,} writes")


def _show(found: Sequence[Traversal], output: Drawn) -> None:
    from dataflow.lineage.graph import qualified_name
    from dataflow.lineage.show import text

    now = dt.datetime.now(dt.UTC)
    match output:
        case Drawn.JSON:
            _print_json(text.lineage_data(found))
        case Drawn.MERMAID:
            write(text.mermaid(found) + "\n")
        case Drawn.HTML:
            from dataflow.lineage.show.html import html_page

            ways = " and ".join("downstream" if each.downstream else "upstream" for each in found)
            write(html_page(found, f"{qualified_name(found[0].start)}: {ways}", now))
        case Drawn.TEXT:
            _print_trees(found, now)


def _print_trees(found: Sequence[Traversal], now: dt.datetime) -> None:
    from dataflow.lineage.show import text

    is_terminal = sys.stdout.isatty()
    for each in found:
        heading = "downstream: who reads it" if each.downstream else "upstream: where it comes from"
        tables = len({table for table, _ in each.levels}) - 1
        counted = "nobody that is known" if not each.edges else f"{tables} table{'' if tables == 1 else 's'}"
        lines = [f"{heading} ({counted})"]
        for branches, name, told in text.tree(each, now):
            lines.append(f"{branches}{foreign.line(name)}{f'  {foreign.line(told)}' if told else ''}")
        if is_terminal:
            from rich.text import Text

            for it in lines:
                lead, mark, rest = it.rpartition("── ") if "── " in it else ("", "", it)
                name, gap, told = rest.partition("  ")
                out().print(Text.assemble((lead + mark, "dim"), name, (gap + told, "dim")))
        else:
            write("\n".join(lines) + "\n")
        if each is not found[-1]:
            sys.stdout.write("\n")


def _print_json(data: dict[str, object]) -> None:
    """Print data; indented as long as somebody may read it."""
    import json

    text = json.dumps(data)
    sys.stdout.write((json.dumps(data, indent=2) if len(text) < _WIDE * 100 else text) + "\n")


def known_here(env: str | None, checkouts: Sequence[Path] | None, *, hurry: bool = False) -> LineageGraph:
    """Gather what is known of lineage in an environment; without checkouts given, from the one around here.

    A registry that is far away is not asked for what was deployed when there is a hurry: who deployed noted that.
    """
    from dataflow.assets.registry import open_registry
    from dataflow.cli.project.sync_lineage import sync_deployed_lineage
    from dataflow.lineage.query import checkout_root, open_lineage
    from dataflow.workflow.project import environment, find_project

    here = Path.cwd()
    project = find_project(here)
    chosen = environment(project, env)
    registry = open_registry(project)
    if registry.is_near or not hurry:
        sync_deployed_lineage(registry, chosen.state)
    return open_lineage(chosen, env, [checkout_root(here)] if checkouts is None else checkouts)


def tell_broken(known: LineageGraph) -> None:
    """Say which definitions were left out, as they have mistakes."""
    broken = [path for checkout in known.checkouts for path in checkout.broken]
    if broken:
        shown = ", ".join(display_path(path) for path in broken[:3]) + (", …" if len(broken) > 3 else "")
        say(f"left out, as it has mistakes: {shown} (see `dataflow workflow validate`)")
