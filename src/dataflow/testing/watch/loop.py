"""The watcher: hears of saves and of how tests end, and decides what runs next."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

from dataflow.errors import DataflowError
from dataflow.spark.session import Engine
from dataflow.testing.session import warm_engine
from dataflow.testing.suites.discovery import Suite
from dataflow.testing.suites.runners import python_of
from dataflow.testing.watch.affected import Affected, Selection, is_generated, tests_of
from dataflow.testing.watch.protocol import Event
from dataflow.testing.watch.rerun import Rerun, Result, Screen, covers, merged
from dataflow.testing.watch.worker_process import Family

_TICK = 0.5
_END = 5.0
_RECENT = 5.0
_PYTEST_ENDS = {0, 1, 5}


class Watch:
    """Runs tests whenever a file is saved, until it is interrupted."""

    def __init__(self, suites: Sequence[Suite], tops: Collection[Path], log: Path, screen: Screen) -> None:
        """Prepare; nothing is started yet.

        Args:
            suites: What to run.
            tops: Folders to watch, resolved.
            log: Where Spark writes what it has to say.
            screen: Whom to tell.
        """
        self._suites, self._tops, self._screen, self._log = suites, tops, screen, log
        self._affected = Affected(suites)
        self._known = {path for top in tops for path in _files_below(top)}
        self._heard: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._family = Family(log, lambda event: self._heard.put(partial(self._told, event)))
        self._engine: Engine | None = None
        self._spark = any(map(_needs_spark, suites))
        self._rerun = Rerun(time.time())
        self._waiting: list[Selection] = []
        self._running: Selection | None = None
        self._failed: dict[tuple[Path, str], Result] = {}
        self._contents: dict[Path, bytes] = {}
        self._ran = (0.0, 0.0)  # when tests ran last
        self._deaths = 0
        self._born = False

    def run(self) -> None:
        """Watch. Ends by KeyboardInterrupt or SystemExit, and leaves no process behind."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _exit)
        stop = threading.Event()
        try:
            self._start_jvm()
            self._family.start()
            for suite in self._suites:
                with contextlib.suppress(DataflowError):  # told when its turn comes
                    python_of(suite, self._screen.note)  # now: a lock that is made is nobody's save
            threading.Thread(target=self._listen, args=(stop,), daemon=True, name="watches files").start()
            self._screen.watching(self._suites)
            if any(suite.kind == "sbt" for suite in self._suites):
                self._screen.note("sbt starts anew for each rerun, which takes it some seconds")
            self._want([Selection(suite, (), "all tests") for suite in self._suites], [], time.time())
            self._prepare()
            while True:
                self._step()
        finally:
            stop.set()
            self._family.end()
            if self._engine is not None:
                self._engine.close(within=_END)

    def _step(self) -> None:
        with contextlib.suppress(queue.Empty):
            self._heard.get(timeout=_TICK)()
        death = self._engine.exit_error if self._engine is not None else None
        if death is not None:
            self._screen.note(f"{death.message}. Another one is started.")
            self._renew_jvm()
        if self._waiting and self._running is None and self._family.ready:
            try:
                python = self._python()
            except DataflowError as error:
                self._refused(self._waiting.pop(0), error)
                return
            if python != self._family.python:
                self._prepare()
                return
            self._running = self._waiting.pop(0)
            self._forget(self._running)
            self._ran = (time.time(), math.inf)
            self._family.run(self._running)

    # What is to run

    def _saved(self, paths: set[Path], heard: float) -> None:
        for folder in [path for path in paths if path.is_dir()]:  # new ones: what is in them already is not told
            paths = (paths - {folder}) | set(_files_below(folder)) - self._known
        gone = {path for path in paths if not path.exists()}
        saved = sorted(paths - gone | (gone & self._known))  # what came and went was an editor's, or a test's
        self._known = (self._known | paths) - gone
        selections = {path: self._affected.by(path) for path in saved}
        selections = {path: its for path, its in selections.items() if its and not self._is_tests_own(path, its, heard)}
        if selections:
            since = min(_moment(path, heard) for path in selections)
            self._want([it for its in selections.values() for it in its], list(selections), since)

    def _is_tests_own(self, path: Path, selections: Sequence[Selection], heard: float) -> bool:
        """Say whether the tests themselves wrote a file: to run them again would have no end.

        What was written while they ran, and named by none or written as it was before, is taken for theirs.
        """
        content, before = _digest(path), self._contents.get(path)
        self._contents[path] = content
        began, ended = self._ran
        return began <= _moment(path, heard) <= ended and (content == before or not any(it.sure for it in selections))

    def _want(self, selections: Sequence[Selection], saved: list[Path], since: float) -> None:
        """Start a rerun; what runs already is ended, and its tests are run with the new ones."""
        unfinished = [*([self._running] if self._running else []), *self._waiting]
        again = bool(unfinished)
        if again:
            saved = sorted({*self._rerun.saved, *saved})
        if self._running is not None:
            self._running = None
            self._family.renew()
        self._waiting = merged([*unfinished, *selections])
        self._deaths = 0
        self._rerun = Rerun(since, saved, list(self._waiting))
        self._screen.rerun(self._rerun, again=again)

    # What is heard

    def _told(self, event: Event) -> None:
        if event["event"] == "gone":
            raise RuntimeError(f"the process that makes the others has ended: {event['text']}")
        if event["event"] == "born" and self._born:
            self._prepare()
        self._born |= event["event"] == "born"
        if not self._family.is_current(event):
            return
        suite = self._running.suite if self._running else None
        match event["event"]:
            case "lost":
                self._screen.note(f"Spark's JVM can't be used any more: {event['text']}. Another one is started.")
                self._renew_jvm()
            case "test" if suite:
                self._ended(Result(suite, event["id"], event["outcome"], event["seconds"], event["text"]))
            case "suite" if suite:
                text = event["text"] or event["reason"] or ""
                self._ended(Result(suite, "", event["outcome"], event["seconds"], text))
            case "said":
                self._screen.note(event["text"])
            case "ended":
                if self._running is not None:
                    self._conclude(self._running, event)
                self._prepare()

    def _ended(self, result: Result) -> None:
        self._rerun.results.append(result)
        if result.outcome == "failed":
            self._failed[result.suite.folder, result.id] = result
        self._screen.result(result)

    def _conclude(self, selection: Selection, event: Event) -> None:
        if (problem := _problem(selection, event, self._rerun)) and not self._jvm_died():
            self._ended(Result(selection.suite, "", "failed", 0.0, problem))
        elif problem:
            return  # the next step starts another JVM, and all of it again
        self._running = None
        self._ran = (self._ran[0], time.time())
        self._decide()

    def _refused(self, selection: Selection, error: DataflowError) -> None:
        """Tell of tests that can't run, as their Python can't be had."""
        self._forget(selection)
        text = "\n".join(filter(None, [error.message, error.hint and f"→ {error.hint}"]))
        self._ended(Result(selection.suite, "", "failed", 0.0, text))
        self._decide()

    def _decide(self) -> None:
        """Tell the verdict, once nothing is left to run."""
        if not self._waiting:
            ours = {(it.suite.folder, it.id) for it in self._rerun.results}
            still = [it for key, it in self._failed.items() if key not in ours]
            self._screen.verdict(self._rerun, time.time() - self._rerun.since, still)

    def _forget(self, selection: Selection) -> None:
        """Forget the failures that a run is going to tell of anew."""
        for folder, name in list(self._failed):
            if folder == selection.suite.folder and covers(selection, name):
                del self._failed[folder, name]

    # The JVM

    def _jvm_died(self) -> bool:
        return self._engine is not None and self._engine.exit_error is not None

    def _start_jvm(self) -> None:
        if self._spark:
            self._engine = warm_engine(self._log, self._screen.note)
            self._engine.begin()

    def _renew_jvm(self) -> None:
        """Start another JVM; what ran when the one before died runs again, unless that kills every JVM."""
        if self._engine is not None:
            self._engine.close(within=_END)
        self._deaths += 1
        if self._running is not None:
            if self._deaths > 1:
                self._ended(Result(self._running.suite, "", "failed", 0.0, "Spark's JVM died again during these tests"))
            else:
                self._waiting.insert(0, self._running)
            self._running = None
        self._start_jvm()
        self._family.forget()
        self._prepare()

    def _prepare(self) -> None:
        gateway = self._engine.connection() if self._engine is not None else None
        python = self._family.python
        with contextlib.suppress(DataflowError):  # told when its turn comes
            python = self._python() if self._waiting else python
        self._family.prepare(gateway, self._rerun.saved, python)

    def _python(self) -> Path | None:
        """Return the Python that the next tests need."""
        return python_of(self._waiting[0].suite, self._screen.note)

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
            self._heard.put(partial(self._saved, {Path(path) for _, path in change}, time.time()))

    def _is_generated(self, path: Path) -> bool:
        return any(path.is_relative_to(top) and is_generated(path, top) for top in self._tops)


def _problem(selection: Selection, event: Event, rerun: Rerun) -> str:
    """Say what went wrong with a run besides its tests; nothing when nothing did."""
    told = any(it.suite is selection.suite and it.outcome == "failed" for it in rerun.results)
    if event["finished"] and (event["code"] in _PYTEST_ENDS or told):
        return ""
    said = "\n".join(event["said"])
    if event["finished"]:
        return said or f"pytest ended with {event['code']}"
    code = event["code"]
    ended = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    return "\n".join(filter(None, [f"the process of the tests ended in the midst of them, {ended}", said]))


def _needs_spark(suite: Suite) -> bool:
    """Say whether tests are likely to ask for Spark; those that do so unexpectedly start one of their own."""
    if suite.kind != "pytest":
        return False
    return any(
        file.suffix != ".py" or b"spark" in (text := file.read_bytes()) or b"dataflow" in text
        for file in tests_of(suite)
    )


def _files_below(top: Path) -> Iterator[Path]:
    for name, folders, files in os.walk(top):
        folders[:] = [it for it in folders if not is_generated(Path(name, it), top)]
        yield from (Path(name, it) for it in files)


def _moment(path: Path, heard: float) -> float:
    """Return when a file was saved: what the file says, where that is just now."""
    try:
        saved = path.stat().st_mtime
    except OSError:
        return heard
    return saved if heard - _RECENT < saved < heard else heard


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError:
        return b""


def _exit(number: int, _: object) -> None:
    raise SystemExit(128 + number)
