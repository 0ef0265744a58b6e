"""The `dataflow` command: what it runs, what it says of a failure, and what it exits with."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import typer

import dataflow
from dataflow.cli.completion import begin, is_asked
from dataflow.cli.help import Commands
from dataflow.cli.lazy_group import LazyGroup
from dataflow.cli.streams import STOPPED, flushed, guarded
from dataflow.errors import DataflowError, UsageError
from dataflow.foreign import for_terminal
from dataflow.git import REPOSITORY_VARIABLES
from dataflow.provided_files import refresh
from dataflow.system_errors import system_error


class _Commands(LazyGroup):
    package = "dataflow.cli"
    panels: ClassVar[dict[str, dict[str, str]]] = {
        "Every day": {
            "sample": "Generate a workflow package, update it, make demo data.",
            "workflow": "Validate, plan and run workflows; look at past runs.",
            "query": "Run a SQL query and print its rows.",
            "ui": "Look at tables, runs and lineage in a browser.",
            "table": "Put your own files into tables: CSV, JSON, Parquet.",
            "mock": "Make mocks of real tables for tests, check them, show them.",
        },
        "As a team": {
            "project": "Test and deploy all that a repository holds, by branch.",
            "migration": "See who depends on a table; change it and surprise nobody.",
        },
        "Set up": {
            "doctor": "Check that all is there, with the command for what is not.",
            "env": "Show where things are, and how other tools reach them.",
            "glossary": "Say what the words of Dataflow mean.",
        },
    }


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"dataflow {dataflow.__version__}")
        raise typer.Exit


def _verbose(context: typer.Context, asked: bool) -> None:
    if asked and context.obj is not None:  # there is none where somebody only parses
        context.obj["verbose"] = True


def _completion(context: typer.Context, parameter: typer.CallbackParam, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        from dataflow.cli import completion

        completion.run(context, parameter)


def _image(context: typer.Context, image: str | None) -> str | None:
    if context.obj is not None:
        context.obj["image"] = image
    return image


def _in_docker(context: typer.Context, asked: bool) -> None:
    if context.resilient_parsing or context.obj is None:
        return
    image = context.obj.get("image")
    if image is not None and not asked:
        raise UsageError("--docker-image is of no use without --run-in-docker")
    if asked:
        from dataflow import container

        context.obj["container"] = container.command(context.obj["arguments"], image)
        raise typer.Exit


def _eager(flag: str, callback: Callable[..., None], text: str, *flags: str) -> Any:
    """Return a flag that is looked at before anything else."""
    return typer.Option(False, *flags, flag, callback=callback, is_eager=True, expose_value=False, help=text)


app = Commands(cls=_Commands)


@app.callback()
def _root(
    version: bool = _eager("--version", _version, "Print the version."),
    install_completion: bool = _eager("--install-completion", _completion, "Let this shell complete what you type."),
    show_completion: bool = _eager("--show-completion", _completion, "Print what --install-completion installs."),
    verbose: bool = _eager("--verbose", _verbose, "Show the traceback of a failure; goes anywhere.", "-v"),
    docker_image: str | None = typer.Option(
        None,
        "--docker-image",
        metavar="URL",
        callback=_image,
        is_eager=True,
        expose_value=False,
        help="The container's image; the one that Dataflow's Dockerfile makes if omitted.",
    ),
    run_in_docker: bool = typer.Option(
        False, "--run-in-docker", callback=_in_docker, expose_value=False, help="Run the same command in a container."
    ),
) -> None:
    """A paved path for batch pipelines on Spark and Iceberg.

    Examples:
        dataflow sample workflow spark-sql ./my-pipeline --run
        dataflow query "SELECT * FROM dataflow_demo.playback LIMIT 5"
        dataflow workflow run --help
        dataflow --run-in-docker workflow run main.sch.yaml

    Exit codes:
        0: success
        1: a failure: of a run, a test, a check, or something that this needs
        2: a mistake in what was asked: an option, a name, a definition
        130: stopped, by Ctrl-C or a scheduler; what is half-written is never visible
    """


_Commands.list_in(app)


def main() -> NoReturn:
    """Run the command line, and exit: 0 is success, 1 a failure, 2 a mistake in what was asked, 130 a stop."""
    arguments = sys.argv[1:]
    for name in REPOSITORY_VARIABLES:  # of a hook: neither we nor what we start are to work on its repository
        os.environ.pop(name, None)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler stops a command as Ctrl-C does
    asked: dict[str, Any] = {"verbose": False, "arguments": arguments}
    with guarded():
        if is_asked():
            sys.exit(flushed(_run(arguments, asked)))
        places = [Path(it) for it in ("", *arguments)]  # the package that it is called in, and those that it is given
        refresh(places)  # for tests that it runs
        code = _run(arguments, asked)
        refresh(places)  # of what it made
        code = flushed(code)
        if "container" not in asked:
            sys.exit(code)
    from dataflow import container

    container.become(asked["container"])


def _run(arguments: list[str], asked: dict[str, Any]) -> int:
    """Run a command, print what went wrong, and return the exit code."""
    try:
        if is_asked():
            begin()
        typer.main.get_command(app)(arguments, prog_name="dataflow", obj=asked)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
        asked["ended by"] = ended
    except KeyboardInterrupt as stop:
        code = STOPPED
        # With what its frames hold, until the process ends: a stop may have come while gRPC held a lock, and what
        # frees its channels and calls would wait for that for ever.
        asked["ended by"] = stop
    except Exception as error:
        return _print_failure(error, verbose=asked["verbose"])
    if code == STOPPED:
        sys.stderr.write("stopped: nothing half-written is visible\n")
    return code


def _print_failure(error: Exception, *, verbose: bool) -> int:
    """Print what went wrong, with its traceback if asked: here, where the streams still mask secrets."""
    failure = error if isinstance(error, DataflowError) else system_error(error)
    if verbose:
        import traceback

        traceback.print_exception(error)
        return 1 if failure is None else failure.exit_code
    if failure is None:
        sys.stderr.write(for_terminal(f"error: {_named(error)}\n  → this is a bug; run it with -v for a traceback\n"))
        return 1
    from dataflow.cli.console import print_error

    print_error(failure)
    return failure.exit_code


def _named(error: Exception) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # py4j asks the JVM what to say, and that may be gone
        return type(error).__name__
