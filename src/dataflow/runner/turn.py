"""A run's turn: it waits for whoever works on the same, is heard while it works, and gives way when it is told to.

The outermost run has a heartbeat, and all that it contains holds its leases by it (`dataflow.state.leases`).
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.runner.cancellation import CancelScope
from dataflow.runner.retry import Cancelled
from dataflow.state import leases as state
from dataflow.workflow.identity import login
from dataflow.workflow.resolved import ForeachStep

if TYPE_CHECKING:
    from dataflow.state.database import StateDatabase
    from dataflow.workflow.resolved import Workflow

Key = tuple[str, str]
"""Environment and work: what a lease is for."""

_POLL = 0.5
_LONGEST_NAME = 450
_GRACE = 20.0
"""Seconds that a superseded run has to stop before its lease is taken away."""


@dataclass(frozen=True)
class Turn:
    """Who wants something, and how it is told.

    Attributes:
        workflow: The run.
        cancel: Cancels it, and its waiting.
        say: Receives what it waits for.
    """

    workflow: Workflow
    cancel: CancelScope
    say: Callable[[str], None]


@dataclass
class _Held:
    run_id: str
    times: int = 1


@dataclass
class LiveRun:
    """An outermost run while it works or waits; a context manager.

    Attributes:
        database: Where its heart beats.
        root: The run.
        on_beat: Called with each heartbeat.
    """

    database: StateDatabase
    root: Workflow
    on_beat: Callable[[], None] = lambda: None
    _held: dict[Key, _Held] = field(default_factory=dict)
    _in_lines: set[tuple[str, str, str]] = field(default_factory=set)
    _scopes: dict[str, CancelScope] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self._leases = state.Leases(self.database)

    @property
    def user(self) -> str:
        """Whose run it is."""
        return self.root.builtins.get("user") or login()

    def __enter__(self) -> LiveRun:
        self._leases.enter(self.root.run_id, self.user)
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(state.BEAT)
        with contextlib.suppress(DataflowError):  # what is left holds nothing once this process is gone
            self._leases.leave(self.root.run_id)

    def is_free(self, workflow: Workflow) -> bool:
        """Say whether a run could begin at once, and take what it needs in that case; else it waits from now on."""
        for places in self._places(workflow):
            if self._any(places, workflow) is not None:
                return False
        return self._try(work_of(workflow), workflow) is None

    def begin(self, turn: Turn) -> None:
        """Wait until the outermost run may begin: for a place of each of its tags that are limited, then for its work.

        Raises:
            Cancelled: It was cancelled meanwhile.
            DataflowError: Another run works on the same, and the definition says `concurrency: refuse`.
        """
        with self._listening(turn):
            for places in self._places(turn.workflow):  # before all leases, so that nobody waits in a circle
                self._wait_for_place(places, turn)
            self._wait_for(work_of(turn.workflow), turn)

    @contextlib.contextmanager
    def holding(self, turn: Turn) -> Iterator[Key]:
        """Hold a run's work for as long as a block, and listen for its cancellation; raises as `begin` does."""
        key = work_of(turn.workflow)
        with self._listening(turn):
            self._wait_for(key, turn)
            try:
                yield key
            finally:
                self._give_back(key)

    @contextlib.contextmanager
    def fenced(self, keys: Sequence[Key]) -> Iterator[None]:
        """Let nobody take work away for as long as a block publishes it.

        Raises:
            LeaseLost: Somebody has.
        """
        with self._leases.fenced(self.root.run_id, sorted(set(keys))):
            yield

    @contextlib.contextmanager
    def _listening(self, turn: Turn) -> Iterator[None]:
        run_id = turn.workflow.run_id
        before = self._scopes.get(run_id)
        self._scopes[run_id] = turn.cancel
        try:
            yield
        finally:
            if before is None:
                self._scopes.pop(run_id, None)
            else:
                self._scopes[run_id] = before

    # ---------------------------------------------------------------------------------------------- waiting

    def _wait_for(self, key: Key, turn: Turn) -> None:
        waiting = _Waiting(self._leases, turn, self.user)
        with self._in_line(key, key[1], turn.workflow):
            while (holder := self._try(key, turn.workflow)) is not None:
                waiting.look(key, self.root.run_id, holder)

    def _wait_for_place(self, places: Sequence[Key], turn: Turn) -> None:
        waiting = {place: _Waiting(self._leases, turn, self.user) for place in places}
        told = False
        with self._in_line(places[0], _queue(places), turn.workflow):
            while (found := self._any(places, turn.workflow)) is not None:
                if not any(waiting[place].bury(holder) for place, holder in found.items()):
                    if not told:
                        holders = sorted({it.run_id: it for it in found.values()}.values(), key=lambda it: it.since)
                        others = f" and {len(holders) - 1} more" if len(holders) > 1 else ""
                        turn.say(f"waits for a place among runs with {_queue(places)}: {holders[0].told}{others}")
                        told = True
                    _pause(turn.cancel)

    @contextlib.contextmanager
    def _in_line(self, key: Key, queue: str, workflow: Workflow) -> Iterator[None]:
        """Leave the line at the end of a block that raises: those behind do not wait for who waits no more."""
        try:
            yield
        except BaseException:
            self._leave_line(key, queue, workflow)
            raise

    def _any(self, places: Sequence[Key], workflow: Workflow) -> dict[Key, state.Holder] | None:
        """Take one of several places; None when one is taken, else who holds them."""
        if any(place in self._held for place in places):
            return None
        found = {}
        for place in places:
            if (holder := self._try(place, workflow, _queue(places))) is None:
                return None
            found[place] = holder
        return found

    def _try(self, key: Key, workflow: Workflow, queue: str | None = None) -> state.Holder | None:
        with self._lock:
            if (held := self._held.get(key)) is not None:  # another part of this very run holds it
                held.times += 1
                self._leave_line(key, queue or key[1], workflow)
                return None
            waits = queue is not None or workflow.concurrency != "refuse"
            holder = self._leases.take(key, self.root.run_id, workflow.run_id, queue=queue, waits=waits)
            if holder is None:
                self._held[key] = _Held(workflow.run_id)
                self._in_lines.discard((key[0], queue or key[1], workflow.run_id))
            elif waits:
                self._in_lines.add((key[0], queue or key[1], workflow.run_id))
            return holder

    def _leave_line(self, key: Key, queue: str, workflow: Workflow) -> None:
        """Let those behind go on, where this run had begun to wait."""
        place = (key[0], queue, workflow.run_id)
        if place in self._in_lines:
            self._in_lines.discard(place)
            with contextlib.suppress(DataflowError):  # it ends with the run
                self._leases.stop_waiting(*place)

    def _give_back(self, key: Key) -> None:
        with self._lock:
            held = self._held[key]
            held.times -= 1
            if held.times == 0:
                del self._held[key]
                with contextlib.suppress(DataflowError):  # it ends with the run
                    self._leases.release(key, self.root.run_id)

    def _places(self, workflow: Workflow) -> Iterator[list[Key]]:
        """Yield for each limited tag of a run, or of what it contains, the places that there are."""
        limits = workflow.environment.limits
        tags = {tag for inner in workflow.walk(every_date=False) for tag in inner.tags}
        for tag in sorted(tags & limits.keys()):
            yield [(_place(workflow), f"tag {tag} {number}") for number in range(1, limits[tag] + 1)]

    # -------------------------------------------------------------------------------------------- heartbeat

    def _beat(self) -> None:
        while not self._ended.wait(state.BEAT):
            with contextlib.suppress(Exception):  # the next one may go through; what publishes asks the database itself
                self._hear()
                self.on_beat()

    def _hear(self) -> None:
        with self._lock:
            heard = self._leases.beat(self.root.run_id)
            lost = [held.run_id for key, held in self._held.items() if key not in heard.held]
        told = dict.fromkeys(lost, "another run has taken its place") | dict(heard.cancelled)
        if not heard.is_alive:
            told[self.root.run_id] = "it was silent for so long that it was taken for dead"
        for run_id, reason in told.items():
            if (scope := self._scopes.get(run_id)) is not None:
                scope.cancel(reason)


@dataclass
class _Waiting:
    """The waiting of one run for what another one holds."""

    leases: state.Leases
    turn: Turn
    user: str
    watch: state.Watch = field(default_factory=state.Watch)
    told: str | None = None
    deadline: float = 0.0

    def look(self, key: Key, root_id: str, holder: state.Holder) -> None:
        """Do what the definition says about another run, then pause.

        Raises:
            DataflowError: It refuses.
        """
        if self.bury(holder):
            return
        policy, workflow = self.turn.workflow.concurrency, self.turn.workflow
        silent = holder.silence > state.LONGEST_SILENCE
        if policy == "refuse" and not silent:
            raise DataflowError(
                f"{_named(workflow)} is at work already: {holder.told}",
                f"let it end, or stop it: dataflow workflow cancel {holder.run_id}",
                permanent=True,
            )
        if holder.run_id != self.told:
            self.told, self.deadline = holder.run_id, time.monotonic() + _GRACE
            if policy == "supersede":
                self.turn.say(f"takes the place of {holder.told}")
                self.leases.ask_to_stop(holder.run_id, f"run {workflow.run_id} of {self.user} takes its place")
            else:
                self.turn.say(f"waits for {holder.told}")
        elif (
            policy == "supersede"
            and time.monotonic() > self.deadline
            and self.leases.take_over(key, holder, root_id, workflow.run_id)
        ):
            return
        _pause(self.turn.cancel)

    def bury(self, holder: state.Holder) -> bool:
        """Say whether a holder has turned out to be dead."""
        return self.watch.is_over(holder) and self.leases.bury(holder)


def work_of(workflow: Workflow) -> Key:
    """Return what two runs may not work on at once: a workflow in an environment, for a day and a part of it."""
    slot = [workflow.params["EXECUTION_DATE"]] if "EXECUTION_DATE" in workflow.params else []
    if not slot:
        slot = [_span(it) for it in workflow.steps if isinstance(it, ForeachStep)]
    parts = {f"{name}={value}" for it in workflow.templates() for name, value in it.partition.items()}
    slot += sorted(part for part in parts if part.partition("=")[2] not in slot)
    name = " ".join([workflow.id, *slot])
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME]} {hashlib.sha256(name.encode()).hexdigest()[:32]}"
    return _place(workflow), name


def _span(step: ForeachStep) -> str:
    """Return what a foreach goes over; days that changed are one work, whichever a run has found."""
    return f"{step.dates[0]}..{step.dates[-1]}" if step.found is None else "changed"


def _place(workflow: Workflow) -> str:
    """Return the environment; of one that keeps to a database, each such database is one."""
    environment = workflow.environment
    return f"{environment.name}/{environment.params.get('TARGET_DB', '')}" if environment.isolated else environment.name


def _queue(places: Sequence[Key]) -> str:
    """Return where who wants one of several places waits: `tag heavy`."""
    return places[0][1].rpartition(" ")[0]


def _named(workflow: Workflow) -> str:
    day = workflow.params.get("EXECUTION_DATE")
    return f"{workflow.id} for {day}" if day else workflow.id


def _pause(cancel: CancelScope) -> None:
    if not cancel.is_set():
        cancel.wait(_POLL)
    if cancel.is_set():
        raise Cancelled(cancel.reason or "stopped while it waited")
