"""A group of commands whose modules are imported only when they are called."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer

from dataflow.cli.help import Commands, HelpGroup
from dataflow.errors import UsageError


class LazyGroup(HelpGroup):
    """Lists its commands from a table, and imports the module of the one that is called.

    Attributes:
        package: Where a module named as each command stands; its `app` is the command, or a group of commands.
        panels: What the list says of each command, by the panel under which it stands.
    """

    package: ClassVar[str]
    panels: ClassVar[Mapping[str, Mapping[str, str]]]

    @classmethod
    def list_in(cls, app: Commands) -> None:
        """Put a stand-in for each command into an app, for the list; `resolve_command` puts the real one in."""
        for panel, commands in cls.panels.items():
            for name, text in commands.items():
                app.command(name, help=text, rich_help_panel=panel)(lambda: None)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is called, imported now."""
        if args and args[0] in self.commands:
            self.commands[args[0]] = self._imported(args[0])
        elif args and not ctx.resilient_parsing and (groups := self._groups_of(args[0])):
            import shlex

            typed = shlex.join(args)
            *others, last = (f"`{ctx.command_path} {group} {typed}`" for group in groups)
            meant = f"{', '.join(others)} or {last}" if others else last
            raise UsageError(f"'{args[0]}' is a command of {' and of '.join(groups)}", f"did you mean {meant}?")
        return super().resolve_command(ctx, args)

    def _imported(self, name: str) -> Any:
        command = typer.main.get_command(import_module(f"{self.package}.{name}").app)
        return _in_panel(command, getattr(self.commands[name], "rich_help_panel", None))

    def _groups_of(self, command: str) -> list[str]:
        """Return the groups that have a command of a name; it imports them all, as nothing else is left to do."""
        return [name for name in self.commands if command in getattr(self._imported(name), "commands", {})]


def _in_panel(command: Any, panel: object) -> Any:
    command.rich_help_panel = panel
    return command
