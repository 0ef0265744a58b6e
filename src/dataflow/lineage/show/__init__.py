"""Lineage before people: text and pictures."""
