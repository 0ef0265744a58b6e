"""The latest evidence on whether a workflow uses the old column or table."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.deploy.lineage import GONE
from dataflow.lineage.model import Origin, Producer
from dataflow.lineage.store.reader import NO_COLUMNS, ProducerKey, TargetColumns, producer_key
from dataflow.migration.campaign.definition import Campaign
from dataflow.migration.impact import uses_column, writes_column

if TYPE_CHECKING:
    from dataflow.lineage.graph import ColumnEdge
    from dataflow.lineage.query import LineageGraph


EVIDENCE_NAMES = {Origin.RECORDED: "run", Origin.DEPLOYED: "deployment", Origin.OPENLINEAGE: "OpenLineage event"}
"""Origins that count as evidence; a checkout does not."""


@dataclass
class LatestEvidence:
    """The latest run, deployment or event of a workflow, as far as it concerns a campaign.

    Attributes:
        origin: Where it is known from.
        seen: When it was observed.
        owner: The owner of the workflow.
        role: `reads` or `writes`.
        touches: Whether it uses the old column or table; None where its columns are not known.
        is_gone: Whether the workflow is no longer deployed.
    """

    origin: Origin
    seen: dt.datetime
    owner: str | None
    role: str
    touches: bool | None
    is_gone: bool


def latest_evidence(campaign: Campaign, lineage: LineageGraph) -> dict[str, LatestEvidence]:
    """Return the latest evidence of each workflow that uses the table, or is a reader of the campaign."""
    said: dict[str, dict[Origin, list[tuple[Producer, list[ColumnEdge]]]]] = defaultdict(lambda: defaultdict(list))
    for downstream in (True, False):
        for producer, taken in lineage.store.flows({campaign.table}, downstream=downstream):
            if (producer.target != campaign.table) == downstream and producer.origin in EVIDENCE_NAMES:
                said[producer.workflow][producer.origin].append((producer, list(taken)))
    for producer in lineage.store.of_workflows([reader.workflow for reader in campaign.readers]):
        # A workflow that no longer uses the table at all is known by its other writes.
        if producer.target != campaign.table and producer.origin in EVIDENCE_NAMES:
            said[producer.workflow][producer.origin].append((producer, []))
    named = lineage.store.target_columns(campaign.table)
    return {name: _latest(campaign, by, named) for name, by in said.items()}


def _latest(
    campaign: Campaign,
    by: Mapping[Origin, list[tuple[Producer, list[ColumnEdge]]]],
    named: Mapping[ProducerKey, TargetColumns],
) -> LatestEvidence:
    here = _of_environment(by, campaign.row.environment)
    origin = max(here, key=lambda each: max(producer.seen for producer, _ in here[each]))
    found = here[origin]
    asked = [(each, column) for each in found for column in campaign.old_columns or ("",)]
    answers = [
        uses_column(campaign.table, column, taken) for (_, taken), column in asked
    ]  # a writer may read its own table
    answers += [
        writes_column(column, taken, named.get(producer_key(producer), NO_COLUMNS))
        for (producer, taken), column in asked
        if producer.target == campaign.table
    ]
    touches = True if True in answers else None if None in answers else False
    return LatestEvidence(
        origin,
        max(producer.seen for producer, _ in found),
        next((producer.owner for producer, _ in found if producer.owner), None),
        "writes" if all(producer.target == campaign.table for producer, _ in found) else "reads",
        touches,
        all(producer.target == GONE for producer, _ in found),
    )


def _of_environment(
    by: Mapping[Origin, list[tuple[Producer, list[ColumnEdge]]]], environment: str
) -> Mapping[Origin, list[tuple[Producer, list[ColumnEdge]]]]:
    """Return the evidence of the environment of the campaign, or all where that has none.

    Events of OpenLineage have namespaces of their own, and workflows of branch deployments have names of their own.
    """
    here = {
        origin: [each for each in found if origin is Origin.OPENLINEAGE or each[0].environment == environment]
        for origin, found in by.items()
    }
    return {origin: found for origin, found in here.items() if found} or by
