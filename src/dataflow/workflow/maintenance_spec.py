"""What a Maintenance job says: which table it keeps in order, and for how long old readers are thought of.

Editors show the docstrings and descriptions of this model: they are written for whoever edits the YAML.
"""

from __future__ import annotations

from pydantic import Field

from dataflow.workflow.strict_model import StrictModel
from dataflow.workflow.values import TableName

KEEP_DAYS = 30
"""How long maintenance keeps a replaced snapshot that a reader's mark remembers, if nobody says otherwise."""


class MaintenanceSpec(StrictModel):
    """Maintenance of a table: old partitions, snapshots, small files, orphan files, dead branches."""

    table: TableName
    keep: int = Field(
        KEEP_DAYS,
        ge=1,
        le=36_500,
        description="Days for which a replaced snapshot is kept that a reader's mark remembers.",
    )
