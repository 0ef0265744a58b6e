"""The JSON Schema of `*.test.yaml`, made from the models, so that editors complete and check while one types."""

from __future__ import annotations

import json
from typing import Any

from dataflow.testing.data_tests.file import TestFile

_TITLE = "Dataflow test of a script"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a test file; the same models give the same bytes."""
    schema = TestFile.model_json_schema(by_alias=True)
    defs = {name: _plain(spec) for name, spec in sorted(schema.pop("$defs").items())}
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, **_plain(schema), "title": _TITLE, "$defs": defs}


def render() -> str:
    """Return the schema as the text of a file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _plain(spec: dict[str, Any]) -> dict[str, Any]:
    """Leave out what says nothing to whoever types: that what may be omitted is null by default."""
    properties = {}
    for name, inner in spec.get("properties", {}).items():
        shape = {key: value for key, value in inner.items() if key not in {"title", "default"}}
        options = [option for option in shape.pop("anyOf", []) if option != {"type": "null"}]
        shape.update(options[0] if len(options) == 1 else {"anyOf": options} if options else {})
        properties[name] = shape
    return {**spec, "properties": properties}
