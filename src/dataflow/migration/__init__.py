"""Changing tables without surprising anyone downstream: lineage, impact, campaigns."""
