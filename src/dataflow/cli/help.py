"""One style for every help page: what it does, examples, arguments and options, exit codes, and the words it uses.

A command's docstring is its page. The first paragraph is the summary, which lists show as well; then come paragraphs;
then the sections `Examples:` (a command a line) and `Exit codes:` (`1: why`, where the command has more to say than the
first page). Words of ours that a page uses are explained at its end, out of `dataflow.glossary`.
"""

from __future__ import annotations

import enum
import inspect
import re
import shutil
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from dataflow.glossary import words_in

_HEADING = re.compile(r"(Examples|Exit codes):")
_BRACKETED = re.compile(r"^\[(.*)\](\.\.\.)?$")
_NARROWEST, _WIDEST = 60, 100
_LONGEST_NAME = 28
_KINDS: Mapping[object, str] = {int: "N", float: "N", Path: "PATH"}


@dataclass(frozen=True)
class HelpText:
    """What a docstring says.

    Attributes:
        summary: What the command does, in a line.
        paragraphs: More of it.
        examples: Commands to type.
        exit_codes: What the codes mean that say more than those of the first page.
    """

    summary: str
    paragraphs: Sequence[str]
    examples: Sequence[str]
    exit_codes: Sequence[tuple[str, str]]


def read_help(text: str) -> HelpText:
    """Read a docstring."""
    sections: dict[str, list[str]] = {"": [], "Examples": [], "Exit codes": []}
    section = ""
    for line in inspect.cleandoc(text).splitlines():
        if found := _HEADING.fullmatch(line):
            section = found[1]
        else:
            sections[section].append(line)
    summary, *paragraphs = (" ".join(it.split()) for it in "\n".join(sections[""]).strip().split("\n\n"))
    codes = textwrap.dedent("\n".join(sections["Exit codes"])).replace("\n ", " ").splitlines()
    return HelpText(
        summary,
        paragraphs,
        [line.strip() for line in sections["Examples"] if line.strip()],
        [(code.strip(), " ".join(why.split())) for code, colon, why in (it.partition(":") for it in codes) if colon],
    )


class _Page:
    """What the page of a command and that of a group have in common."""

    help: str | None

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, `--verbose` among them: it may stand anywhere."""
        found: list[Any] = super().get_params(ctx)  # type: ignore[misc]  # of the command that this stands before
        everywhere = [it for it in ctx.find_root().command.params if it.name == "verbose" and it not in found]
        return [*found[:-1], *everywhere, *found[-1:]]

    def get_short_help_str(self, limit: int = 0) -> str:
        """Return the summary, which is short by itself."""
        del limit
        return read_help(self.help or "").summary

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what follows the command's name on the line of its usage."""
        pieces = [_argument_name(it, usage=True) for it in self.get_params(ctx) if it.param_type_name == "argument"]
        return ["[OPTIONS]", *pieces]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page."""
        formatter.write("\n".join(self.page_lines(ctx)))

    def page_lines(self, ctx: Any) -> Iterator[str]:
        """Yield the lines of the page."""
        text = read_help(self.help or "")
        width = max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns))
        usage = f"Usage: {ctx.command_path} "
        yield from textwrap.wrap(
            " ".join(self.collect_usage_pieces(ctx)), width, initial_indent=usage, subsequent_indent=" " * len(usage)
        )
        for paragraph in (text.summary, *text.paragraphs):
            yield ""
            yield from textwrap.wrap(paragraph, width, initial_indent="  ", subsequent_indent="  ")
        yield from _section("Examples", [(it, "") for it in text.examples], width)
        parts = [(title, rows) for title, rows in self.parts(ctx).items() if rows]
        for title, rows in parts:
            yield from _section(title, rows, width)
        yield from _section("Exit codes", text.exit_codes, width)
        said = " ".join([text.summary, *text.paragraphs, *(why for _, rows in parts for _, why in rows)])
        yield from _section("Words", [(it.name, it.short) for it in words_in(said)], width)

    def parts(self, ctx: Any) -> dict[str, list[tuple[str, str]]]:
        """Return what is listed, by its title: names, each with what it is."""
        shown = [it for it in self.get_params(ctx) if not it.hidden]
        return {
            "Arguments": [
                (_argument_name(it), _description(it, ctx)) for it in shown if it.param_type_name == "argument"
            ],
            "Options": [(_option_name(it), _description(it, ctx)) for it in shown if it.param_type_name == "option"],
        }


class HelpCommand(_Page, TyperCommand):
    """A command whose help page has the one style."""


class HelpGroup(_Page, TyperGroup):
    """A group of commands whose help page has the one style: its commands stand under the panels that they name."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what follows the group's name on the line of its usage."""
        return [*super().collect_usage_pieces(ctx), "COMMAND [ARGS]..."]

    def parts(self, ctx: Any) -> dict[str, list[tuple[str, str]]]:
        """Return the commands, panel by panel, then the options."""
        found: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            panel = getattr(command, "rich_help_panel", None)
            title = panel if isinstance(panel, str) else "Commands"
            found.setdefault(title, []).append((name, command.get_short_help_str()))
        return {**found, **super().parts(ctx)}


class Commands(typer.Typer):
    """The commands of a module or of a group, with pages in the one style."""

    def __init__(self, help: str = "", *, cls: type[HelpGroup] = HelpGroup) -> None:  # noqa: A002 - as Typer has it
        super().__init__(
            help=inspect.cleandoc(help) if help else typer.models.Default(None),  # else it is a callback's docstring
            cls=cls,
            no_args_is_help=True,
            add_completion=False,  # at the top alone
            pretty_exceptions_enable=False,
            rich_markup_mode=None,  # importing Rich for a page would double its time
            context_settings={"help_option_names": ["-h", "--help"]},
        )

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        """Register a command, as Typer does it."""
        return super().command(name, **{"cls": HelpCommand, **settings})


def _section(title: str, rows: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    """Yield the lines of a section: names, and beside each what it is."""
    if not rows:
        return
    yield ""
    yield f"{title}:"
    names = [len(name) for name, what in rows if what and len(name) <= _LONGEST_NAME]
    indent = max(names, default=_LONGEST_NAME // 2) + 4
    for name, what in rows:
        lines = textwrap.wrap(what, max(width - indent, 20), break_on_hyphens=False)
        if not lines or len(name) + 4 > indent:
            yield f"  {name}"
        else:
            yield f"  {name:<{indent - 2}}{lines.pop(0)}"
        yield from (" " * indent + line for line in lines)


def _argument_name(parameter: Any, *, usage: bool = False) -> str:
    """Return what an argument is called: in capitals, and on the line of the usage in brackets where it is optional."""
    name = _BRACKETED.sub(r"\1", parameter.metavar or parameter.name).upper()
    if not usage:
        return name
    return f"{name if parameter.required else f'[{name}]'}{'...' if parameter.nargs != 1 else ''}"


def _option_name(parameter: Any) -> str:
    """Return how an option is typed."""
    names = ", ".join(sorted(parameter.opts, key=len))
    if parameter.secondary_opts:
        return f"{names}, {', '.join(parameter.secondary_opts)}"
    return names if parameter.is_flag else f"{names} {_value_name(parameter)}"


def _value_name(parameter: Any) -> str:
    """Return what an option takes: as it says, or by the type of its value."""
    if parameter.metavar:
        return str(parameter.metavar).strip("<>")
    annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return "|".join(str(it.value) for it in annotation)
    return str(_KINDS.get(annotation, "TEXT"))


def _description(parameter: Any, ctx: Any) -> str:
    """Return what a parameter is, with its default and its range."""
    record = parameter.get_help_record(ctx)
    return str(record[1]).removesuffix("[required]").strip() if record else ""
