"""A group of commands whose modules are imported only when they are called."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from dataflow.errors import UsageError


class LazyGroup(TyperGroup):
    """Lists its commands from a table, and imports the module of the one that is called.

    Attributes:
        package: Where a module named as each command stands; its `app` is the command, or a group of commands.
        helps: What the list says of each command.
    """

    package: ClassVar[str]
    helps: ClassVar[Mapping[str, str]]

    @classmethod
    def list_in(cls, app: typer.Typer) -> None:
        """Put a stand-in for each command into an app, for the list; `resolve_command` puts the real one in."""
        for name, text in cls.helps.items():
            app.command(name, help=text)(lambda: None)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is called, imported now."""
        if args and args[0] in self.helps:
            self.commands[args[0]] = self._imported(args[0])
        elif args and (groups := self._groups_of(args[0])):
            import shlex

            typed = shlex.join(args)
            *others, last = (f"`{ctx.command_path} {group} {typed}`" for group in groups)
            meant = f"{', '.join(others)} or {last}" if others else last
            raise UsageError(f"'{args[0]}' is a command of {' and of '.join(groups)}", f"did you mean {meant}?")
        return super().resolve_command(ctx, args)

    def _imported(self, name: str) -> Any:
        return typer.main.get_command(import_module(f"{self.package}.{name}").app)

    def _groups_of(self, command: str) -> list[str]:
        """Return the groups that have a command of a name; it imports them all, as nothing else is left to do."""
        return [name for name in self.helps if command in getattr(self._imported(name), "commands", {})]
