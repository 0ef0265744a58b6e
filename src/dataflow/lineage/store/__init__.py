"""Lineage in the state database."""
