"""A table as it is, and definitions that say how it should be."""

from __future__ import annotations

from dataflow.tables.schema.columns import Column
from dataflow.tables.schema.table_schema import TableSchema

SHAPE = TableSchema(
    "prod.plays",
    (
        Column("id", "INT", nullable=False),
        Column("hours", "FLOAT", comment="how long"),
        Column("paid", "DECIMAL(10, 2)"),
        Column("date", "DATE"),
    ),
    ("date",),
    comment="x",
)
DDL = """
CREATE TABLE IF NOT EXISTS ${{TARGET_TABLE}} ({}) USING iceberg PARTITIONED BY ({}) COMMENT 'x';
"""
SAME = "id INT NOT NULL, hours FLOAT COMMENT 'how long', paid DECIMAL(10,2), date DATE"
