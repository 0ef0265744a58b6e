"""The recipes that there are, and what they ask: as `copier.yml` has it, and nobody else."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.errors import UsageError, did_you_mean
from dataflow.sample.copier_template import opened

if TYPE_CHECKING:
    from dataflow.sample.origin import TemplateOrigin

_PACKAGE = Path(__file__).parents[1]
_QUESTIONS = (_PACKAGE / "template" / "copier.yml", _PACKAGE.parents[1] / "copier.yml")
"""Where the questions are: in a wheel, and in a checkout."""


@dataclass(frozen=True)
class Recipe:
    """A template for a workflow package.

    Attributes:
        name: What it is called; never renamed, as packages record it.
        summary: One line that helps to choose.
    """

    name: str
    summary: str

    @property
    def example(self) -> str:
        """What the folder of its example is called."""
        return f"{self.name.replace('-', '')}-workflow"


@dataclass(frozen=True)
class Questions:
    """What a template asks.

    Attributes:
        recipes: The recipes that it offers, in their order.
        names: The questions that whoever generates a package may answer; `recipe` is one.
    """

    recipes: tuple[Recipe, ...]
    names: tuple[str, ...]

    def recipe(self, name: str) -> Recipe:
        """Return the recipe of a name.

        Raises:
            UsageError: There is none.
        """
        for recipe in self.recipes:
            if recipe.name == name:
                return recipe
        names = [recipe.name for recipe in self.recipes]
        near = did_you_mean(name, names)
        hint = f"the recipes: {', '.join(names)}" if "did you mean" in near else "`dataflow sample list` describes them"
        raise UsageError(f"there is no recipe '{name}'{near}", hint)

    def require(self, names: Collection[str]) -> None:
        """Refuse an answer to what nobody asks.

        Raises:
            UsageError: There is no such question.
        """
        for name in names:
            if name not in self.names:
                hint = f"the questions: {', '.join(self.names)}; copier.yml explains them"
                raise UsageError(f"there is no question '{name}'{did_you_mean(name, self.names)}", hint)


def recipes() -> tuple[Recipe, ...]:
    """Return the tool's own recipes, in the order in which `copier.yml` offers them."""
    return _own().recipes


def questions(origin: TemplateOrigin) -> Questions:
    """Return what the template of an origin asks."""
    if origin.is_own:
        return _own()
    with opened(origin) as template:
        return _read(template.questions_data)


@functools.cache
def _own() -> Questions:
    import yaml

    file = next(path for path in _QUESTIONS if path.is_file())
    return _read(yaml.safe_load(file.read_text("utf-8")))


def _read(data: Mapping[str, Any]) -> Questions:
    asked = {name: it for name, it in data.items() if not name.startswith("_") and isinstance(it, dict)}
    names = tuple(name for name, it in asked.items() if it.get("ask", True) and it.get("when", True))
    choices = asked.get("recipe", {}).get("choices") or {}
    labelled = choices.items() if isinstance(choices, dict) else [("", name) for name in choices]
    return Questions(tuple(Recipe(str(name), label.partition(": ")[2]) for label, name in labelled), names)
