"""When a step runs: only where a parameter has a value, or on some days of the week. There are no expressions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from dataflow.errors import did_you_mean
from dataflow.workflow.strict_model import StrictModel
from dataflow.workflow.values import Scalar

if TYPE_CHECKING:
    from dataflow.errors import Problem
    from dataflow.workflow.checks import DefinitionView
    from dataflow.workflow.parameters import ParameterResolver
    from dataflow.workflow.yamlfile import YamlPath

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEKDAYS = get_args(Weekday)


def _several(value: object) -> object:
    return value if isinstance(value, list) else [value]


_Values = Annotated[
    list[Scalar], Field(min_length=1), BeforeValidator(_several, json_schema_input_type=list[Scalar] | Scalar)
]
_Days = Annotated[
    list[Weekday], Field(min_length=1), BeforeValidator(_several, json_schema_input_type=list[Weekday] | Weekday)
]


class When(StrictModel):
    """Runs the step only when this holds; what needs the step goes on without it."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": ["param", "is"]}, {"required": ["day"]}],
            "dependentRequired": {"param": ["is"], "is": ["param"]},
        }
    )

    param: str | None = Field(None, description="A parameter, such as `MODE`, or a built-in, such as `dataflow.env`.")
    is_: _Values | None = Field(None, alias="is", description="The value that it has, or one of these.")
    day: _Days | None = Field(
        None, description="Days of the week of EXECUTION_DATE; without one, of yesterday; in a foreach, of each date."
    )

    @model_validator(mode="after")
    def _asks_something(self) -> When:
        if (self.param is None) != (self.is_ is None) or (self.param is None and self.day is None):
            raise ValueError("needs 'param' with 'is', or 'day'")
        return self


def condition_problems(view: DefinitionView, resolver: ParameterResolver, route: YamlPath) -> Iterator[Problem]:
    """Yield what is wrong with the condition of the step at a place, beyond its shape."""
    name = view.text(*route, "when", "param")
    if name is not None:
        resolver.used.add(name)
        if name not in resolver.known:
            nearest = did_you_mean(name, resolver.known)
            yield view.problem((*route, "when", "param"), f"undefined parameter '{name}'{nearest}")


def why_not(view: DefinitionView, resolver: ParameterResolver, route: YamlPath, day: str) -> str | None:
    """Say why the step at a place does not run; None where it does.

    Args:
        view: Its definition.
        resolver: The definition's parameters.
        route: The place.
        day: The day that it would run for.
    """
    when = view.get(*route, "when")
    if not isinstance(when, dict):
        return None
    name, wanted = when.get("param"), [*_texts(view, (*route, "when", "is"), when.get("is"))]
    if isinstance(name, str) and name in resolver.known and (value := resolver.value(name)) not in wanted:
        return f"{name} is {value}, not {' or '.join(wanted)}"
    days = [*_texts(view, (*route, "when", "day"), when.get("day"))]
    weekday = _WEEKDAYS[dt.date.fromisoformat(day).weekday()]
    if days and weekday not in days:
        return f"{day} is a {weekday}, not a {' or '.join(days)}"
    return None


def _texts(view: DefinitionView, route: YamlPath, given: Any) -> Iterator[str]:
    """Yield one value, or each of a list, as it is written."""
    values = enumerate(given) if isinstance(given, list) else [(None, given)]
    for number, value in values:
        place = route if number is None else (*route, number)
        if value is not None:
            yield value if isinstance(value, str) else view.file.texts.get(place, str(value))
