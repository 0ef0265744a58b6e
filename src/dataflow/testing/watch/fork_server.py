"""A fork server: a process that has imported what every test needs, and forks a fresh worker for each rerun.

Run as a program by the watcher. It has run no code of the user's and has one thread, so a fork of it is as good as
a new interpreter, and costs milliseconds where importing pytest and PySpark costs a second. It reads orders from
its standard input, a line of JSON each, and writes events to its standard output. When the input ends, which the
kernel sees to even when the watcher is killed, it stops the worker with all that the worker started, and itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import selectors
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from dataflow.testing.watch.protocol import send
from dataflow.testing.watch.worker import serve

_IMPORTS = (
    "_pytest.junitxml",
    "dataflow.spark.session",
    "dataflow.jobs.spark.script",
    "dataflow.mocks.load",
    "dataflow.testing.engine_difference",
    "dataflow.testing.engines",
    "dataflow.testing.fixture",
    "dataflow.testing.plugin",
    "dataflow.testing.row_diff",
    "grpc",
    "pyarrow",
    "pyspark.sql",
    "pyspark.sql.connect.proto",
    "pyspark.sql.functions",
    "rich.cells",
    "sqlglot",
)

_STARTED = time.time()
_GRACE = 6.0
_TAIL = 40
_PR_SET_PDEATHSIG = 1  # PR_SET_PDEATHSIG


class ForkServer:
    """Keeps one worker at a time."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="dataflow-watch-"))
        self._pid = 0
        self._number = 0
        self._terminate_first = False
        self._orders = -1
        self._pending = b""

    def run(self) -> None:
        """Carry out orders until the input ends."""
        wake, wake_writer = os.pipe()
        os.set_blocking(wake_writer, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        selector = selectors.DefaultSelector()
        selector.register(0, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        try:
            while True:
                for key, _ in selector.select():
                    if key.fd == wake:
                        os.read(wake, 4096)
                        self._reap()
                    elif not self._read():
                        return
        finally:
            self._stop_child()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self) -> bool:
        data = os.read(0, 65536)
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            order = json.loads(line)
            match order["do"]:
                case "prepare":
                    if _is_stale(order["saved"]):
                        self._restart()
                    self._fork(order)
                case "run" if order["number"] == self._number and self._pid:
                    self._terminate_first = order["kind"] != "pytest"
                    with contextlib.suppress(BrokenPipeError):  # it died: its end is reported anyway
                        os.write(self._orders, line + b"\n")
                case "end":
                    self._stop_child()
        return bool(data)

    def _fork(self, order: dict[str, Any]) -> None:
        self._stop_child()
        self._number, self._terminate_first = order["number"], False
        theirs, self._orders = os.pipe()
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid:
            os.close(theirs)
            with contextlib.suppress(OSError):  # the child does it as well: whoever comes first
                os.setpgid(self._pid, self._pid)
            return
        os.setpgid(0, 0)
        os.close(self._orders)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _die_with_parent(parent)
        code = 70
        try:
            code = serve(order, theirs, self._output)
        finally:
            os._exit(code)

    def _restart(self) -> None:
        """Become a process that has imported nothing yet; it reports `started` again."""
        self._stop_child()
        shutil.rmtree(self._folder, ignore_errors=True)
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606  # our own command line

    def _reap(self) -> None:
        """Report the worker's end, if it has ended; what it left running is killed."""
        if not self._pid:
            return
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        if pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            self._report_end(status)

    def _stop_child(self) -> None:
        """Stop the worker and what it started: terminated first where it has programs of its own to stop."""
        if not self._pid:
            return
        for number in (signal.SIGTERM, signal.SIGKILL) if self._terminate_first else (signal.SIGKILL,):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, number)
            deadline = time.monotonic() + _GRACE
            while time.monotonic() < deadline or number == signal.SIGKILL:
                pid, status = os.waitpid(self._pid, os.WNOHANG)
                if pid:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(pid, signal.SIGKILL)
                    self._report_end(status)
                    return
                time.sleep(0.002)

    def _report_end(self, status: int) -> None:
        os.close(self._orders)
        self._pid, self._orders = 0, -1
        lines = self._output.read_text("utf-8", "replace").splitlines() if self._output.exists() else []
        self._output.unlink(missing_ok=True)
        code = os.waitstatus_to_exitcode(status)
        with contextlib.suppress(BrokenPipeError):
            send(1, {"event": "ended", "number": self._number, "code": code, "output": lines[-_TAIL:]})

    @property
    def _output(self) -> Path:
        """The file of the worker's standard output."""
        return self._folder / f"{self._number}.log"


def _is_stale(paths: list[str]) -> bool:
    """Say whether saved files are modules that this process has imported: those of an editable installation."""
    saved = {path for path in paths if Path(path).exists() and Path(path).stat().st_mtime > _STARTED}
    return not saved.isdisjoint(getattr(module, "__file__", None) for module in list(sys.modules.values()))


def _die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, where it can; the parent does it otherwise."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _import_pytest() -> None:
    """Run an empty test, so that pytest and the installed plugins are imported."""
    import pytest

    path, output = list(sys.path), os.dup(1)
    with tempfile.TemporaryDirectory(prefix="dataflow-watch-") as folder, Path(os.devnull).open("w") as nothing:
        (Path(folder) / "pytest.ini").write_text("[pytest]\n")  # settings above it are not for this run
        (Path(folder) / "test_nothing.py").write_text("def test_it(): pass\n")
        before = Path.cwd()
        os.chdir(folder)
        os.dup2(nothing.fileno(), 1)
        try:
            with contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
                pytest.main(["-q", "-p", "no:cacheprovider"])
        finally:
            os.dup2(output, 1)
            os.close(output)
            os.chdir(before)
    sys.path[:] = path
    sys.modules.pop("test_nothing", None)


def _read_a_query() -> None:
    """Have SQL read once, by which its parser makes what it keeps."""
    from dataflow.sail.insert import insert_of
    from dataflow.sail.judgement import judge
    from dataflow.sail.relations import rewritten

    query = "WITH a AS (SELECT x, RANK() OVER (ORDER BY x) AS r FROM t WHERE x > 0 GROUP BY x) SELECT * FROM a"
    with contextlib.suppress(Exception):  # it is only faster
        insert_of(f"INSERT OVERWRITE t PARTITION (d = DATE '2026-01-31') BY NAME {query}")
        rewritten(query, {("t",): "v"})
        judge(query)


def main() -> None:
    """Import, and serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the watcher's
    for name in _IMPORTS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    _import_pytest()
    _read_a_query()
    gc.collect()
    gc.freeze()
    send(1, {"event": "started"})
    ForkServer().run()


if __name__ == "__main__":
    main()
