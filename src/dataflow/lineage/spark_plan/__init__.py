"""Lineage from Spark's own plans."""
