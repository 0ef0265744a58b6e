"""What a page is: an address, a template, and the function of the read model that gives the template what it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from dataflow.ui.source import Source


@dataclass(frozen=True)
class Asked:
    """What a request asks of a page.

    Attributes:
        subject: The values in its address, such as the id of a run.
        options: What is behind the question mark: filters, and which part of a long list.
    """

    subject: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)

    def option(self, name: str) -> str:
        """Return what an option is set to; empty where it is not."""
        return self.options.get(name, "").strip()

    def number(self, name: str, least: int = 1) -> int:
        """Return an option that is a number; the least one where it is none."""
        text = self.option(name)
        return max(least, int(text)) if text.isdecimal() and len(text) < 10 else least


def _once(_: Source) -> Iterable[Mapping[str, object]]:
    return ({},)


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        name: What links call it; its template is `NAME.html`.
        path: Its address, with the names of its subject in braces: `/runs/{run}`.
        title: What it is called in the navigation.
        read: Returns what its template shows, as `it`.
        listed: Whether the navigation has it.
        exported: Yields what is written as static pages: the values of its address, and options.
        state: For a page that shows something that goes on: what changes when that does; None once it is over.
    """

    name: str
    path: str
    title: str
    read: Callable[[Source, Asked], object]
    listed: bool = False
    exported: Callable[[Source], Iterable[Mapping[str, object]]] = _once
    state: Callable[[Source, Asked], str | None] | None = None

    def asked(self, values: Mapping[str, object]) -> Asked:
        """Return what values ask: those that its address has no place for are options, and empty ones nothing."""
        given = {name: str(value) for name, value in values.items() if value not in ("", None)}
        subject = {name: value for name, value in given.items() if f"{{{name}}}" in self.path}
        return Asked(subject, {name: value for name, value in given.items() if name not in subject})

    def address(self, asked: Asked) -> str:
        """Return where a page is on the server."""
        path = self.path
        for name, value in asked.subject.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        return f"{path}?{urlencode(asked.options)}" if asked.options else path

    @property
    def route(self) -> str:
        """Its address as Starlette has it; a name may have slashes."""
        return self.path.replace("}", ":path}")
