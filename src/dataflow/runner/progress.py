"""The progress of a run, as it is reported while the run goes on."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dataflow.runner.results import Status
    from dataflow.workflow.resolved import Workflow


class RunProgress(Protocol):
    """Receives the progress of a run: the terminal's live lines, or plain ones. Called from several threads."""

    def say(self, text: str) -> None:
        """Show a line that belongs to no single run, such as a download."""

    def follow(self, root: Workflow) -> None:
        """Go on with another workflow: the same one, whose days are known now."""

    def waiting(self, text: str) -> AbstractContextManager[None]:
        """Show a text for as long as a block of code takes, such as `starting Spark`."""

    def started(self, run: Workflow, step: str) -> None:
        """A step, or a named part of one, started."""

    def finished(self, run: Workflow, step: str, status: Status, seconds: float, detail: str) -> None:
        """A step, or a named part of one, ended."""

    def note(self, run: Workflow, text: str) -> None:
        """A run reports something that its users should know."""

    def printed(self, run: Workflow, step: str, line: str) -> None:
        """A step's own program printed a line."""


class NoProgress:
    """Shows nothing."""

    def say(self, text: str) -> None:
        """Show nothing."""

    def follow(self, root: Workflow) -> None:
        """Show nothing."""

    def waiting(self, text: str) -> AbstractContextManager[None]:  # noqa: ARG002  # as the protocol has it
        """Show nothing."""
        return contextlib.nullcontext()

    def started(self, run: Workflow, step: str) -> None:
        """Show nothing."""

    def finished(self, run: Workflow, step: str, status: Status, seconds: float, detail: str) -> None:
        """Show nothing."""

    def note(self, run: Workflow, text: str) -> None:
        """Show nothing."""

    def printed(self, run: Workflow, step: str, line: str) -> None:
        """Show nothing."""
