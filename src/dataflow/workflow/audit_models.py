"""The audits of a definition, as models; what all models are made of stands here as well."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Strict(BaseModel):
    """A mapping in which an unknown key is a mistake."""

    # Built when first used: a command that reads no definition doesn't wait for thirty models.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


Scalar = str | int | float | bool
"""A value that a partition or an audit is compared with; a date is text, as YAML has it."""


class AuditBase(Strict):
    """A check of the rows that a run wrote, before anybody else can read them."""

    name: str | None = Field(None, description="What reports call it; the function's name when omitted.")
    blocking: bool = Field(True, description="Whether a failure stops the publishing; otherwise it warns.")

    @property
    def script_name(self) -> str | None:
        """The script that it runs, as the definition names it."""
        return None


class NotNull(AuditBase):
    """No row has a null in these columns."""

    function: Literal["columns_should_not_have_nulls"]
    columns: list[str] = Field(min_length=1)


class UniqueKey(AuditBase):
    """No two rows have the same values in these columns."""

    function: Literal["columns_should_be_unique"]
    columns: list[str] = Field(min_length=1)


class RowCount(AuditBase):
    """The number of rows lies between two bounds, both included."""

    function: Literal["row_count_should_be_between"]
    min: int | None = Field(None, ge=0)
    max: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _has_a_bound(self) -> RowCount:
        _require_a_bound(self.min, self.max)
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"'min' ({self.min}) lies above 'max' ({self.max})")
        return self


class ValuesIn(AuditBase):
    """Every value of a column that is not null is one of these."""

    function: Literal["values_should_be_in"]
    column: str
    values: list[Scalar] = Field(min_length=1)


class Between(AuditBase):
    """Every value of a column that is not null lies between two bounds, both included."""

    function: Literal["column_should_be_between"]
    column: str
    min: Scalar | None = None
    max: Scalar | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> Between:
        _require_a_bound(self.min, self.max)
        return self


class NearHistory(AuditBase):
    """The number of rows is near the median of the last published runs."""

    function: Literal["row_count_should_be_near_history"]
    tolerance: float = Field(0.5, gt=0, description="Allowed deviation: 0.5 is 50 % below or above.")
    runs: int = Field(14, ge=1, description="How many of the last published runs to compare with.")
    min_runs: int = Field(3, ge=1, description="With fewer runs than this in the history it passes.")


class SqlAudit(AuditBase):
    """A query of your own returns no rows; `${AUDITED}` stands for the rows under audit."""

    function: Literal["sql_should_return_no_rows"]
    sql: str | None = None
    script: str | None = Field(None, description="A .sql file instead of the text.")

    @property
    def script_name(self) -> str | None:
        """The script, where it has one."""
        return self.script

    @model_validator(mode="after")
    def _has_one_source(self) -> SqlAudit:
        if (self.sql is None) == (self.script is None):
            raise ValueError("needs either 'sql' or 'script'")
        return self


class PythonAudit(AuditBase):
    """A Python function of your own, `audit(rows, args) -> float`, returns 0 failing rows."""

    function: Literal["python_should_pass"]
    script: str = Field(description="A .py file.")
    callable: str = Field("audit", description="The function's name in it.")

    @property
    def script_name(self) -> str:
        """The script, where it has one."""
        return self.script


Audit = Annotated[
    NotNull | UniqueKey | RowCount | ValuesIn | Between | NearHistory | SqlAudit | PythonAudit,
    Field(discriminator="function"),
]


def _require_a_bound(low: object, high: object) -> None:
    if low is None and high is None:
        raise ValueError("needs 'min', 'max' or both")
