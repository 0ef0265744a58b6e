"""What pages are read from: one environment with its records, its catalog and its registry, nothing of it written."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from dataflow.state.read_only import ReadOnlyDatabase
from dataflow.state.run_records import RunRecords

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflow.assets.registry import Registry
    from dataflow.workflow.project import Environment, Project

T = TypeVar("T")

_SCHEMA_SECONDS = 5.0
"""How long it is believed which tables the state database has."""


@dataclass
class Source:
    """What the pages of an environment are read from.

    Attributes:
        project: The project.
        environment: The environment.
        user: Who looks; theirs comes first.
    """

    project: Project
    environment: Environment
    user: str
    _database: ReadOnlyDatabase | None = None
    _looked: float = 0.0
    _kept: dict[object, tuple[float, Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def database(self) -> ReadOnlyDatabase:
        """The state database.

        Raises:
            DataflowError: It can't be reached, or is of an earlier version.
        """
        with self._lock:
            if self._database is None or self._database.is_nothing:
                self._close()
                self._database = ReadOnlyDatabase(self.environment.state)
            elif time.monotonic() - self._looked > _SCHEMA_SECONDS:
                self._database.look()
            else:
                return self._database
            self._looked = time.monotonic()
            return self._database

    @property
    def records(self) -> RunRecords:
        """The run records; raises as `database` does."""
        return RunRecords(self.database)

    @property
    def registry(self) -> Registry:
        """Where deployments are.

        Raises:
            DataflowError: It can't be opened.
        """
        from dataflow.assets.registry import open_registry

        return self.kept("registry", 3600, lambda: open_registry(self.project))

    def kept(self, key: object, seconds: float, find: Callable[[], T]) -> T:
        """Return what is found once in so many seconds, for what takes its time."""
        found = self._kept.get(key)
        if found is None or time.monotonic() - found[0] > seconds:
            found = self._kept[key] = (time.monotonic(), find())
        value: T = found[1]
        return value

    def known(self, key: object) -> object:
        """Return what `kept` keeps; None where it keeps nothing."""
        found = self._kept.get(key)
        return None if found is None else found[1]

    def close(self) -> None:
        """Close what is open."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
        self._database = None
