"""`dataflow glossary`: what the words mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from dataflow.cli.console import write
from dataflow.cli.help import Commands
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.errors import UsageError, did_you_mean
from dataflow.glossary import WORDS, Word, find_word

app = Commands()


def _words(incomplete: str) -> list[tuple[str, str]]:
    return [(it.name, it.short) for it in WORDS if it.name.startswith(incomplete)]


@app.command()
def glossary(
    word: Annotated[
        str | None,
        typer.Argument(help="A word; all if omitted.", show_default=False, autocompletion=_words),
    ] = None,
    output: OutputOption = TEXT,
) -> None:
    """Say what the words of Dataflow mean.

    Examples:
        dataflow glossary
        dataflow glossary sandbox
    """
    if word is None:
        output.show(_Words(WORDS))
        return
    found = find_word(word)
    if found is None:
        raise UsageError(
            f"'{word}' is not in the glossary{did_you_mean(word, [it.name for it in WORDS])}",
            "`dataflow glossary` lists the words",
        )
    output.show(_Words([found]))


@dataclass(frozen=True)
class _Words(Result):
    words: Sequence[Word]

    def text(self) -> None:
        import textwrap

        from dataflow.cli.console import out

        width = min(out().width, 100)
        for it in self.words:
            lines = textwrap.wrap(f"{it.short}. {it.more}", width - 2, initial_indent="  ", subsequent_indent="  ")
            write("\n".join([it.name, *lines, ""]))

    def data(self) -> object:
        return [{"word": it.name, "means": it.short, "more": it.more} for it in self.words]
