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
    """

    name: str
    summary: str


RECIPES = (
    Recipe("spark-sql", "one SQL script: the shortest way from a SELECT to a pipeline"),
    Recipe("pyspark", "small typed Python functions, tested one by one"),
    Recipe("scala", "small Scala functions, in a jar that sbt builds"),
    Recipe("sparklyr", "dplyr verbs in R, tested on data frames and run on Spark"),
)


def find_recipe(name: str) -> Recipe:
    """Return the recipe of a name.

    Raises:
        UsageError: There is none.
    """
    for recipe in RECIPES:
        if recipe.name == name:
            return recipe
    names = [recipe.name for recipe in RECIPES]
    near = did_you_mean(name, names)
    hint = f"the recipes: {', '.join(names)}" if "did you mean" in near else "`dataflow sample list` describes them"
    raise UsageError(f"there is no recipe '{name}'{near}", hint)
