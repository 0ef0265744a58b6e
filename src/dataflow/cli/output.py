"""How a command answers: it makes a `Result`, and the `Output` that was asked for prints it.

A new format is one class here, one method of `Result`, and its name among those that a command offers.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

import typer

from dataflow.errors import UsageError, first_line
from dataflow.files import draft_of, write_file
from dataflow.foreign import for_spreadsheet
from dataflow.secret import masked

if TYPE_CHECKING:
    import pyarrow as pa


class Part(Protocol):
    """What people read."""

    def text(self) -> None:
        """Print it."""


class Result(ABC):
    """What a command found or did: the facts once, and a method for each format that the command offers."""

    longest_indented_json: ClassVar[int | None] = None
    """Up to how many characters of JSON are worth being indented; None for any number."""

    @abstractmethod
    def text(self) -> None:
        """Print it for people."""

    @abstractmethod
    def data(self) -> object:
        """Return it as plain data for scripts; moments and paths may be among it."""

    # The formats that only some commands offer; `tests/cli/test_shape.py` holds each to have those that it offers.

    def rows(self) -> Iterable[Sequence[Any]]:
        """Return it as rows for a spreadsheet, their names first."""
        raise NotImplementedError

    def arrow(self) -> pa.Table:
        """Return it as an Arrow table."""
        raise NotImplementedError

    def html(self) -> str:
        """Return it as a page."""
        raise NotImplementedError

    def markdown(self) -> str:
        """Return it as Markdown."""
        raise NotImplementedError

    def mermaid(self) -> str:
        """Return it as a Mermaid chart."""
        raise NotImplementedError

    def svg(self) -> str:
        """Return it as a picture."""
        raise NotImplementedError


class Output(ABC):
    """A format in which a command answers.

    Attributes:
        name: What it is called on the command line.
        row_limit: How many rows of data are shown when nobody says how many; None for all.
        takes_arrow: Whether it wants rows of data as an Arrow table.
        takes_keys: Whether people who read it may press keys.
        takes_events: Whether it can show one thing after the other, for as long as a command stays.
    """

    row_limit: int | None = None
    takes_arrow = False
    takes_keys = False
    takes_events = False

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name

    @abstractmethod
    def show(self, result: Result) -> None:
        """Print what a command came to."""

    def require_place(self, to: Path | None) -> None:
        """Refuse a file that can't be written, before anything is begun; None stands for standard output.

        Raises:
            UsageError: Its folder is not there, or the format is none for standard output.
        """
        if to is not None and (to.is_dir() or not to.absolute().parent.is_dir()):
            raise UsageError(f"--to {to}: {'is a folder' if to.is_dir() else 'there is no such folder'}")

    def require_events(self, option: str) -> None:
        """Refuse an option by which a command stays, where the format is one document.

        Raises:
            UsageError: It is.
        """
        if not self.takes_events:
            raise UsageError(f"{option} does not go with --output {self}", "text is for people, json for editors")

    def write(self, result: Result, to: Path | None) -> None:
        """Print what a command came to, or put it into a file, whole or not at all."""
        if to is None:
            self.show(result)
            return
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            self.show(result)
        write_file(to, masked(text.getvalue()))

    def show_part(self, part: Part) -> None:
        """Print what people read before the result, or after it; a document has only the result."""
        del part

    def show_event(self, event: Result) -> None:
        """Print what just happened, where a command reports until it is stopped."""
        self.show(event)

    def show_with(self, result: Result, key: str, rest: Callable[[], None]) -> None:
        """Print a result, then what the rest of the command prints; in a document that stands under the key."""
        del key
        self.show(result)
        rest()

    @contextlib.contextmanager
    def reserved(self) -> Iterator[None]:
        """Keep what people's code prints out of a document: it goes to standard error meanwhile."""
        with contextlib.redirect_stdout(sys.stderr):
            yield


class TextOutput(Output):
    """For people."""

    row_limit = 50
    takes_keys = True
    takes_events = True

    def show(self, result: Result) -> None:
        """Print it as text."""
        result.text()

    def show_part(self, part: Part) -> None:
        """Print it as text."""
        part.text()

    @contextlib.contextmanager
    def reserved(self) -> Iterator[None]:
        """Let people's code print where it likes."""
        yield


class JsonOutput(Output):
    """For scripts: one document, or a line for each event."""

    takes_events = True

    def show(self, result: Result) -> None:
        """Print one JSON document."""
        self._print(result.data(), result.longest_indented_json)

    def show_event(self, event: Result) -> None:
        """Print a line, at once."""
        sys.stdout.write(json.dumps(event.data(), ensure_ascii=False, default=_plain) + "\n")
        sys.stdout.flush()

    def show_with(self, result: Result, key: str, rest: Callable[[], None]) -> None:
        """Print one JSON document, with that of the rest of the command in it."""
        data = result.data()
        if not isinstance(data, dict):
            raise TypeError("only what has keys can hold what follows")
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                rest()
        finally:
            self._print({**data, key: json.loads(printed.getvalue() or "null")})

    @staticmethod
    def _print(data: object, longest_indented: int | None = None) -> None:
        text = json.dumps(data, indent=2, default=_plain)
        if longest_indented is not None and len(compact := json.dumps(data, default=_plain)) >= longest_indented:
            text = compact
        sys.stdout.write(f"{text}\n")


class CsvOutput(Output):
    """For spreadsheets."""

    def show(self, result: Result) -> None:
        """Print rows, in which a spreadsheet finds no formula."""
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows(["" if it is None else for_spreadsheet(it) for it in row] for row in result.rows())


class ParquetOutput(Output):
    """For other programs: a file, as a terminal can't show it."""

    takes_arrow = True

    def require_place(self, to: Path | None) -> None:
        """Refuse standard output as well."""
        if to is None:
            raise UsageError("parquet is not for a terminal", "name a file: --to FILE")
        super().require_place(to)

    def show(self, result: Result) -> None:
        """Refuse: it goes into a file."""
        del result
        self.require_place(None)

    def write(self, result: Result, to: Path | None) -> None:
        """Put it into a file, whole or not at all."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.require_place(to)
        if to is None:
            return
        try:
            with draft_of(to) as draft:
                pq.write_table(result.arrow(), draft, compression="zstd")
        except pa.ArrowException as error:
            raise UsageError(f"{to} can't be written: {first_line(error)}") from error


class HtmlOutput(Output):
    """For browsers."""

    def show(self, result: Result) -> None:
        """Print a page."""
        _write(result.html())


class SvgOutput(Output):
    """For documents: the picture alone."""

    def show(self, result: Result) -> None:
        """Print a picture."""
        _write(result.svg())


class MarkdownOutput(Output):
    """For a pull request."""

    def show(self, result: Result) -> None:
        """Print Markdown."""
        _write(f"{result.markdown()}\n")


class MermaidOutput(Output):
    """For Markdown that draws."""

    def show(self, result: Result) -> None:
        """Print a chart."""
        _write(f"{result.mermaid()}\n")


TEXT = TextOutput("text")
TABLE = TextOutput("table")
JSON = JsonOutput("json")
CSV = CsvOutput("csv")
PARQUET = ParquetOutput("parquet")
HTML = HtmlOutput("html")
MARKDOWN = MarkdownOutput("markdown")
MERMAID = MermaidOutput("mermaid")
SVG = SvgOutput("svg")


def output_option(*outputs: Output, help: str, to: bool = False, former: str | None = None) -> Any:  # noqa: A002 - as Typer has it
    """Return the option by which a user chooses one of the outputs of a command.

    Args:
        outputs: Those that the command offers.
        help: What each is for.
        to: Whether the command has `--to` as well, which is what one means who names a file here.
        former: What `--output` was called; such an option is accepted, and not shown.
    """
    known = {it.name: it for it in outputs}
    hint = "; a file is named by --to" if to else ""

    def chosen(value: object) -> Output:
        found = value if isinstance(value, Output) else known.get(str(value).lower())
        if found is None:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(map(repr, known))}{hint}")
        return found

    return typer.Option(
        former or "--output",
        hidden=former is not None,
        parser=chosen,
        metavar=f"<{'|'.join(known)}>",
        help=f"The format; {help}",
        autocompletion=lambda incomplete: [name for name in known if name.startswith(incomplete)],
    )


FileOption = Annotated[
    Path | None, typer.Option("--to", metavar="FILE", help="A file; the answer goes there, to the terminal if omitted.")
]
OutputOption = Annotated[Output, output_option(TEXT, JSON, help="`text` for people, `json` for scripts.")]


def _write(text: str) -> None:
    from dataflow.cli.console import write

    write(text)


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
