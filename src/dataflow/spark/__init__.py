"""Spark's JVM and the sessions in it."""
