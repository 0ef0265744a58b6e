"""`dataflow sample list`: the recipes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.cli.console import out
from dataflow.cli.output import TEXT, OutputOption, Result

if TYPE_CHECKING:
    from dataflow.sample.recipes import Recipe


def list_(output: OutputOption = TEXT) -> None:
    """List the recipes.

    Example:  dataflow sample list
    """
    from dataflow.sample.recipes import recipes

    output.show(_Recipes(recipes()))


@dataclass(frozen=True)
class _Recipes(Result):
    recipes: Sequence[Recipe]

    def text(self) -> None:
        for recipe in self.recipes:
            out().print(f"{recipe.name:<10} {recipe.summary}")

    def data(self) -> object:
        return [{"recipe": it.name, "summary": it.summary} for it in self.recipes]
