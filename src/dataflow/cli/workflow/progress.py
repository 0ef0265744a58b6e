"""Progress while a workflow runs: a live line per running step on a terminal, plain lines off it.

The days of a foreach are a bar on a terminal, and a line each off it; their steps are not told one by one.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dataflow.cli.console import err
from dataflow.cli.workflow.days import MARKS, Days, foreach_of
from dataflow.wording import seconds_text
from dataflow.workflow.resolved import ForeachStep

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from dataflow.runner.results import Status
    from dataflow.workflow.resolved import Workflow

_WIDTH = 28


class LiveProgress:
    """Shows finished steps as lines, and running ones below with their time."""

    def __init__(self, root: Workflow) -> None:
        self._root = root
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._in_parts: set[str] = set()
        self._days: dict[str, Days] = {}
        self._day_of = foreach_of(root)
        self._stopped_at: dict[str, str] = {}
        self._lock = threading.Lock()

    def follow(self, root: Workflow) -> None:
        """Go on with the same workflow, whose days are known now."""
        self._root = root
        self._day_of = foreach_of(root)

    @contextlib.contextmanager
    def showing(self) -> Iterator[None]:
        """Show what runs, while it runs; a no-op off a terminal."""
        if not err().is_terminal:
            yield
            return
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.table import Column

        class DaysBar(BarColumn):
            def render(self, task: Any) -> Any:  # what has no end in sight has the spinner
                return "" if task.total is None else super().render(task)

        columns = (
            TextColumn(" "),
            SpinnerColumn(),
            DaysBar(bar_width=20),
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
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
        if (found := self._foreach(run, step)) is not None:
            with self._lock:
                key = f"{run.run_id}/{found.id}"
                self._days.setdefault(key, Days(len(found.dates), found.unit)).start(step)
                self._draw_bar(key)
            return
        self._show(f"{run.run_id}/{step}", self._label(run, step))
        if "." in step:
            with self._lock:
                self._in_parts.add(f"{run.run_id}/{step.rpartition('.')[0]}")

    def finished(self, run: Workflow, step: str, status: Status, seconds: float, detail: str) -> None:
        """Print how a step ended, unless it succeeded and its parts were printed, or it is told with its day."""
        key = f"{run.run_id}/{step}"
        self._hide(key)
        if (found := self._foreach(run, step)) is not None:
            self._finished_day(run, found, step, status, seconds, detail)
        elif (day := self._day(run)) is not None or "/" in step:
            if status == "failed":
                self._note_failure(day, step)
        elif not (status == "succeeded" and key in self._in_parts):
            self._print_end(self._label(run, step), status, seconds, detail)

    def _finished_day(
        self, run: Workflow, foreach: ForeachStep, step: str, status: Status, seconds: float, detail: str
    ) -> None:
        """Print how a day ended; on a terminal the bar counts those that succeeded."""
        day = step.removeprefix(f"{foreach.id}/")
        with self._lock:
            key = f"{run.run_id}/{foreach.id}"
            self._days[key].end(step, status)
            self._draw_bar(key)
        if self._progress is None or status != "succeeded":
            at = self._stopped_at.pop(day, None)
            self._print_end(day, status, seconds, detail or (f"at {at}" if at else ""))

    def _note_failure(self, day: str | None, step: str) -> None:
        """Keep where a day failed, for its line; a part of a step says more than the step."""
        if day is None:  # a job of the foreach itself, `each_day/2026-01-31.write`; an item may have dots of its own
            day, _, step = step.partition("/")[2].rpartition(".")
        if not self._stopped_at.get(day, "").startswith(f"{step}."):
            self._stopped_at[day] = step

    def _draw_bar(self, key: str) -> None:
        """Show how far the days are; called with the lock held."""
        if self._progress is None:
            return
        days = self._days[key]
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task(days.text, total=days.total)
        self._progress.update(self._tasks[key], completed=days.done, description=days.text)
        if days.done == days.total:
            self._progress.remove_task(self._tasks.pop(key))

    def _print_end(self, label: str, status: Status, seconds: float, detail: str) -> None:
        from rich.markup import escape

        took = seconds_text(seconds).rjust(8)
        err().print(
            f"  {MARKS[status]} {escape(label.ljust(_WIDTH))} [cyan]{took}[/]  {escape(detail)}".rstrip(), markup=True
        )

    @staticmethod
    def _foreach(run: Workflow, step: str) -> ForeachStep | None:
        """Return the foreach of which a step is one day's turn, or None."""
        id_, of_a_day, day = step.partition("/")
        if not of_a_day:
            return None
        found = (it for it in run.steps if isinstance(it, ForeachStep) and it.id == id_)
        return next((it for it in found if day in it.dates), None)

    def _day(self, run: Workflow) -> str | None:
        """Return the day whose turn in a foreach a run is a part of; attempts and inner runs have longer ids."""
        id_ = run.run_id
        while id_ != self._root.run_id and id_:
            if id_ in self._day_of:
                return self._day_of[id_]
            id_ = id_.rpartition("_")[0]
        return None

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
