"""Where `dataflow` and `python -m dataflow` begin: a stop while Python still imports is told as any other."""

from __future__ import annotations

import atexit
import os
import signal
from typing import NoReturn

from dataflow.build.python.fast_start import go_ahead

_STOPPED = 130  # as in `dataflow.cli.streams`, which takes its time to import


def main() -> NoReturn:
    """Run the command line, in the environment that a run had before, if it had one; and exit."""
    listens = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else whoever started us wants it ignored
    if listens:
        signal.signal(signal.SIGINT, _stopped)
    go_ahead()
    from dataflow.cli.main import main as run

    if listens:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run()
    except SystemExit as ended:
        if ended.code == _STOPPED:
            # Once a KeyboardInterrupt went through an exec() of text, as dataclasses have it, `python -m` ends by
            # the signal, whatever the code (run_eval_code_obj in CPython's pythonrun.c). All is tidied up by now.
            atexit._run_exitfuncs()
            os._exit(_STOPPED)
        raise


def _stopped(*_: object) -> None:
    os.write(2, b"stopped: nothing half-written is visible\n")
    os._exit(_STOPPED)


if __name__ == "__main__":
    main()
