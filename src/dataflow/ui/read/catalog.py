"""What tables say of themselves in the catalog: owner, tags, and up to when they are complete; kept for a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, first_line
from dataflow.tables.properties import OWNER, TAGS

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from dataflow.ui.source import Source

_SECONDS = 60.0
_THREADS = 8
_KEY = "tables of the catalog"


@dataclass(frozen=True)
class TableFacts:
    """What a table says of itself.

    Attributes:
        owner: Its owner; empty where it names none.
        tags: Its tags.
        fresh: Up to when it is complete; empty where it has no mark.
        ahead: How many days are finished beyond a gap.
    """

    owner: str = ""
    tags: tuple[str, ...] = ()
    fresh: str = ""
    ahead: int = 0


@dataclass
class _Kept:
    catalog: Catalog
    facts: dict[str, tuple[float, TableFacts | None]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


def open_catalog(source: Source) -> Catalog:
    """Return the catalog of an environment, opened once; nothing is made where there is none yet.

    Raises:
        DataflowError: It can't be opened without Spark.
    """
    return _kept(source).catalog


def facts_of(source: Source, tables: Collection[str]) -> Mapping[str, TableFacts]:
    """Return what tables say of themselves; those that are not there are left out.

    Raises:
        DataflowError: The catalog can't be read without Spark.
    """
    kept = _kept(source)
    since = time.monotonic() - _SECONDS
    with kept.lock:
        wanted = [it for it in tables if kept.facts.get(it, (0.0, None))[0] < since or it not in kept.facts]
        if wanted:
            with ThreadPoolExecutor(min(_THREADS, len(wanted))) as pool:
                found = list(pool.map(lambda name: _facts(kept.catalog, name), wanted))
            moment = time.monotonic()
            kept.facts |= {name: (moment, facts) for name, facts in zip(wanted, found, strict=True)}
        return {name: facts for name in tables if (facts := kept.facts[name][1]) is not None}


def known_tags(source: Source) -> list[str]:
    """Return the tags of the tables that were looked at so far."""
    found = source.known(_KEY)
    if not isinstance(found, _Kept):
        return []
    return sorted({tag for _, it in found.facts.values() if it is not None for tag in it.tags})


def _kept(source: Source) -> _Kept:
    return source.kept(_KEY, float("inf"), lambda: _Kept(_opened(source)))


def _opened(source: Source) -> Catalog:
    from dataflow.tables import catalog

    environment = source.environment
    if catalog.is_embedded(environment) and not catalog.catalog_file().exists():
        raise DataflowError("there is no catalog yet", "the first run makes it: `dataflow workflow run main.sch.yaml`")
    return catalog.open_catalog(environment)


def _facts(catalog: Catalog, name: str) -> TableFacts | None:
    from dataflow.tables.high_water_mark import from_properties
    from dataflow.tables.pyiceberg_catalog import find_table

    try:
        table = find_table(catalog, name)
    except Exception as error:  # each kind of catalog raises its own
        raise DataflowError(f"table {name} can't be read: {first_line(error)}") from error
    if table is None:
        return None
    properties = table.properties
    tags = tuple(tag for tag in properties.get(TAGS, "").split(",") if tag)
    try:
        water = from_properties(properties)
    except (ValueError, TypeError, AttributeError):
        return TableFacts(properties.get(OWNER, ""), tags, "not readable")
    return TableFacts(properties.get(OWNER, ""), tags, water.mark.label if water.mark else "", len(water.ahead))
