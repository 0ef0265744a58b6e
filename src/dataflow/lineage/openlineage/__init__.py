"""Lineage as OpenLineage events: emitted and imported."""
