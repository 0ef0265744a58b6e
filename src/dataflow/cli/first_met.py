"""Words of ours are explained where somebody meets them first: once in a Dataflow home."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.cli.console import say
from dataflow.glossary import Word, words_in
from dataflow.home import subfolder

if TYPE_CHECKING:
    from dataflow.cli.output import Output

_FILE = "explained"


def explain(output: Output, *texts: str) -> None:
    """Explain the words that texts use and that nobody has met here yet; only people are shown what they mean."""
    found = list(words_in(" ".join(texts)))
    if found:
        output.show_part(_FirstMet(found))


@dataclass(frozen=True)
class _FirstMet:
    words: Sequence[Word]

    def text(self) -> None:
        known: list[str] = []
        with contextlib.suppress(OSError, ValueError):
            known = (subfolder() / _FILE).read_text("utf-8").split()
        new = [it for it in self.words if it.name not in known]
        if new:
            say("")
        for it in new:
            say(f"{it.name}: {it.short}")
        if new:
            say("`dataflow glossary` says more")
            with contextlib.suppress(OSError), (subfolder() / _FILE).open("a", encoding="utf-8") as file:
                file.writelines(f"{it.name}\n" for it in new)
