"""Progress while a workflow runs: a live line per running step on a terminal, plain lines off it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dataflow.cli.console import err

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from dataflow.runner.results import Status
    from dataflow.workflow.resolved import Workflow

_MARKS = {
    "succeeded": "[green]✓[/]",
    "failed": "[red]✗[/]",
    "warned": "[yellow]![/]",
    "cancelled": "[yellow]■[/]",
    "skipped": "[dim]-[/]",
}
_WIDTH = 28


class LiveProgress:
    """Shows finished steps as lines, and running ones below with their time."""

    def __init__(self, root: Workflow) -> None:
        self._root = root
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._in_parts: set[str] = set()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def showing(self) -> Iterator[None]:
        """Show what runs, while it runs; a no-op off a terminal."""
        if not err().is_terminal:
            yield
            return
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn(" "),
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=err(), transient=True) as progress:
            self._progress = progress
            try:
                yield
            finally:
                self._progress = None

    @contextlib.contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show a text for as long as a block of code takes."""
        self._show(text, text)
        try:
            yield
        finally:
            self._hide(text)

    def say(self, text: str) -> None:
        """Print a line that is not about one run."""
        err().print(f"    {text}", style="dim")

    def started(self, run: Workflow, step: str) -> None:
        """Show a step among the running ones."""
        self._show(f"{run.run_id}/{step}", self._label(run, step))
        if "." in step:
            with self._lock:
                self._in_parts.add(f"{run.run_id}/{step.rpartition('.')[0]}")

    def finished(self, run: Workflow, step: str, status: Status, seconds: float, detail: str) -> None:
        """Print how a step ended, unless it succeeded and its parts were printed."""
        key = f"{run.run_id}/{step}"
        self._hide(key)
        if status == "succeeded" and key in self._in_parts:
            return
        from rich.markup import escape

        label = self._label(run, step).ljust(_WIDTH)
        err().print(
            f"  {_MARKS[status]} {escape(label)} [cyan]{seconds:6.1f} s[/]  {escape(detail)}".rstrip(), markup=True
        )

    def note(self, run: Workflow, text: str) -> None:
        """Print a line."""
        prefix = self._label(run, "")
        err().print(f"    {prefix}{text}", style="dim")

    def printed(self, run: Workflow, step: str, line: str) -> None:
        """Print a line of a step's own program, with the step before it, as several may run at once."""
        err().print(f"    {self._label(run, step)} | {line}")

    def _label(self, run: Workflow, step: str) -> str:
        """Name a step; in a contained run with its date before it."""
        if run.run_id == self._root.run_id:
            return step
        return f"{run.params.get('EXECUTION_DATE', run.id)} {step}"

    def _show(self, key: str, text: str) -> None:
        if self._progress is not None:
            with self._lock:
                self._tasks[key] = self._progress.add_task(text, total=None)

    def _hide(self, key: str) -> None:
        with self._lock:
            task = self._tasks.pop(key, None)
        if self._progress is not None and task is not None:
            self._progress.remove_task(task)
