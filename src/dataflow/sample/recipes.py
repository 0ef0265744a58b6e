"""The recipes that there are."""

from __future__ import annotations

from dataclasses import dataclass

from dataflow.errors import UsageError, did_you_mean


@dataclass(frozen=True)
class Recipe:
    """A template for a workflow package.

    Attributes:
        name: What it is called; never renamed, as packages record it.
        summary: One line that helps to choose.
        ready: False while it is announced only.
    """

    name: str
    summary: str
    ready: bool = True


RECIPES = (
    Recipe("spark-sql", "one SQL script: the shortest way from a SELECT to a pipeline"),
    Recipe("pyspark", "small typed Python functions, tested one by one"),
    Recipe("scala", "Scala functions on typed data sets, in a jar built by sbt", ready=False),
    Recipe("sparklyr", "dplyr verbs in R", ready=False),
)


def find_recipe(name: str) -> Recipe:
    """Return the recipe of a name.

    Raises:
        UsageError: There is none, or none yet.
    """
    names = [recipe.name for recipe in RECIPES]
    for recipe in RECIPES:
        if recipe.name == name and recipe.ready:
            return recipe
    ready = ", ".join(recipe.name for recipe in RECIPES if recipe.ready)
    if name in names:
        raise UsageError(f"the recipe {name} is not there yet", f"ready today: {ready}")
    near = did_you_mean(name, names)
    hint = f"the recipes: {', '.join(names)}" if "did you mean" in near else "`dataflow sample list` describes them"
    raise UsageError(f"there is no recipe '{name}'{near}", hint)
