"""The line at the end of a terminal that says what goes on, drawn again and again: never in the way of what is printed.

Results go to standard output and this line to standard error, mostly the same terminal. A console takes the line away
before it prints, and puts it back.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_lock = threading.RLock()
_drawn: list[Line] = []


class Line:
    """A line at the end of a terminal; off a terminal nothing is drawn.

    Args:
        console: Where it is drawn.
        text: What it says; markup.
        spins: Whether something goes on, rather than that somebody may do something.
    """

    def __init__(self, console: Console, text: str, *, spins: bool = True) -> None:
        from rich.live import Live

        self._console, self._spins = console, spins
        self._live = Live(
            self._renderable(text), console=console, auto_refresh=spins, transient=True, redirect_stdout=False
        )

    def update(self, text: str) -> None:
        """Say something else."""
        self._live.update(self._renderable(text), refresh=not self._spins)

    def start(self) -> None:
        """Draw it."""
        if self not in _drawn:
            _drawn.append(self)
            self._live.start(refresh=True)

    def stop(self) -> None:
        """Take it away."""
        if self in _drawn:
            _drawn.remove(self)
            self._live.stop()

    def __enter__(self) -> Line:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def is_in_the_way(self, console: Console | None) -> bool:
        """Say whether another console would print into it; its own puts what is printed above it."""
        return console is not self._console and self._console.is_terminal

    def hide(self) -> None:
        """Take it away for a moment."""
        self._live.stop()

    def show(self) -> None:
        """Put it back."""
        self._live.start(refresh=True)

    def _renderable(self, text: str) -> RenderableType:
        from rich.spinner import Spinner
        from rich.text import Text

        return Spinner("dots", text=text, style="status.spinner") if self._spins else Text(text, "dim")


@contextmanager
def out_of_the_way(console: Console | None) -> Iterator[None]:
    """Take away what is drawn while a console prints; None for what prints without one."""
    if not any(it.is_in_the_way(console) for it in _drawn):  # no lock: a line that is drawn prints as well
        yield
        return
    with _lock:
        hidden = [it for it in _drawn if it.is_in_the_way(console)]
        for it in hidden:
            it.hide()
        try:
            yield
        finally:
            for it in hidden:
                it.show()
