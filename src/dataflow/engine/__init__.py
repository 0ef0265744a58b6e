"""Spark session, runner, run records, lineage listener."""
