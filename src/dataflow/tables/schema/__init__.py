"""Columns, types and schemas of tables."""
