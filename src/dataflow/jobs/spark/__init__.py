"""Spark jobs: SQL, Python, R and jars."""
