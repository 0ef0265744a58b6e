"""The JSON Schema of `*.sch.yaml`, made from the models, so that editors complete and check while one types.

An editor sees a definition before its parameters are put in: wherever a number, a date or a word from a list
is wanted, a text with a `${...}` in it is right as well.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from dataflow.workflow.models import Definition

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_WITH_PARAMETER = {"type": "string", "pattern": r"\$\{[^}]+\}"}
_KINDS = {"type", "function", "version"}  # what says which keys a mapping has is never a parameter


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a definition; the same models give the same bytes."""
    schema = Definition.model_json_schema(by_alias=True)
    defs = {name: _model(spec) for name, spec in sorted(schema.pop("$defs").items())}
    top = _model(schema)
    return {"$schema": _DIALECT, **top, "title": "Dataflow workflow definition", "$defs": defs}


def render() -> str:
    """Return the schema as the text of a file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _model(spec: dict[str, Any]) -> dict[str, Any]:
    """Turn the schema of a model into what holds before its parameters are put in."""
    properties = {name: _property(name, inner) for name, inner in spec.get("properties", {}).items()}
    return {**spec, "properties": properties} if properties else spec


def _property(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    about = {key: spec[key] for key in ("description", "default", "examples") if spec.get(key) is not None}
    shape = {key: value for key, value in spec.items() if key not in {*about, "title", "default"}}
    return {**about, **(shape if name in _KINDS else _value(shape, parameters=name == "params"))}


def _value(shape: dict[str, Any], *, parameters: bool = False) -> dict[str, Any]:
    """Let a parameter stand wherever a single value of a certain kind is wanted."""
    if "anyOf" in shape:
        options = [_value(inner, parameters=parameters) for inner in shape["anyOf"]]
        flat = [option for inner in options for option in (inner["anyOf"] if inner.keys() == {"anyOf"} else [inner])]
        if {"type": "string"} in flat:
            flat = [option for option in flat if option != _WITH_PARAMETER]
        return {**shape, "anyOf": flat}
    if "oneOf" in shape:
        return {"oneOf": shape["oneOf"]}  # the discriminator beside it is OpenAPI's
    if "items" in shape:
        return {**shape, "items": _value(shape["items"])}
    if isinstance(shape.get("additionalProperties"), dict):
        inner = {"type": ["string", "number", "boolean"]} if parameters else _value(shape["additionalProperties"])
        return {**shape, "additionalProperties": inner}
    plain = shape.get("type") == "string" and not shape.keys() & {"enum", "const", "pattern", "format"}
    if plain or "$ref" in shape or shape.get("type") in {"object", "array", "null"}:
        return shape
    return {"anyOf": [shape, _WITH_PARAMETER]}


if __name__ == "__main__":
    sys.stdout.write(render())
