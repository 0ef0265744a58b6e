"""Runs of deployed workflows that Airflow makes: asked for, listed, followed and stopped by its REST API."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.deploy.backends.airflow.api import AirflowApi, NotThere
from dataflow.deploy.backends.airflow.dag_text import WAKEN
from dataflow.errors import DataflowError, UsageError, did_you_mean
from dataflow.report import Report, silent

if TYPE_CHECKING:
    from dataflow.deploy.backends import RunRequest
    from dataflow.deploy.deployments import Deployment
    from dataflow.workflow.project import Environment

_STATUS = {"success": "succeeded", "failed": "failed", "queued": "waiting", "running": "running"}
_ENDED = {"success", "failed"}
_UNENDED_TASKS = {"running", "restarting", "deferred"}
_SOURCES = "::group::Log message source details", "::endgroup::"
"""Between what Airflow names the files of a log, which are others once a task has ended; tasks print none of it."""

_PAGE, _PAGES = 100, 10
_PAUSE = 2.0


@dataclass(frozen=True)
class AirflowRun:
    """A run of a DAG.

    Attributes:
        workflow: The workflow, which the DAG is named by.
        run_id: What Airflow calls the run.
        status: How it stands, in the words of the run records.
        date: The day that it was asked for; empty where it is its own.
        started: When it began, or will.
        ended: When it ended.
    """

    workflow: str
    run_id: str
    status: str
    date: str
    started: dt.datetime
    ended: dt.datetime | None

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> AirflowRun:
        """Return a run as Airflow describes it."""
        ended = found["end_date"]
        return cls(
            found["dag_id"],
            found["dag_run_id"],
            _STATUS.get(found["state"], found["state"]),
            str((found["conf"] or {}).get("date") or ""),
            dt.datetime.fromisoformat(found["start_date"] or found["run_after"]),
            dt.datetime.fromisoformat(ended) if ended else None,
        )

    @property
    def has_ended(self) -> bool:
        """Whether it has."""
        return self.status in {_STATUS[it] for it in _ENDED}

    def record(self, environment: str) -> dict[str, Any]:
        """Return it as a row of the run records."""
        return {
            "run_id": self.run_id,
            "workflow_id": self.workflow,
            "environment": environment,
            "params": {"EXECUTION_DATE": self.date} if self.date else {},
            "status": self.status,
            "started": self.started,
            "ended": self.ended,
        }


@dataclass(frozen=True)
class AirflowRuns:
    """The runs of an environment's workflows in Airflow.

    Attributes:
        api: Where to ask.
        environment: The environment.
        workflows: The ids of its DAGs; runs of others are nobody's business here.
    """

    api: AirflowApi
    environment: Environment
    workflows: Collection[str]

    @classmethod
    def of(cls, environment: Environment, deployment: Deployment | None) -> AirflowRuns:
        """Return the runs of a deployment: those of its workflows, and those in which tables made one due."""
        packages = deployment.revision.packages.values() if deployment else ()
        schedules = {id_: schedule for package in packages for id_, schedule in package.workflows.items()}
        woken = [f"{id_}{WAKEN}" for id_, schedule in schedules.items() if schedule is not None and schedule.joins]
        return cls(AirflowApi.of(environment), environment, {*schedules, *woken})

    def recent(self, workflow: str | None, limit: int) -> list[AirflowRun]:
        """Return the last runs, newest first; of workflows whose id contains a text, where one is given."""
        found = (it for it in self._all() if workflow is None or workflow in it.workflow)
        return [it for it, _ in zip(found, range(limit), strict=False)]

    def one(self, name: str) -> AirflowRun:
        """Return a run by its id, the beginning of one, `WORKFLOW/ID` or `last`.

        Raises:
            UsageError: There is none, or there are several.
        """
        if name == "last":
            found = self.recent(None, 1)
        else:
            workflow, slash, run_id = name.rpartition("/")
            query: dict[str, str | int] = {"limit": _PAGE, "order_by": "-run_after", "run_id_prefix_pattern": run_id}
            listed = self.api.get("dags", workflow if slash else "~", "dagRuns", **query)["dag_runs"]
            found = [it for it in map(AirflowRun.of, listed) if it.workflow in self.workflows]
            found = [it for it in found if it.run_id == run_id] or found
        if len(found) == 1:
            return found[0]
        if not found:
            known = [it.run_id for it in self.recent(None, 50)]
            hint = f"see `dataflow workflow runs --env {self.environment.name}`"
            raise UsageError(f"Airflow has no run '{name}' of {self.environment.name}{did_you_mean(name, known)}", hint)
        listed = ", ".join(f"{it.workflow}/{it.run_id}" for it in found[:5])
        raise UsageError(f"'{name}' could be any of {listed}")

    def start(self, start: RunRequest) -> AirflowRun:
        """Ask for a run.

        Raises:
            UsageError: The DAG is paused, and would go on by its schedule if it were not.
            DataflowError: Airflow has not read the DAG yet, or refuses.
        """
        try:
            dag = self.api.get("dags", start.workflow)
        except NotThere:
            hint = "it looks for new files every `refresh_interval` seconds: try again, or see its import errors"
            raise DataflowError(f"Airflow has no DAG {start.workflow} yet", hint) from None
        if dag["is_paused"]:
            if dag["timetable_summary"] not in (None, "None", "Never, external triggers only"):
                raise UsageError(f"{start.workflow} is paused in Airflow", "unpause it there, and its schedule begins")
            self.api.patch("dags", start.workflow, data={"is_paused": False})
        conf = {**({"date": str(start.date)} if start.date else {}), **start.params}
        made = self.api.post("dags", start.workflow, "dagRuns", data={"logical_date": None, "conf": conf})
        return AirflowRun.of(made)

    def wait(self, run: AirflowRun, report: Report = silent) -> AirflowRun:
        """Wait until a run has ended; receives a line for each task whose state changes."""
        before: dict[tuple[str, int], str | None] = {}
        while True:
            now = AirflowRun.of(self.api.get("dags", run.workflow, "dagRuns", run.run_id))
            for task in self._tasks(run):
                key, state = (task["task_id"], task["map_index"]), task["state"]
                if state != before.get(key) and state is not None:
                    index = f"[{task['map_index']}]" if task["map_index"] >= 0 else ""
                    report(f"{task['task_id']}{index} {_STATUS.get(state, state).replace('_', ' ')}")
                before[key] = state
            if now.has_ended:
                return now
            time.sleep(_PAUSE)

    def cancel(self, run: AirflowRun, wait: float) -> AirflowRun:
        """Stop a run: its tasks end as by Ctrl-C, and none begins.

        Args:
            run: The run.
            wait: Wait at most so many seconds until its tasks have ended.

        Raises:
            UsageError: It has ended already.
        """
        if run.has_ended:
            raise UsageError(f"run {run.run_id} of {run.workflow} has ended already: {run.status}")
        self.api.patch("dags", run.workflow, "dagRuns", run.run_id, data={"state": "failed"})
        deadline = time.monotonic() + wait
        while any(it["state"] in _UNENDED_TASKS for it in self._tasks(run)):
            if time.monotonic() > deadline:
                return run
            time.sleep(_PAUSE)
        return AirflowRun.of(self.api.get("dags", run.workflow, "dagRuns", run.run_id))

    def log(self, run: AirflowRun) -> list[str]:
        """Return what the tasks of a run have printed, each line behind its task."""
        return list(self._log(run))

    def follow_log(self, run: AirflowRun) -> Iterator[str]:
        """Yield what the tasks of a run print until it has ended."""
        shown: dict[tuple[str, int, int], int] = {}
        while True:
            has_ended = AirflowRun.of(self.api.get("dags", run.workflow, "dagRuns", run.run_id)).has_ended
            for task in self._tasks(run):
                key = task["task_id"], task["map_index"], task["try_number"]
                lines = self._lines(run, task)
                yield from lines[shown.get(key, 0) :]
                shown[key] = len(lines)
            if has_ended:
                return
            time.sleep(_PAUSE)

    def _all(self) -> Iterator[AirflowRun]:
        for page in range(_PAGES):
            query: dict[str, str | int] = {"limit": _PAGE, "offset": page * _PAGE, "order_by": "-run_after"}
            listed = self.api.get("dags", "~", "dagRuns", **query)["dag_runs"]
            yield from (it for it in map(AirflowRun.of, listed) if it.workflow in self.workflows)
            if len(listed) < _PAGE:
                return

    def _tasks(self, run: AirflowRun) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            path = ("dags", run.workflow, "dagRuns", run.run_id, "taskInstances")
            page = self.api.get(*path, limit=_PAGE, offset=len(found))
            found += page["task_instances"]
            if not page["task_instances"] or len(found) >= page["total_entries"]:
                return sorted(found, key=lambda it: (it["start_date"] or "9999", it["task_id"], it["map_index"]))

    def _log(self, run: AirflowRun) -> Iterator[str]:
        for task in self._tasks(run):
            yield from self._lines(run, task)

    def _lines(self, run: AirflowRun, task: Mapping[str, Any]) -> list[str]:
        if not task["try_number"]:
            return []
        path = ("dags", run.workflow, "dagRuns", run.run_id, "taskInstances", task["task_id"], "logs")
        try:
            found = self.api.get(*path, str(task["try_number"]), map_index=task["map_index"], full_content="true")
        except NotThere:
            return []
        index = f"[{task['map_index']}]" if task["map_index"] >= 0 else ""
        events = [it if isinstance(it, str) else str(it.get("event", "")) for it in found["content"]]
        begin, end = _SOURCES
        printed = events[events.index(end) + 1 :] if events[:1] == [begin] and end in events else events
        return [f"{task['task_id']}{index} | {line}" for text in printed for line in text.splitlines() or [""]]


def start_and_wait(environment: Environment, start: RunRequest, report: Report = silent) -> AirflowRun:
    """Ask Airflow for a run, and wait until it has ended."""
    runs = AirflowRuns.of(environment, start.deployment)
    run = runs.start(start)
    report(f"run {run.run_id} of {run.workflow} in {environment.name}, by Airflow")
    return runs.wait(run, report)
