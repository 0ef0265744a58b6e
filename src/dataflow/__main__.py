"""The `dataflow` command, by its script or as `python -m dataflow`."""

from typing import NoReturn

from dataflow.python.ahead import go_ahead


def main() -> NoReturn:
    """Run the command line, in the environment that a run had before, if it had one."""
    go_ahead()
    from dataflow.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
