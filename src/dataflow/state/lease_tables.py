"""The tables of what is at work: live runs with their heartbeats, what they hold, and who asked them to stop."""

from __future__ import annotations

import sqlalchemy as sa

from dataflow.state.database import UtcDateTime, metadata

live = sa.Table(
    "dataflow_live_runs",
    metadata,
    sa.Column("run_id", sa.String(100), primary_key=True),
    sa.Column("user", sa.String(100)),
    sa.Column("host", sa.String(200), nullable=False),
    sa.Column("machine", sa.String(200), nullable=False),
    sa.Column("process", sa.Integer, nullable=False),
    sa.Column("birth", sa.String(50)),
    sa.Column("beat", UtcDateTime, nullable=False),
    sa.Column("beats", sa.BigInteger, nullable=False),
)
"""A row for each outermost run while it works or waits; `beat` is by the database's clock."""

leases = sa.Table(
    "dataflow_leases",
    metadata,
    sa.Column("environment", sa.String(300), primary_key=True),
    sa.Column("work", sa.String(500), primary_key=True),
    sa.Column("root_id", sa.String(100), index=True, nullable=False),
    sa.Column("run_id", sa.String(100), nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
)
"""What is held: by `run_id`, for as long as the live run `root_id` that it is part of holds it and is alive."""

waiting = sa.Table(
    "dataflow_waiting",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("environment", sa.String(300), nullable=False),
    sa.Column("queue", sa.String(500), nullable=False),
    sa.Column("root_id", sa.String(100), index=True, nullable=False),
    sa.Column("run_id", sa.String(100), nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.UniqueConstraint("environment", "queue", "run_id"),
)
"""Who waits for what, in the order in which they came; it counts for as long as the live run `root_id` is alive."""

cancellations = sa.Table(
    "dataflow_cancellations",
    metadata,
    sa.Column("run_id", sa.String(100), primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("asked", UtcDateTime, nullable=False),
)
"""What was asked to stop; a run's heartbeat looks for its own."""
