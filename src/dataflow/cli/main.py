"""The `dataflow` command: what it runs, what it says of a failure, and what it exits with."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import ClassVar, NoReturn

import typer

import dataflow
from dataflow.cli.lazy_group import LazyGroup
from dataflow.cli.streams import STOPPED, flushed, guarded
from dataflow.errors import DataflowError
from dataflow.foreign import for_terminal
from dataflow.git import REPOSITORY_VARIABLES
from dataflow.provided_files import refresh
from dataflow.system_errors import system_error


class _Commands(LazyGroup):
    package = "dataflow.cli"
    helps: ClassVar[dict[str, str]] = {
        "sample": "Generate a workflow package, update it, make demo data.",
        "workflow": "Validate, plan and run workflows; look at past runs.",
        "project": "Test and deploy all that a repository holds, branch by branch.",
        "table": "Put your own files into tables: CSV, JSON, Parquet.",
        "mock": "Make mocks of real tables for tests, check them, look at them.",
        "migration": "See who depends on a table, and change it without surprising them.",
        "query": "Look at your data: run a SQL query and print its rows.",
        "env": "Show where things are, and how other tools reach them.",
        "doctor": "Check that all is there, and how to mend what is not.",
    }


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"dataflow {dataflow.__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # importing Rich for this one page would double its time
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start here:  dataflow sample workflow spark-sql ./my-pipeline --run",
)


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
    verbose: bool = typer.Option(False, "--verbose", help="Show tracebacks of failures."),
) -> None:
    """A paved path for batch pipelines on Spark and Iceberg."""
    del version, verbose  # both are taken care of before a command runs


_Commands.list_in(app)


def main() -> NoReturn:
    """Run the command line, and exit: 0 is success, 1 a failure, 2 a mistake in what was asked, 130 a stop."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--verbose"]  # wherever it stands
    verbose = len(arguments) < len(sys.argv) - 1
    for name in REPOSITORY_VARIABLES:  # of a hook: neither we nor what we start are to work on its repository
        os.environ.pop(name, None)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler stops a command as Ctrl-C does
    with guarded():
        places = [Path(it) for it in ("", *arguments)]  # the package that it is called in, and those that it is given
        refresh(places)  # for tests that it runs
        code = _run(arguments, verbose=verbose)
        refresh(places)  # of what it made
        sys.exit(flushed(code))


def _run(arguments: list[str], *, verbose: bool) -> int:
    """Run a command, print what went wrong, and return the exit code."""
    try:
        typer.main.get_command(app)(arguments, prog_name="dataflow")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except KeyboardInterrupt:
        code = STOPPED
    except Exception as error:
        return _print_failure(error, verbose=verbose)
    if code == STOPPED:
        sys.stderr.write("stopped: nothing half-written is visible\n")
    return code


def _print_failure(error: Exception, *, verbose: bool) -> int:
    """Print what went wrong, with its traceback if asked: here, where the streams still mask secrets."""
    if verbose:
        import traceback

        traceback.print_exception(error)
        return 1
    failure = error if isinstance(error, DataflowError) else system_error(error)
    if failure is None:
        sys.stderr.write(
            for_terminal(f"error: {_named(error)}\n  → this is a bug; run with --verbose for a traceback\n")
        )
        return 1
    from dataflow.cli.console import print_error

    print_error(failure)
    return failure.exit_code


def _named(error: Exception) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # py4j asks the JVM what to say, and that may be gone
        return type(error).__name__
