"""Lineage from the plans of Spark."""
