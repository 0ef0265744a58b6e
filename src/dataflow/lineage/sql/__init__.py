"""Lineage from the text of SQL."""
