"""The table of campaigns: here, as maintenance of a table has to know whether one is open."""

from __future__ import annotations

import sqlalchemy as sa

from dataflow.state.database import UtcDateTime, metadata

campaigns = sa.Table(
    "dataflow_campaigns",
    metadata,
    sa.Column("id", sa.String(200), primary_key=True),
    sa.Column("table_name", sa.String(500), index=True, nullable=False),
    sa.Column("environment", sa.String(100), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("open_on", sa.String(600), unique=True),  # the table while it is open: two can't be
    sa.Column("deadline", sa.Date, nullable=False),
    sa.Column("opened", UtcDateTime, nullable=False),
    sa.Column("opened_by", sa.String(200), nullable=False),
    sa.Column("closed", UtcDateTime),
    sa.Column("definition", sa.JSON, nullable=False),
)
