"""From save to verdict: a watcher that runs, a script that is saved, and the line that says how its tests went."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

from benchmarks.measure import RunFailed


class Watcher:
    """`dataflow project test --watch` on a package, for as long as the block lasts."""

    def __init__(self, package: Path, env: Mapping[str, str]) -> None:
        """Name what is watched; nothing is started yet.

        Args:
            package: A spark-sql package with its unit test.
            env: Variables on top of this process's own.
        """
        self._package = package
        self._env = {**os.environ, **env}
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[bytes] | None = None
        self.by_sail: list[float] = []
        """Seconds from each save to Sail's verdict, which comes before Spark's."""
        (self._script,) = package.glob("src/*.sql")
        self._right = self._script.read_text("utf-8")

    def __enter__(self) -> Watcher:
        self._errors = tempfile.TemporaryFile()
        command = [str(Path(sys.executable).with_name("dataflow")), "project", "test", "--watch", "--output", "json"]
        self._process = subprocess.Popen(
            [*command, str(self._package)], stdout=subprocess.PIPE, stderr=self._errors, env=self._env, text=True
        )
        self._verdict(passing=True)
        for passing in (False, True):  # the JVM has met neither yet
            self._save(passing=passing)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._script.write_text(self._right, "utf-8")
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
        if self._errors is not None:
            self._errors.close()

    def break_it(self) -> float:
        """Save a script that ranks the wrong way, and return the seconds until its tests have failed."""
        waited = self._save(passing=False)
        self._save(passing=True)
        return waited

    def _save(self, *, passing: bool) -> float:
        text = self._right if passing else self._right.replace("ORDER BY view_hours DESC", "ORDER BY view_hours")
        time.sleep(1.0)  # as somebody who reads what is on the screen; the next process is ready by then
        began = time.perf_counter()
        self._script.write_text(text, "utf-8")
        self._verdict(passing=passing, began=began)
        return time.perf_counter() - began

    def _verdict(self, *, passing: bool, began: float | None = None) -> None:
        if self._process is None or self._process.stdout is None:
            raise RunFailed("the watcher was not started")
        for line in self._process.stdout:
            event = json.loads(line)
            if event["event"] == "sail" and began is not None:
                self.by_sail.append(time.perf_counter() - began)
            if event["event"] == "verdict":
                if bool(event["failed"]) == passing:
                    raise RunFailed(f"the watcher's verdict is not the expected one: {line}")
                return
        raise RunFailed(f"the watcher ended: {self._said()}")

    def _said(self) -> str:
        if self._errors is None:
            return ""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")
