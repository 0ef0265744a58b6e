"""The recipes that there are: those that `copier.yml` offers."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from dataflow.errors import UsageError, did_you_mean

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


@functools.cache
def recipes() -> tuple[Recipe, ...]:
    """Return the recipes, in the order in which `copier.yml` offers them."""
    import yaml

    file = next(path for path in _QUESTIONS if path.is_file())
    choices = yaml.safe_load(file.read_text("utf-8"))["recipe"]["choices"]
    return tuple(Recipe(name, label.partition(": ")[2]) for label, name in choices.items())


def find_recipe(name: str) -> Recipe:
    """Return the recipe of a name.

    Raises:
        UsageError: There is none.
    """
    for recipe in recipes():
        if recipe.name == name:
            return recipe
    names = [recipe.name for recipe in recipes()]
    near = did_you_mean(name, names)
    hint = f"the recipes: {', '.join(names)}" if "did you mean" in near else "`dataflow sample list` describes them"
    raise UsageError(f"there is no recipe '{name}'{near}", hint)
