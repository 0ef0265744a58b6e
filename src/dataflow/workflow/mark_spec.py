"""What an HWM job says: what its run completes of which table.

Editors show the docstrings and descriptions of this model: they are written for whoever edits the YAML.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from dataflow.workflow.strict_model import StrictModel
from dataflow.workflow.values import Scalar, TableName


class HwmSpec(StrictModel):
    """High-water mark of a table: the last day (or hour, week, month) up to which it is complete.

    Of a table that is partitioned by no time, the mark is the set of items that are complete: name one as `item`.

    A day counts as complete once everything that this workflow's `wap` templates publish for it is there. A partition
    by one column, or a whole table, covers its day (or hour, where `datetime` names one). A partition by further
    columns covers a part of it, unless each column comes from a `foreach`, or `complete` is true.
    """

    table: TableName
    datetime: str | None = Field(None, description="The day or timestamp that this run completes.")
    item: Scalar | None = Field(
        None, description="What this run completes of a table that is partitioned by no time: a country, a tenant."
    )
    timezone: str = "UTC"
    complete: bool = Field(
        False, description="This workflow publishes the whole day, although its partition has further columns."
    )

    @model_validator(mode="after")
    def _names_one(self) -> HwmSpec:
        if (self.datetime is None) == (self.item is None):
            raise ValueError("needs either 'datetime' or 'item'")
        return self
