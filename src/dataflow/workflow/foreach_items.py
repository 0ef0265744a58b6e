"""The items of a foreach that goes over a list: countries, tables, whatever a parameter may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field

from dataflow.workflow.dates import ChangedSource, as_source
from dataflow.workflow.strict_model import StrictModel
from dataflow.workflow.values import Scalar, TableName

if TYPE_CHECKING:
    from dataflow.errors import Problem
    from dataflow.workflow.checks import DefinitionView
    from dataflow.workflow.parameters import ParameterResolver
    from dataflow.workflow.yamlfile import YamlFile, YamlPath

MAX_ITEMS = 10_000
LONGEST = 200


def _listed(value: object) -> object:
    """Read a list, which out of a parameter is a text with commas: `DE, AT`."""
    return _split(value) if isinstance(value, str) else value


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


_Listed = Annotated[list[Scalar], Field(min_length=1, max_length=MAX_ITEMS)]

Items = Annotated[_Listed, BeforeValidator(_listed, json_schema_input_type=_Listed | str)]
"""The items of a foreach."""


class ChangedItems(StrictModel):
    """The items of some tables that changed since this workflow last read them, and those that were never done.

    What was read is remembered by the HWM job of the table that is written, which names each item as `item`.
    """

    changed: list[
        Annotated[ChangedSource, BeforeValidator(as_source, json_schema_input_type=TableName | ChangedSource)]
    ] = Field(min_length=1, description="The sources, each a table's name; or a mapping that names its `column`.")
    column: str = Field(description="The column whose values are the items, such as a country.")
    max: int = Field(30, ge=1, le=MAX_ITEMS, description="The most items of one run; the next run goes on.")


def kind_of_items(value: object) -> str:
    """Say whether items are listed, or those that changed."""
    if isinstance(value, ChangedItems):
        return "changed"
    return "changed" if isinstance(value, dict) and {"changed", "column"} & value.keys() else "list"


def item_texts(view: DefinitionView, route: YamlPath) -> dict[str, YamlPath]:
    """Return the items of the foreach at a place as they are written, each with where it stands; twice is once."""
    found: dict[str, YamlPath] = {}
    for place, text in _texts(view, (*route, "items")):
        found.setdefault(text, place)
    return found


def item_problems(view: DefinitionView, route: YamlPath) -> Iterator[Problem]:
    """Yield what is wrong with the items of the foreach at a place, beyond their shape."""
    seen: set[str] = set()
    for place, text in _texts(view, (*route, "items")):
        if text in seen:
            yield view.problem(place, f"'{text}' stands there twice: each item runs once")
        elif not text or len(text) > LONGEST or not text.isprintable():
            yield view.problem(place, f"an item should be one line of at most {LONGEST} characters, and not empty")
        seen.add(text)


def first_items(file: YamlFile, resolver: ParameterResolver) -> dict[YamlPath, str]:
    """Return the first item of each foreach that goes over items, by the place of the foreach."""
    found: dict[YamlPath, str] = {}
    for route, text in file.texts.items():
        if route[2:4] == ("foreach", "items") and route[4:] in ((), (0,)):
            filled = resolver.render(text, file.values[route])
            if filled is not None:
                found[route[:3]] = filled if route[4:] else _split(filled)[0]
    return found


def _texts(view: DefinitionView, route: YamlPath) -> Iterator[tuple[YamlPath, str]]:
    given = view.get(*route)
    if isinstance(given, str) and route not in view.failed:
        yield from ((route, part) for part in _split(given))
    for i in range(view.length(*route)):
        value, place = given[i], (*route, i)
        if place not in view.failed and isinstance(value, str | int | float):
            yield place, value if isinstance(value, str) else view.file.texts.get(place, str(value))
