"""The table of campaigns: here, as maintenance of a table has to know whether one is open."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from dataflow.state.database import StateDatabase, UtcDateTime, metadata

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


def open_since(database: StateDatabase, environment: str, table: str) -> tuple[str, dt.datetime] | None:
    """Return the name of the campaign that is open on a table, and since when; None where there is none."""
    mine = (campaigns.c.table_name == table, campaigns.c.environment == environment, campaigns.c.state == "open")
    rows = database.rows(sa.select(campaigns.c.id, campaigns.c.opened).where(*mine))
    return (rows[0]["id"], rows[0]["opened"]) if rows else None
