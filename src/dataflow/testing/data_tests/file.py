"""What a `*.test.yaml` file may say, as models; what it means together is `datatest`'s."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from dataflow.testing.frozen_clock import moment_of
from dataflow.workflow.strict_model import StrictModel


def _words(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _columns(value: object) -> object:
    if isinstance(value, dict | list) and all(isinstance(each, str) for each in value):
        return value
    raise ValueError("should be a mapping of names to Spark types, or a list of names")


Types = Annotated[dict[str, str], Field(examples=[{"title_id": "int", "view_hours": "double"}])]
Columns = Annotated[Any, BeforeValidator(_columns, json_schema_input_type=dict[str, str] | list[str])]
Key = Annotated[list[str], BeforeValidator(_words, json_schema_input_type=str | list[str])]


class GivenRows(StrictModel):
    """What a script reads: a mock, or rows right here; with a DDL a table, which a script can write as well."""

    mock: str | None = Field(None, description="A mock file.")
    ddl: str | None = Field(None, description="A .sql file that creates ${TARGET_TABLE}.")
    columns: Types | None = Field(None, description="Names and Spark types; with a DDL, the table's when omitted.")
    rows: list[Any] | None = Field(None, description="Lists in the order of the columns, or mappings by column.")

    @model_validator(mode="after")
    def _is_something(self) -> GivenRows:
        if self.mock is not None and (self.columns or self.rows) is not None:
            raise ValueError("has its rows from 'mock': leave out 'columns' and 'rows'")
        if self.mock is None and self.ddl is None and (self.columns is None or self.rows is None):
            raise ValueError("needs 'mock', 'ddl', or both 'columns' and 'rows'")
        if self.columns is not None and self.rows is None:
            raise ValueError("has 'columns' but no 'rows'; without rows it is written as rows: []")
        return self


class ExpectedRows(StrictModel):
    """The rows that should be there, in any order: a mock, or rows right here."""

    mock: str | None = Field(None, description="A mock file, whose column types must agree too.")
    columns: Columns | None = Field(
        None, description="Names and types; or names alone: only they are compared. All of the table's when omitted."
    )
    rows: list[Any] | None = Field(None, description="Lists in the order of the columns, or mappings by column.")
    key: Key = Field([], description="Columns that identify a row; differing rows are shown side by side by them.")
    rtol: float = Field(
        1e-9, ge=0, lt=1, description="By how much two floating point values may differ, relatively to the greater one."
    )
    atol: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="By how much they may differ absolutely; one of the two is enough."
    )

    @model_validator(mode="after")
    def _has_one_source(self) -> ExpectedRows:
        if (self.mock is None) == (self.rows is None):
            raise ValueError("needs either 'mock' or 'rows'")
        if self.mock is not None and self.columns is not None:
            raise ValueError("has its columns from 'mock': leave out 'columns'")
        return self


def _as_given(value: object) -> object:
    if isinstance(value, str):
        return {"ddl" if value.endswith(".sql") else "mock": value}
    return value


def _as_expected(value: object) -> object:
    return {"mock": value} if isinstance(value, str) else value


Params = Annotated[
    dict[str, Annotated[str, Field(json_schema_extra={"type": ["string", "number", "boolean"]})]],
    Field(description="The script's parameters."),
]
Given = Annotated[
    dict[str, Annotated[GivenRows, BeforeValidator(_as_given, json_schema_input_type=str | GivenRows)]],
    Field(
        description="Tables by parameter (SOURCE_TABLE), by name (db.table), or by the CTE that they replace. "
        "A .yaml file is a mock. A .sql file is the DDL of an empty table."
    ),
]
Expect = Annotated[
    dict[str, Annotated[ExpectedRows, BeforeValidator(_as_expected, json_schema_input_type=str | ExpectedRows)]],
    Field(
        min_length=1,
        description="Expected rows, by the table's key in `given`, or by a CTE; for a CTE alone the script isn't run.",
    ),
]


def _moment(value: object) -> object:
    if isinstance(value, str):
        moment_of(value)
        return value
    raise ValueError('should be a moment in quotes, such as "2026-01-31 12:30:00"')


Now = Annotated[
    str | None,
    BeforeValidator(_moment, json_schema_input_type=str),
    Field(
        description="The fixed time of current_date(), now() and similar functions. "
        "A date, or a timestamp such as 2026-01-31 12:30:00, in UTC without a zone."
    ),
]
Seed = Annotated[
    int | None,
    Field(ge=-(2**63), lt=2**63, description="Seed of rand(), uuid() and similar functions that have none."),
]


class Case(StrictModel):
    """One test."""

    now: Now = None
    seed: Seed = None
    params: Params = Field(default_factory=dict)
    given: Given = Field(default_factory=dict)
    expect: Expect


class TestFile(StrictModel):
    """A script's tests on small tables."""

    __test__ = False  # to pytest, a name that begins so would be a test

    script: str = Field(description="The .sql or .py file, relative to this file.")
    now: Now = None
    seed: Seed = None
    params: Params = Field(default_factory=dict)
    given: Given = Field(default_factory=dict)
    tests: dict[str, Case] = Field(
        min_length=1,
        description="Tests by name; a test's own params, given, now and seed override those of the file.",
    )
