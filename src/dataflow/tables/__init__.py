"""Iceberg tables: catalog, branches, publish, properties, changed partitions."""
