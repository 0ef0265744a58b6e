"""The JSON Schema of mock files, so that editors complete and check while one types.

A schema can't follow a value to the type of its column: that is what `dataflow mock validate` is for.
"""

from __future__ import annotations

import json
from typing import Any

from dataflow.tables.schema.spark_types import NAMES

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a mock."""
    names = [f"{name}|{name.upper()}" for name in sorted(NAMES)]
    cell: dict[str, Any] = {
        "description": "Texts, dates and timestamps in quotes; numbers, true, false and null without.",
        "type": ["string", "number", "boolean", "null", "array", "object"],
    }
    return {
        "$schema": _DIALECT,
        "title": "Dataflow mock",
        "description": "A small table: what a test reads instead of a real one, or the rows that it expects.",
        "type": "object",
        "additionalProperties": False,
        "required": ["columns", "rows"],
        "properties": {
            "table": {
                "type": ["string", "null"],
                "description": "The table that it stands for, with its database.",
            },
            "key": {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
                "uniqueItems": True,
                "description": "Columns that identify a row: no two rows share them.",
            },
            "partial": {
                "type": "boolean",
                "default": False,
                "description": "The table has other columns, left out on purpose.",
            },
            "duplicates": {
                "type": "boolean",
                "default": False,
                "description": "Equal rows are meant to be there.",
            },
            "columns": {
                "type": "object",
                "minProperties": 1,
                "description": "Names and Spark types, in the table's order.",
                "additionalProperties": {
                    "type": "string",
                    "pattern": rf"^\s*({'|'.join(names)})\s*([(<].*)?$",
                    "examples": ["bigint", "string", "decimal(10,2)", "timestamp", "array<struct<id:int>>"],
                },
            },
            "rows": {
                "type": "array",
                "description": "Lists in the columns' order, or mappings by column where what is left out is null.",
                "items": {
                    "anyOf": [
                        {"type": "array", "items": cell},
                        {"type": "object", "additionalProperties": cell},
                    ]
                },
            },
        },
    }


def render() -> str:
    """Return the schema as the text of a file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
