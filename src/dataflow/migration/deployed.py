"""Lineage of what is deployed: a bundle never changes, so it is read once and its lineage kept at the state address."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from dataflow.engine.flows import forget_others, remember
from dataflow.migration.static import read_texts
from dataflow.workflow.flow import Flow, Origin, Producer

if TYPE_CHECKING:
    from dataflow.engine.records import Records
    from dataflow.workflow.sqlnames import Schema
    from dataflow.workflow.tree import Workflow


class Bundle(Protocol):
    """What lineage has to know of a deployed bundle.

    Attributes:
        id: Its id.
        deployed: Since when it is the environment's.
    """

    id: str
    deployed: dt.datetime

    def workflows(self) -> Iterable[Workflow]:
        """Return its workflows, out of the folder that it was brought to."""


def remember_bundle(bundle: Bundle, records: Records, schema: Schema) -> None:
    """Keep what a bundle's workflows read and write, instead of what those of the same names did before.

    Args:
        bundle: The bundle that an environment has now.
        records: The records at its state address.
        schema: The columns of tables, as far as they are known.
    """
    found: list[tuple[Producer, frozenset[Flow]]] = []
    targets: dict[str, set[str]] = {}
    for workflow in bundle.workflows():
        for texts in read_texts(workflow, schema, schema.keys()):
            written = targets.setdefault(texts.workflow, set())
            for target, flows in texts.writes.items():
                producer = Producer(
                    Origin.DEPLOYED,
                    texts.workflow,
                    target,
                    owner=texts.owner,
                    environment=workflow.environment.name,
                    bundle=bundle.id,
                    file=texts.file.name,
                    seen=bundle.deployed,
                )
                found.append((producer, frozenset(flows)))
                written.add(target)
    with records.begin() as connection:
        remember(connection, found)
        for name, written in targets.items():
            forget_others(connection, Origin.DEPLOYED, name, written)
