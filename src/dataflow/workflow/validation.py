"""Holding data to a model: each mistake in plain words, at its line and column."""

from __future__ import annotations

import functools
import re
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Tag, TypeAdapter, ValidationError

from dataflow.errors import Problem, did_you_mean
from dataflow.workflow.models import ITEM_KINDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pydantic_core import ErrorDetails

    from dataflow.workflow.yamlfile import YamlFile, YamlPath

PARAMETER_IN_KEY = "a parameter can't stand in a key"
_SHOULD_BE = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping, lines of the form 'key: value'",
    "model": "a mapping, lines of the form 'key: value'",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}


class ValidationProblems(Exception):
    """What is wrong with one value of a file."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__()
        self.problems = problems


def validated(
    annotation: Any,
    file: YamlFile,
    data: Any,
    route: YamlPath = (),
    failed: Collection[YamlPath] = (),
    context: Mapping[str, Any] | None = None,
) -> Any:
    """Turn plain data into what a model or a type says.

    Args:
        annotation: A model, or a type of models such as `Job`.
        file: The file that the data is from.
        data: The data, parameters put in. A number where text is wanted becomes the text as written.
        route: Which part of the file it is.
        failed: Routes of values that have been reported already, and so are not reported again.
        context: What validators are told, such as the definition's cadence.

    Raises:
        ValidationProblems: It doesn't fit; empty when all that is wrong has been reported already.
    """
    adapter = _adapter(annotation)
    for _ in range(2):  # the second time, numbers stand as text where text is wanted
        try:
            return adapter.validate_python(data, context=context)
        except ValidationError as error:
            errors = error.errors(include_url=False)
            inner = [_follow(annotation, e["loc"])[0] for e in errors]
            changed = [_as_written(file, data, e, route, at) for e, at in zip(errors, inner, strict=True)]
            if not any(changed):
                break
    raise ValidationProblems(list(_problems(annotation, file, route, errors, failed)))


def value_at(data: Any, route: YamlPath) -> Any:
    """Return the part of plain data that a route leads to."""
    for step in route:
        data = data[step]
    return data


@functools.cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)


def _as_written(file: YamlFile, data: Any, error: ErrorDetails, base: YamlPath, at: YamlPath) -> bool:
    """Put a number's text as written in its place, when what was wanted is text."""
    text = file.texts.get((*base, *at))
    if error["type"] != "string_type" or not isinstance(error["input"], int | float) or text is None:
        return False
    value_at(data, at[:-1])[at[-1]] = text
    return True


def _problems(
    annotation: Any, file: YamlFile, base: YamlPath, errors: list[ErrorDetails], failed: Collection[YamlPath]
) -> Iterator[Problem]:
    located = [(e, (*base, *_follow(annotation, e["loc"])[0])) for e in errors]
    wrong_kind = {
        place[:-1] for e, place in located if e["type"] == "literal_error" and place[-1] in {"type", "function"}
    }
    unknown = {place for e, place in located if e["type"] == "extra_forbidden"}
    reported: set[Problem] = set()
    for error, place in located:
        if any(_within(bad, place) for bad in failed):
            continue
        if any(_within(place, mapping) for mapping in wrong_kind) and error["type"] != "literal_error":
            continue
        if error["type"] == "missing" and _misspelt(place, unknown, annotation, error):
            continue
        problem = _problem(annotation, file, error, place)
        if problem not in reported:
            reported.add(problem)
            yield problem


def _within(inner: YamlPath, outer: YamlPath) -> bool:
    return inner[: len(outer)] == outer


def _misspelt(place: YamlPath, unknown: Collection[YamlPath], annotation: Any, error: ErrorDetails) -> bool:
    """Say whether a missing key is there under a name that is nearly its own, and so reported already."""
    valid = _keys(_follow(annotation, error["loc"][:-1])[1])
    beside = [str(other[-1]) for other in unknown if other[:-1] == place[:-1]]
    return any(did_you_mean(name, valid) == f"; did you mean '{place[-1]}'?" for name in beside)


def _problem(annotation: Any, file: YamlFile, error: ErrorDetails, place: YamlPath) -> Problem:
    context = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return file.key_place(place).problem(_unknown_key(annotation, error, str(place[-1])))
        case "missing":
            return file.key_place(place[:-1]).problem(f"missing key '{place[-1]}'")
        case "union_tag_not_found":
            return _without_kind(file, error["input"], place, context)
        case "union_tag_invalid":
            key = str(context["discriminator"]).strip("'")
            return _unknown_word(file, (*place, key), context["tag"], _quoted(context["expected_tags"]))
        case "literal_error":
            return _unknown_word(file, place, error["input"], _quoted(context["expected"]))
        case _:
            whole = isinstance(error["input"], dict) and error["type"] == "value_error"
            at = file.key_place(place) if whole else file.value_place(place)
            return at.problem(_message(error, place) + _from_parameter(file, place, error))


def _unknown_key(annotation: Any, error: ErrorDetails, key: str) -> str:
    if "${" in key:
        return PARAMETER_IN_KEY
    return f"unknown key '{key}'{did_you_mean(key, _keys(_follow(annotation, error['loc'][:-1])[1]))}"


def _without_kind(file: YamlFile, item: Any, place: YamlPath, context: dict[str, Any]) -> Problem:
    key = str(context["discriminator"]).strip("'")
    if key in {"type", "function"}:
        return file.key_place(place).problem(f"missing key '{key}'")
    if isinstance(item, dict) and item:
        name = next(iter(item))
        return file.key_place((*place, name)).problem(f"unknown key '{name}'{did_you_mean(str(name), ITEM_KINDS)}")
    return file.key_place(place).problem(f"should be one of {', '.join(ITEM_KINDS)}, not {_shown(item)}")


def _unknown_word(file: YamlFile, place: YamlPath, word: object, valid: list[str]) -> Problem:
    """Name a word that is none of a few, with the nearest that is."""
    key = str(place[-1])
    if not valid:
        return file.value_place(place).problem(f"'{key}' should be 1, not {_shown(word)}")
    if not isinstance(word, str):
        return file.value_place(place).problem(f"'{key}' should be one of {', '.join(valid)}, not {_shown(word)}")
    above = str(place[-2]) if len(place) > 1 else ""
    kind = {"template": "template type", "tracker": "tracker type"}.get(above, "job type")
    what = {"type": f"unknown {kind}", "function": "unknown audit function"}.get(key, f"'{key}' can't be")
    return file.value_place(place).problem(f"{what} '{word}'{did_you_mean(word, valid, limit=12)}")


def _message(error: ErrorDetails, place: YamlPath) -> str:
    kind, context, shown = error["type"], error.get("ctx", {}), _shown(error["input"])
    key = next((f"'{step}'" for step in reversed(place) if isinstance(step, str)), "this")
    name = key if not place or isinstance(place[-1], str) else f"item {place[-1] + 1} of {key}"
    if kind == "value_error":
        said = str(context["error"])
        return f"{name} {said}, not {shown}" if said.startswith("should be") else f"{name}: {said}"
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        return f"{name} should be {words} {context[bound]}, not {shown}"
    if kind == "too_short":
        return f"{name} needs at least one item"
    if kind == "string_pattern_mismatch":
        return f"{name} should be letters, digits, '_' and '-', beginning with a letter, not {shown}"
    if len(error["loc"]) and error["loc"][-1] in {"str", "int", "float", "bool"}:
        return f"{name} should be a single value, not {shown}"
    return f"{name} should be {_SHOULD_BE.get(kind.partition('_')[0], error['msg'])}, not {shown}"


def _from_parameter(file: YamlFile, place: YamlPath, error: ErrorDetails) -> str:
    written = file.texts.get(place, "")
    return f" ({written})" if "${" in written and written != error["input"] else ""


def _shown(value: object) -> str:
    match value:
        case None:
            return "empty"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case bool():
            return str(value).lower()
        case str():
            return f"'{value}'"
        case _:
            return str(value)


def _quoted(words: str) -> list[str]:
    return re.findall(r"'([^']*)'", words)


# ------------------------------------------------------------------------------- where an error stands


def _follow(annotation: Any, loc: tuple[int | str, ...]) -> tuple[YamlPath, Any]:
    """Follow an error's location through the types.

    A location names the member of a union as well as keys and list positions; a route in the file does not.

    Returns:
        The route in the file, and the type that stands there.
    """
    route: list[str | int] = []
    for step in loc:
        inner = _plain(annotation)
        origin = get_origin(inner)
        if origin in {Union, UnionType}:
            annotation = _member(inner, step)
            if annotation is None:
                break
            continue
        if step == "[key]":
            break
        route.append(step)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found = [f for name, f in inner.model_fields.items() if step in {name, f.alias}]
            annotation = found[0].annotation if found else None
        else:
            annotation = get_args(inner)[-1] if origin in {list, dict} else None
    return tuple(route), _plain(annotation)


def _plain(annotation: Any) -> Any:
    """Strip what says more about a type, and the None of an optional one."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in {Union, UnionType}:
        members = [member for member in get_args(annotation) if member is not type(None)]
        if len(members) == 1:
            return _plain(members[0])
    return annotation


def _member(union: Any, tag: object) -> Any:
    for member in get_args(union):
        if any(isinstance(extra, Tag) and extra.tag == tag for extra in getattr(member, "__metadata__", ())):
            return member
        model = _plain(member)
        if isinstance(model, type) and issubclass(model, BaseModel):
            literals = [f.annotation for f in model.model_fields.values() if get_origin(f.annotation) is Literal]
            if any(tag in get_args(literal) for literal in literals):
                return model
    return None


def _keys(annotation: Any) -> list[str]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [field.alias or name for name, field in annotation.model_fields.items()]
    return []
