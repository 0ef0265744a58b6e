"""The watcher: takes in saved files and test results, and decides what runs next."""

from __future__ import annotations

import contextlib
import math
import os
import queue
import shlex
import signal
import threading
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

from dataflow.build.sbt import sbt_of_people
from dataflow.errors import DataflowError, display_path
from dataflow.files import sha256_of
from dataflow.spark.session import Engine
from dataflow.testing.session import warm_engine
from dataflow.testing.suites.model import Suite
from dataflow.testing.suites.runners import python_of
from dataflow.testing.watch.affected import Affected, Selection, files_below, is_generated, tests_of
from dataflow.testing.watch.protocol import Event
from dataflow.testing.watch.rerun import Rerun, Result, WatchReporter, covers, merged
from dataflow.testing.watch.worker_process import WorkerProcess

_TICK = 0.5
_END = 5.0
_RECENT = 30.0
_PYTEST_ENDS = {0, 1, 5}


class Watch:
    """Runs tests whenever a file is saved, until it is interrupted."""

    def __init__(
        self,
        suites: Sequence[Suite],
        tops: Collection[Path],
        log: Path,
        reporter: WatchReporter,
        *,
        engine: str = "spark",
        sail: str = "",
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            suites: What to run.
            tops: Folders to watch, resolved.
            log: File for Spark's log.
            reporter: Shows what happens.
            engine: What runs SQL.
            sail: Where Sail listens; empty where there is none.
        """
        self._suites, self._tops, self._reporter, self._log = suites, tops, reporter, log
        self._affected = Affected(suites)
        self._files = {path for top in tops for path in files_below(top)}
        self._actions: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._worker = WorkerProcess(log, lambda event: self._actions.put(partial(self._on_event, event)))
        self._worker.engine, self._worker.sail = engine, sail
        self._engine: Engine | None = None
        self._spark = engine != "sail" and any(map(_needs_spark, suites))
        self._rerun = Rerun(time.time())
        self._runs_all = False
        self._is_over = False
        self._queue: list[Selection] = []
        self._running: Selection | None = None
        self._failed: dict[tuple[Path, str], Result] = {}
        self._contents: dict[Path, str] = {}
        self._run_times = (0.0, 0.0)  # when tests ran last
        self._jvm_restarts = 0

    def press(self, key: str) -> None:
        """Do what a key is for; any thread may call it."""
        self._actions.put(partial(self._on_key, key.lower()))

    def run(self) -> None:
        """Watch until `q` is pressed, or a KeyboardInterrupt or SystemExit; no process is left behind."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _exit)
        stop = threading.Event()
        try:
            self._start_jvm()
            self._worker.start()
            for suite in self._suites:
                with contextlib.suppress(DataflowError):  # reported when its turn comes
                    python_of(suite, self._reporter.note)  # now: a lock file that is written here is not a save
            threading.Thread(target=self._listen, args=(stop,), daemon=True, name="watches files").start()
            self._reporter.watching(self._suites)
            for suite in self._suites:
                if suite.kind == "sbt":
                    self._reporter.note(sbt_advice(suite))
            self._start_rerun(self._everything(), [], time.time(), "start")
            self._prepare()
            while not self._is_over:
                self._step()
        finally:
            stop.set()
            self._worker.end()
            if self._engine is not None:
                self._engine.close(within=_END)

    def _step(self) -> None:
        with contextlib.suppress(queue.Empty):
            self._actions.get(timeout=_TICK)()
        death = self._engine.exit_error if self._engine is not None else None
        if death is not None:
            self._reporter.note(f"{death.message}; starting another one")
            self._restart_jvm()
        if self._queue and self._running is None and self._worker.ready:
            try:
                python = self._python()
            except DataflowError as error:
                self._report_unusable_python(self._queue.pop(0), error)
                return
            if python != self._worker.python:
                self._prepare()
                return
            self._running = self._queue.pop(0)
            self._clear_failures(self._running)
            self._rerun.forget_sail(self._running.suite)
            self._run_times = (time.time(), math.inf)
            self._worker.run(self._running)

    # What is to run

    def _on_key(self, key: str) -> None:
        match key:
            case "r":
                self._start_rerun(self._everything(), [], time.time(), "key")
            case "a":
                self._runs_all = not self._runs_all
                self._reporter.mode(all_tests=self._runs_all)
            case "q":
                self._is_over = True

    def _everything(self) -> list[Selection]:
        return [Selection(suite, (), "all tests") for suite in self._suites]

    def _on_save(self, paths: set[Path], seen_at: float) -> None:
        for folder in [
            path for path in paths if path.is_dir()
        ]:  # new ones: their contents are not reported by themselves
            paths = (paths - {folder}) | set(files_below(folder)) - self._files
        gone = {path for path in paths if not path.exists()}
        saved = sorted(paths - gone | (gone & self._files))  # what came and went was an editor's, or a test's
        self._files = (self._files | paths) - gone
        selections = {path: self._affected.by(path) for path in saved}
        selections = {
            path: its
            for path, its in selections.items()
            if (its or self._runs_all) and not self._was_written_by_tests(path, its, seen_at)
        }
        if selections:
            since = min(_moment(path, seen_at) for path in selections)
            affected = self._everything() if self._runs_all else [it for its in selections.values() for it in its]
            self._start_rerun(affected, list(selections), since, "save")

    def _was_written_by_tests(self, path: Path, selections: Sequence[Selection], seen_at: float) -> bool:
        """Say whether the tests themselves wrote a file: to run them again would have no end.

        What was written while they ran, and named by none or written as it was before, is taken for theirs.
        """
        content, before = _digest(path), self._contents.get(path)
        self._contents[path] = content
        began, ended = self._run_times
        return began <= _moment(path, seen_at) <= ended and (content == before or not any(it.sure for it in selections))

    def _start_rerun(self, selections: Sequence[Selection], saved: list[Path], since: float, cause: str) -> None:
        """Start a rerun; what runs already is ended, and its tests are run with the new ones."""
        unfinished = [*([self._running] if self._running else []), *self._queue]
        again = bool(unfinished)
        first = min(since, self._rerun.first) if again else since
        if again:
            saved = sorted({*self._rerun.saved, *saved})
        if self._running is not None:
            self._running = None
            self._worker.stop()
        self._queue = merged([*unfinished, *selections])
        self._jvm_restarts = 0
        self._rerun = Rerun(since, first, cause, saved, list(self._queue))
        self._reporter.rerun(self._rerun, again=again)

    # Events of the worker

    def _on_event(self, event: Event) -> None:
        if event["event"] == "exited":
            raise RuntimeError(f"the test worker server exited: {event['text']}")
        if event["event"] == "restarted" and event["python"] == self._worker.python:
            self._prepare()
        if not self._worker.is_current(event):
            return
        suite = self._running.suite if self._running else None
        match event["event"]:
            case "jvm_lost":
                self._reporter.note(f"Spark's JVM is unusable: {event['text']}; starting another one")
                self._restart_jvm()
            case "test" | "suite" if suite:
                text = event["text"] or event.get("reason") or ""
                self._add_result(Result(suite, event.get("id", ""), event["outcome"], event["seconds"], text))
            case "sail_test" | "sail_done" | "compared" if suite:
                self._on_sail(event, suite)
            case "output":
                self._reporter.note(event["text"])
            case "ended":
                if self._running is not None:
                    self._on_run_end(self._running, event)
                self._prepare()

    def _on_sail(self, event: Event, suite: Suite) -> None:
        """Take what Sail says of tests, and what Spark says of that."""
        rerun = self._rerun
        match event["event"]:
            case "sail_test":
                rerun.by_sail.append(Result(suite, event["id"], event["outcome"], event["seconds"], event["text"]))
            case "sail_done":
                mine = [it for it in rerun.by_sail if it.suite is suite]
                self._reporter.by_sail(mine, time.time() - rerun.since, rerun.cause, event["left"])
            case "compared" if event["difference"]:
                rerun.differences[suite.folder, event["id"]] = event["difference"]
                self._reporter.difference(event["id"], event["difference"])

    def _add_result(self, result: Result) -> None:
        self._rerun.results.append(result)
        if result.outcome == "failed":
            self._failed[result.suite.folder, result.id] = result
        self._reporter.result(result, self._rerun)

    def _on_run_end(self, selection: Selection, event: Event) -> None:
        if (problem := _problem(selection, event, self._rerun)) and not self._jvm_died():
            self._add_result(Result(selection.suite, "", "failed", 0.0, problem))
        elif problem:
            return  # the next step starts another JVM, and all of it again
        self._running = None
        self._run_times = (self._run_times[0], time.time())
        self._finish()

    def _report_unusable_python(self, selection: Selection, error: DataflowError) -> None:
        """Report tests that can't run because their Python is not available."""
        self._clear_failures(selection)
        text = "\n".join(filter(None, [error.message, error.hint and f"→ {error.hint}"]))
        self._add_result(Result(selection.suite, "", "failed", 0.0, text))
        self._finish()

    def _finish(self) -> None:
        """Show the summary, once nothing is left to run."""
        if not self._queue:
            ours = {(it.suite.folder, it.id) for it in self._rerun.results}
            still = [it for key, it in self._failed.items() if key not in ours]
            self._reporter.summary(self._rerun, time.time() - self._rerun.since, still)

    def _clear_failures(self, selection: Selection) -> None:
        """Forget the failures that the coming run reports again."""
        for folder, name in list(self._failed):
            if folder == selection.suite.folder and covers(selection, name):
                del self._failed[folder, name]

    # The JVM

    def _jvm_died(self) -> bool:
        return self._engine is not None and self._engine.exit_error is not None

    def _start_jvm(self) -> None:
        if self._spark:
            self._engine = warm_engine(self._log, self._reporter.note)
            self._engine.begin()

    def _restart_jvm(self) -> None:
        """Start another JVM; what ran when the one before died runs again, unless that kills every JVM."""
        if self._engine is not None:
            self._engine.close(within=_END)
        self._jvm_restarts += 1
        if self._running is not None:
            if self._jvm_restarts > 1:
                self._add_result(
                    Result(self._running.suite, "", "failed", 0.0, "Spark's JVM died again during these tests")
                )
            else:
                self._queue.insert(0, self._running)
            self._running = None
        self._start_jvm()
        self._worker.discard()
        self._prepare()

    def _prepare(self) -> None:
        gateway = self._engine.connection() if self._engine is not None else None
        python = self._worker.python
        with contextlib.suppress(DataflowError):  # reported when its turn comes
            python = self._python() if self._queue else python
        self._worker.prepare(gateway, self._rerun.saved, python)

    def _python(self) -> Path | None:
        """Return the Python that the next tests need."""
        return python_of(self._queue[0].suite, self._reporter.note)

    # Files

    def _listen(self, stop: threading.Event) -> None:
        import watchfiles

        changes = watchfiles.watch(
            *self._tops,
            watch_filter=lambda _, path: not self._is_generated(Path(path)),
            debounce=200,
            step=20,
            stop_event=stop,
            raise_interrupt=False,
        )
        for change in changes:
            self._actions.put(partial(self._on_save, {Path(path) for _, path in change}, time.time()))

    def _is_generated(self, path: Path) -> bool:
        return _is_printed_to(path) or any(path.is_relative_to(top) and is_generated(path, top) for top in self._tops)


def _problem(selection: Selection, event: Event, rerun: Rerun) -> str:
    """Return what went wrong with a run besides its tests; empty when nothing did."""
    reported = any(it.suite is selection.suite and it.outcome == "failed" for it in rerun.results)
    if event["finished"] and (event["code"] in _PYTEST_ENDS or reported):
        return ""
    output = "\n".join(event["output"])
    if event["finished"]:
        return output or f"pytest ended with {event['code']}"
    code = event["code"]
    ended = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    return "\n".join(filter(None, [f"the process of the tests ended in the midst of them, {ended}", output]))


def _needs_spark(suite: Suite) -> bool:
    """Say whether tests are likely to ask for Spark; those that do so unexpectedly start one of their own."""
    if suite.kind != "pytest":
        return False
    return any(
        file.suffix != ".py" or b"spark" in (text := file.read_bytes()) or b"dataflow" in text
        for file in tests_of(suite)
    )


def sbt_advice(suite: Suite) -> str:
    """Say which sbt runs a suite, and what is quicker while one edits nothing else."""
    program, command = sbt_of_people()
    folder = display_path(suite.folder)
    there = "" if folder == "." else f"cd {shlex.quote(folder)} && "
    return f"{program} starts anew for each rerun; quicker for Scala alone:  {there}{command} '~test'"


def _is_printed_to(path: Path) -> bool:
    """Say whether a file is where this process prints: it changes with each line that says that it has changed."""
    try:
        return any(os.path.samestat(path.stat(), os.fstat(stream)) for stream in (1, 2))
    except OSError:
        return False


def _moment(path: Path, seen_at: float) -> float:
    """Return when a file was saved: by the file system, where that is just now; an editor may set other times."""
    try:
        saved = path.stat().st_ctime
    except OSError:
        return seen_at
    return saved if seen_at - _RECENT < saved < seen_at else seen_at


def _digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError:
        return ""


def _exit(*_: object) -> None:
    raise SystemExit(130)  # as of every command that is stopped, by Ctrl-C or by a scheduler
