"""Which items are to be run: those of the sources that changed since each was computed, and those that never were."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.lineage.model import plain_name
from dataflow.runner.changed.choose import NOT_DONE, told
from dataflow.tables.item_marks import ItemMarks, item_marks
from dataflow.wording import plural
from dataflow.workflow import table_names
from dataflow.workflow.changed_dates import ChangedQuestion, DatesFound
from dataflow.workflow.foreach_items import LONGEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyiceberg.table import Table

    from dataflow.tables.changed_days.find import ChangedDays
    from dataflow.workflow.dates import ChangedSource


@dataclass(frozen=True)
class ItemSource:
    """A source as a target has to look at it.

    Attributes:
        name: Its name, without the catalog.
        key: What marks call it.
        present: The items that it has.
        changed: What changed since the oldest snapshot that an item of the target was computed from.
    """

    name: str
    key: str
    present: Collection[str]
    changed: ChangedDays


def look_at_items(question: ChangedQuestion, find: Callable[[str], Table | None]) -> DatesFound:
    """Find the items that changed.

    Args:
        question: What is asked.
        find: Finds tables.

    Raises:
        DataflowError: A source is missing, has no such column, or can't be read.
    """
    marks = {name: _marks(find(name)) for name in question.targets}  # before the sources: what is done since is done
    tables = {source: find(source.table) for source in question.sources}
    targets = {name: _sources(question, known, tables) for name, known in marks.items()}
    return choose_items(question, marks, targets)


def choose_items(
    question: ChangedQuestion, marks: Mapping[str, ItemMarks], targets: Mapping[str, Sequence[ItemSource]]
) -> DatesFound:
    """Choose the items to run: first those that were never done, then those that changed; both by the alphabet.

    Args:
        question: What is asked.
        marks: For each table that is written which items were done, and from what.
        targets: For each the sources.
    """
    undone: dict[str, dict[str, None]] = {}
    stale: dict[str, dict[str, None]] = {}
    notes: dict[str, None] = {}
    for name, known in marks.items():
        for source in targets[name]:
            notes.update(dict.fromkeys(f"{source.name}: {note}" for note in source.changed.notes))
            for item in source.present:
                if item not in known:
                    undone.setdefault(item, {})[NOT_DONE] = None
            if source.changed.lost is not None and known:
                notes[f"{source.name}: {source.changed.lost}: all items instead"] = None
            for item, read in known.items():
                for why in _why(source, item, read.get(source.key)):
                    stale.setdefault(item, {})[why] = None
    for item in [it for it in {**undone, **stale} if not _is_usable(it)]:
        notes[f"{item!r} can't be an item: one line of at most {LONGEST} characters, and not empty"] = None
        undone.pop(item, None)
    reasons = {item: (*undone.get(item, ()), *stale.get(item, ())) for item in sorted({*undone, *stale})}
    ordered = [*sorted(undone), *sorted(stale.keys() - undone.keys())]
    chosen = sorted(ordered[: question.max])
    if left := len(ordered) - len(chosen):
        notes[f"{plural(left, 'item')} left for the next run: one takes {question.max} at most"] = None
    seen = {it.key: it.changed.head for of in targets.values() for it in of if it.changed.head is not None}
    return DatesFound(
        tuple(chosen),
        {item: reasons[item] for item in chosen},
        tuple(notes),
        seen,
        is_all=not left,
        cadence=None,
        items={name: dict(known) for name, known in marks.items()},
    )


def _why(source: ItemSource, item: str, read: tuple[int, int] | None) -> list[str]:
    """Say what changed in an item since it was computed; nothing where nothing did."""
    if source.changed.lost is not None or read is None:
        return [f"nobody can tell what changed in {source.name}"] if source.changed.head is not None else []
    order = {snapshot: number for number, snapshot in enumerate(source.changed.snapshots)}
    done = order.get(read[1], len(order))
    return told(source.name, [it for it in source.changed.days.get(item, ()) if order[it.snapshot] < done])


def _is_usable(item: str) -> bool:
    return bool(item.strip()) and len(item) <= LONGEST and item.isprintable()


def _marks(table: Table | None) -> ItemMarks:
    return {} if table is None else item_marks(table.properties)


def _sources(
    question: ChangedQuestion, known: ItemMarks, tables: Mapping[ChangedSource, Table | None]
) -> list[ItemSource]:
    from dataflow.tables.changed_days.find import ChangedDays, changed_items, present_items

    catalog = question.environment.catalog_name
    keys = {plain_name(key, catalog).lower(): key for read in known.values() for key in read}
    found = []
    for source, table in tables.items():
        if table is None:
            raise DataflowError(f"there is no table {table_names.typed(source.table)}, whose changes are asked for")
        name = plain_name(source.table, catalog)
        key, column = keys.get(name.lower(), f"{catalog}.{name}"), source.column or question.column or ""
        since = min((read[key] for read in known.values() if key in read), default=None)
        head = table.current_snapshot()
        if since is None:
            changed = ChangedDays(None if head is None else (head.sequence_number or 0, head.snapshot_id))
        else:
            changed = changed_items(table, since[1], column)
        found.append(ItemSource(name, key, present_items(table, column), changed))
    return found
