"""A deployed workflow as a DAG file: plain Python that imports Airflow alone, the same bytes for the same bundle.

A run decides once, in its first task, for which day it is and by which bundle, and hands that to all others; so it ends
on the version that it began with, whatever is deployed meanwhile. Each step is a task that calls the `dataflow` command
for it alone. The last task runs whatever happened: it does what the run's own version has and the newer file has not,
records the run as one, tells whom `notifications:` name, and fails where a step has failed.
"""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.deploy.backends.airflow.dag_text import DATES, HEAD, IDLE, WAKE, WAKEN
from dataflow.deploy.backends.airflow.python_text import call, duration, mapping, strings, text
from dataflow.deploy.bundle.outline import StepOutline, WorkflowOutline
from dataflow.workflow.parameters import PREFIX
from dataflow.workflow.periods import Cadence

if TYPE_CHECKING:
    from dataflow.deploy.bundle.manifest import RenderedPackage, RenderedWorkflow, Schedule, ScheduledTrigger

EACH = f"${{{PREFIX}each}}"

_DAYS = {
    Cadence.HOURLY: ("hour", "moment.astimezone(timezone.utc) - timedelta(hours=1)", "%Y-%m-%dT%H"),
    Cadence.DAILY: ("day", "moment.astimezone(CLOCK) - timedelta(days=1)", "%Y-%m-%d"),
    Cadence.WEEKLY: ("week", "moment.astimezone(CLOCK) - timedelta(weeks=1)", "%G-W%V"),
    Cadence.MONTHLY: ("month", "moment.astimezone(CLOCK).replace(day=1) - timedelta(days=1)", "%Y-%m"),
}
"""What a run is for at a moment: the last whole one of these, and how it is written."""


@dataclass(frozen=True)
class DagFile:
    """A deployed workflow, of which a DAG file is made.

    Attributes:
        bundle: Its bundle, or its package before there is one.
        sha256: The bundle's id.
        workflow: The workflow.
        since: When it was deployed first: no moment before that makes it due.
    """

    bundle: RenderedPackage
    sha256: str
    workflow: RenderedWorkflow
    since: dt.datetime

    @property
    def name(self) -> str:
        """What the file is called."""
        return f"{self.workflow.id}.py"

    def render(self) -> str:
        """Return the file's text."""
        cadence = self.workflow.schedule.cadence if self.workflow.schedule else Cadence.DAILY
        unit, date, form = _DAYS[cadence]
        names = [it.id for it in self._steps]
        called = {it.id: it for it in self._steps if it.dates is not None}
        head = HEAD.format(
            id=self.workflow.id,
            environment=self.bundle.environment.name,
            imports="\n".join(self._imports(dates=bool(called))),
            workflow=text(self.workflow.id),
            bundle=text(self.sha256),
            steps=strings(names, before=len("STEPS = ")),
            command=strings(self._command, before=len("DATAFLOW = ")),
            clock=f"{self._clock(cadence)}{self._called(called)}",
            unit=unit,
            date=date,
            format=form,
        )
        parts = [head, DATES.format(unit=unit, each=text(EACH)) if called else "", self._dag(unit)]
        return "".join([*parts, self._wake(unit)])

    # ------------------------------------------------------------------------------------------------- parts

    @property
    def _outline(self) -> WorkflowOutline:
        """Return its outline; of one that was deployed for another backend, a single step that is all of it."""
        return self.workflow.outline or WorkflowOutline()

    @property
    def _steps(self) -> tuple[StepOutline, ...]:
        return self._outline.steps

    @property
    def _schedule(self) -> Schedule | None:
        return self.workflow.schedule

    @property
    def _isolated(self) -> bool:
        return self.bundle.environment.isolated

    @property
    def _command(self) -> list[str]:
        return shlex.split((self.bundle.environment.airflow or {}).get("command") or "dataflow")

    @property
    def _crons(self) -> tuple[ScheduledTrigger, ...]:
        return () if self._schedule is None or self._isolated else self._schedule.crons

    @property
    def _joins(self) -> tuple[ScheduledTrigger, ...]:
        return () if self._schedule is None or self._isolated else self._schedule.joins

    def _imports(self, *, dates: bool) -> Iterator[str]:
        hourly = self._schedule is not None and self._schedule.cadence is Cadence.HOURLY
        yield from ["import json"] if dates else []
        yield "import shlex"
        yield from ["import subprocess"] if dates else []
        yield "from datetime import datetime, timedelta, timezone"
        yield from [] if hourly else ["from zoneinfo import ZoneInfo"]
        yield ""
        yield "from airflow.providers.standard.operators.bash import BashOperator"
        if dates:
            yield "from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator"
        used = {"DAG", "Param", "task"}
        used |= {"Asset"} if self._joins or any(it.publishes for it in self._steps) else set()
        used |= {"AssetAny"} if self._joins else set()
        used |= {"CronTriggerTimetable"} if len(self._crons) == 1 else set()
        used |= {"MultipleCronTriggerTimetable"} if len(self._crons) > 1 else set()
        yield f"from airflow.sdk import {', '.join(sorted(used, key=_as_sorted))}"

    def _clock(self, cadence: Cadence) -> str:
        zone = self._schedule.timezone if self._schedule is not None else "UTC"
        return "" if cadence is Cadence.HOURLY else f"CLOCK = ZoneInfo({text(zone)})\n"

    def _called(self, called: Mapping[str, StepOutline]) -> str:
        if not called:
            return ""
        outlines = {it.id: it.outline for it in self.bundle.own_workflows.values()}
        values = {}
        for id_, step in called.items():
            if step.dates is None:
                continue
            inner = outlines.get(step.dates.workflow)
            steps = strings([it.id for it in inner.steps] if inner else [], indent=8, before=len('"steps": ,'))
            params = mapping({name: text(it) for name, it in step.dates.params.items()}, 8, len('"params": ,'))
            values[id_] = "\n".join(["{", f'        "steps": {steps},', f'        "params": {params},', "    }"])
        lines = [f"    {text(id_)}: {value}," for id_, value in values.items()]
        return "\n".join(["CALLED = {", *lines, "}", ""])

    def _dag(self, unit: str) -> str:
        arguments = {
            "dag_id": "WORKFLOW",
            **({"description": text(self._outline.description)} if self._outline.description else {}),
            **self._when(),
            "start_date": _moment(self.since),
            **self._at_once(),
            "default_args": self._default_args(),
            "tags": strings(self._tags, 4, len("tags=")),
            "params": mapping(self._params(unit), 4, len("params=")),
            "user_defined_macros": '{"end": end, "step": step}',
        }
        lines = ["", "", f"{call('with DAG', arguments)}:", "    begun = begin()", ""]
        names = {it.id: f"step_{number}" for number, it in enumerate(self._steps, 1)}
        for it in self._steps:
            lines += [*self._step(it, names), ""]
        ending = {"task_id": text("run.end"), "bash_command": text("{{ end(ti) }}"), "trigger_rule": text("all_done")}
        lines += [f"    last = {call('BashOperator', ending, 4)}", ""]
        for it in self._steps:
            before = ", ".join(names[need] for need in it.needs)
            lines += [f"    {f'[{before}]' if len(it.needs) > 1 else before or 'begun'} >> {names[it.id]}"]
        ends = [names[it.id] for it in self._steps if not any(it.id in other.needs for other in self._steps)]
        lines += [
            f"    {f'[{chr(44).join(ends)}]'.replace(',', ', ') if len(ends) > 1 else ''.join(ends) or 'begun'} >> last"
        ]
        return "\n".join([*lines, ""])

    def _step(self, step: StepOutline, names: Mapping[str, str]) -> Iterator[str]:
        attempts = {}
        if step.retries:
            attempts["retries"] = str(step.retries)
            attempts["retry_delay"] = duration(step.retry_delay)
            attempts["retry_exponential_backoff"] = "True"
        if step.timeout is not None:
            attempts["execution_timeout"] = duration(step.timeout)
        mapped = {it.id for it in self._steps if it.dates is not None}
        after = {"trigger_rule": text("none_failed")} if mapped & {*step.needs} else {}  # there may be no dates
        if step.dates is None:
            arguments = {
                "task_id": text(step.id),
                "bash_command": text(f"{{{{ step(ti, '{step.id}') }}}}"),
                **after,
                **attempts,
                **({"outlets": self._assets(step.publishes, "outlets=")} if step.publishes else {}),
            }
            yield f"    # {_line(step.type, step.does)}"
            yield f"    {names[step.id]} = {call('BashOperator', arguments, 4)}"
            return
        arguments = {
            "task_id": text(step.id),
            "trigger_dag_id": text(step.dates.workflow),
            "logical_date": "None",
            "wait_for_completion": "True",
            "deferrable": "True",
            "poke_interval": "5",
            "reset_dag_run": "True",
            "max_active_tis_per_dagrun": str(step.dates.parallel),
            **after,
            **attempts,
        }
        found = f"dates.override(task_id={text(f'{step.id}.dates')})({text(step.id)}, begun)"
        yield f"    # {_line(step.type, f'a run of {step.dates.workflow} for each')}"
        yield f"    {names[step.id]} = {call('TriggerDagRunOperator.partial', arguments, 4)}.expand_kwargs({found})"

    def _when(self) -> dict[str, str]:
        """Return when it runs by itself: in a sandbox and a branch's deployment never."""
        crons = [text(it.cron or "") for it in self._crons]
        if not crons:
            return {"schedule": "None", **self._paused()}
        zone = f"timezone={text(self._crons[0].timezone)}"
        kind = "CronTriggerTimetable" if len(crons) == 1 else "MultipleCronTriggerTimetable"
        return {"schedule": f"{kind}({', '.join([*crons, zone])})"}

    def _paused(self) -> dict[str, str]:
        """Say whether it begins paused: what would run by itself elsewhere does, what runs only when asked does not."""
        return {"is_paused_upon_creation": str(self._isolated and self._schedule is not None)}

    def _at_once(self) -> dict[str, str]:
        schedule = self._schedule
        if self._crons and schedule is not None:
            return {"catchup": str(schedule.strategy != "latest only"), "max_active_runs": str(schedule.at_once)}
        callers = [
            it.dates.parallel
            for other in self.bundle.own_workflows.values()
            for it in (other.outline.steps if other.outline else ())
            if it.dates is not None and it.dates.workflow == self.workflow.id
        ]
        return {"max_active_runs": str(max(callers))} if callers else {}

    def _default_args(self) -> str:
        return mapping({"owner": text(self._outline.owner or "airflow"), "retries": "0"}, 4)

    @property
    def _tags(self) -> list[str]:
        return sorted({*self._outline.tags, self.bundle.environment.name})

    def _params(self, unit: str) -> dict[str, str]:
        """Return what a run may be given, as a form asks for it."""
        about = f"The {unit}; the last whole one if omitted."
        told = {"date": about, **{name: f"{value} if omitted" for name, value in self._outline.params.items()}}
        told.pop("EXECUTION_DATE", None)  # which `date` is
        return {
            name: f'Param(None, type=["null", "string"], description={text(value)})' for name, value in told.items()
        }

    def _assets(self, tables: tuple[str, ...], before: str) -> str:
        line = f"[{', '.join(map(_asset, tables))}]"
        if 8 + len(before) + len(line) + 1 <= 120:
            return line
        return "\n".join(["[", *(f"            {_asset(it)}," for it in tables), "        ]"])

    def _wake(self, unit: str) -> str:
        """Return the DAG that tables wake; empty where none are named."""
        if not self._joins:
            return ""
        catalog = self.bundle.environment.environment().catalog_name
        tables = dict.fromkeys(_asset(_full(table, catalog)) for it in self._joins for table in it.tables)
        any_of_them = call("AssetAny", {str(number): it for number, it in enumerate(tables)}, 4)
        words = [
            *self._command,
            "workflow",
            "due",
            "--env",
            self.bundle.environment.name,
            "--workflow",
            self.workflow.id,
            "--idle-code",
            str(IDLE),
        ]
        arguments = {
            "dag_id": text(f"{self.workflow.id}{WAKEN}"),
            "description": text(f"Runs {self.workflow.id} for what its tables have published."),
            "schedule": any_of_them,
            "start_date": _moment(self.since),
            "catchup": "False",
            "max_active_runs": "1",
            "default_args": self._default_args(),
            "tags": strings(self._tags, 4, len("tags=")),
        }
        lines = "\n".join(f"    {name}={value}," for name, value in arguments.items())
        published = self._published(self._outline)
        outlets = f"\n        outlets={self._assets(published, 'outlets=')}," if published else ""
        return WAKE.format(arguments=lines, unit=unit, command=text(shlex.join(words)), outlets=outlets)

    def _published(self, outline: WorkflowOutline) -> tuple[str, ...]:
        """Return all tables that a workflow publishes, by itself and in the runs of its dates."""
        found = dict.fromkeys(table for step in outline.steps for table in step.publishes)
        called = {step.dates.workflow for step in outline.steps if step.dates is not None}
        for it in self.bundle.own_workflows.values():
            if it.id in called and it.outline is not None:
                found |= dict.fromkeys(self._published(it.outline))
        return tuple(found)


def _line(kind: str, does: str) -> str:
    """Return what a step is, as a comment of one line."""
    told = f"{kind}: {does}" if does else kind
    return ascii(told)[1:-1] if not told.isprintable() else told


def _asset(table: str) -> str:
    return f"Asset({text(f'x-dataflow://{table}')})"


def _full(table: str, catalog: str) -> str:
    from dataflow.lineage.model import plain_name

    return f"{catalog}.{plain_name(table, catalog)}"


def _moment(at: dt.datetime) -> str:
    at = at.astimezone(dt.UTC)
    return f"datetime({at.year}, {at.month}, {at.day}, {at.hour}, {at.minute}, {at.second}, tzinfo=timezone.utc)"


def _as_sorted(name: str) -> tuple[bool, bool, str]:
    """Order names as ruff does: constants, classes, then the rest."""
    return not name.isupper(), not name[0].isupper(), name
