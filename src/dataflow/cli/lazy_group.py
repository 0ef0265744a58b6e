"""A group of commands whose modules are imported only when they are called."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup


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
            module = import_module(f"{self.package}.{args[0]}")
            self.commands[args[0]] = typer.main.get_command(module.app)
        return super().resolve_command(ctx, args)
