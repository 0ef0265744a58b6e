"""The beginning of a run: it is recorded, its heart beats, and it waits until nobody else works on the same."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.runner.cancellation import CancelScope
from dataflow.runner.run_recorder import RunRecorder
from dataflow.runner.turn import LiveRun, Turn
from dataflow.workflow.periods import CLOCK

if TYPE_CHECKING:
    from pathlib import Path

    from dataflow.runner.options import RunOptions
    from dataflow.state.run_records import RunRecords
    from dataflow.workflow.resolved import Workflow


@dataclass(frozen=True)
class BegunRun:
    """An outermost run that was begun: recorded and alive, with or without its turn.

    Attributes:
        workflow: What runs.
        recorder: Records it.
        live: Its heartbeat, and what it holds.
    """

    workflow: Workflow
    recorder: RunRecorder
    live: LiveRun

    def is_free(self) -> bool:
        """Say whether it may go on at once; then nobody else may work on the same."""
        with self.recorder.record_failure():
            return self.live.is_free(self.workflow)

    def wait(self, say: Callable[[str], None]) -> None:
        """Wait until nobody else works on the same.

        Args:
            say: Receives what it waits for.

        Raises:
            DataflowError: It was cancelled meanwhile, or the definition refuses to run beside another.
            KeyboardInterrupt: The user stopped it.
        """
        with self.recorder.record_failure(), self.recorder.waiting() as waits:

            def told(text: str) -> None:
                waits()
                say(text)

            self.live.begin(Turn(self.workflow, CancelScope(None, self.workflow.run_id), told))


@contextlib.contextmanager
def begun(records: RunRecords, workflow: Workflow, log: Path, options: RunOptions) -> Iterator[BegunRun]:
    """Record a run and what was asked of it, and let its heart beat for as long as a block."""
    recorder = RunRecorder(records, workflow, log, asked=asked_of(workflow, options))
    with recorder.record_failure(), LiveRun(records.database, workflow) as live:
        yield BegunRun(workflow, recorder, live)


def asked_of(workflow: Workflow, options: RunOptions) -> dict[str, Any]:
    """Return what was asked of a run, by which it can be asked for again."""
    return {
        "params": {name: workflow.params[name] for name, origin in workflow.origins.items() if origin == "--param"},
        "date": workflow.params["EXECUTION_DATE"] if workflow.origins.get("EXECUTION_DATE") == "--date" else None,
        "yesterday": workflow.builtins.get("yesterday"),
        "clock": {name: value for name, value in workflow.builtins.items() if name in CLOCK},
        "job": options.only,
        "days": list(options.days),
        "parallel": options.parallel,
        "retry_of": options.resume.run_id if options.resume is not None and options.part is None else None,
        **({"part_of": options.part.run, "phase": options.part.phase} if options.part is not None else {}),
    }
