"""What maintenance would do, for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dataflow.wording import plural, size_text

if TYPE_CHECKING:
    from dataflow.maintenance.plan import Figures, MaintenancePlan


def plan_lines(found: MaintenancePlan) -> Iterator[str]:
    """Yield what is to be done with a table, its name and figures first."""
    yield f"{found.table}: {figures_text(found.before)}"
    if found.branches:
        yield f"  drop what runs left: {', '.join(found.branches)}"
    for partition in found.outlived:
        yield f"  drop {partition.label}, beyond its lifetime: {plural(partition.rows, 'row')}"
    if found.scattered:
        files = sum(len(each.paths) for each in found.scattered)
        yield f"  compact {plural(files, 'small file')} of {plural(len(found.scattered), 'partition')}"
    if found.manifests:
        yield f"  write {plural(found.manifests, 'manifest')} anew"
    if found.needed.expired:
        size = size_text(sum(each.bytes for each in found.unreachable))
        what = f"{plural(len(found.unreachable), 'file')} of {size} that only they have"
        yield f"  expire {plural(len(found.needed.expired), 'snapshot')}, and remove {what}"
    for file in found.orphans:
        yield f"  remove {file.path}, which nothing refers to"
    if found.needed.oldest is not None:
        yield f"  keep the history back to {found.needed.oldest}: {found.needed.kept[found.needed.oldest]}"
    for note in found.notes:
        yield f"  {note}"


def figures_text(it: Figures) -> str:
    """Return how large a table is, in a line."""
    return (
        f"{plural(it.rows, 'row')} in {plural(it.files, 'file')} of {size_text(it.bytes)}, "
        f"{plural(it.manifests, 'manifest')}, {plural(it.snapshots, 'snapshot')}"
    )
