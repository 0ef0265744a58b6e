"""Lineage in OpenLineage's words: sent and taken in."""
