"""`dataflow sample list`: the recipes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.cli.console import out
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.cli.sample.options import RefOption, SourcePathOption

if TYPE_CHECKING:
    from dataflow.sample.recipes import Recipe


def list_(source_path: SourcePathOption = None, ref: RefOption = None, output: OutputOption = TEXT) -> None:
    """List the recipes: the tool's own, or those of another template.

    Examples:
        dataflow sample list
        dataflow sample list --source-path https://example.com/our-recipes.git
    """
    from dataflow.sample.generate import recipes_of

    output.show(_Recipes(recipes_of(source_path, ref)))


@dataclass(frozen=True)
class _Recipes(Result):
    recipes: Sequence[Recipe]

    def text(self) -> None:
        for recipe in self.recipes:
            out().print(f"{recipe.name:<10} {recipe.summary}")

    def data(self) -> object:
        return [{"recipe": it.name, "summary": it.summary} for it in self.recipes]
