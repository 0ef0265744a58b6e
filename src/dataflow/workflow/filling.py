"""How a definition's texts are filled: with parameters, and where they stand with what only that place knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.workflow.changed_dates import unknown_as_written
from dataflow.workflow.checks import AUDITED
from dataflow.workflow.parameters import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dataflow.workflow.parameters import ParameterResolver
    from dataflow.workflow.yamlfile import YamlFile, YamlPath

EACH = f"{PREFIX}each"
"""The parameter that is each date, or each item, of a foreach."""


def fill_with(
    file: YamlFile, resolver: ParameterResolver, *, each: str, items: Mapping[YamlPath, str] | None = None
) -> Callable[[YamlPath, str], str | None]:
    """Return what fills a definition's texts; inside a foreach `${dataflow.each}` stands for this date.

    Args:
        file: The definition.
        resolver: Its parameters.
        each: The date, or the item.
        items: What stands for it instead, in the foreach at a place that goes over items.
    """

    def fill(route: YamlPath, text: str) -> str | None:
        extra: dict[str, str] = {}
        if route[2:5] == ("foreach", "dates", "changed") or (route[0] == "trigger" and "tables" in route):
            extra |= unknown_as_written(
                text, resolver.known
            )  # those of the workflow that it runs, which is not read yet
        if route[:1] == ("jobs",) and route[2:4] == ("foreach", "job"):
            extra[EACH] = (items or {}).get(route[:3], each)
        if route[-1] == "sql":
            extra[AUDITED] = f"${{{AUDITED}}}"
        return resolver.render(text, file.values[route], extra)

    return fill
