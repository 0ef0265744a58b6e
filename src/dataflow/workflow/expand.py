"""Expanding a definition: contained workflows loaded, dates laid out, steps in an order that can run."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from dataflow.errors import Problem, did_you_mean
from dataflow.workflow.changed_dates import (
    ANY_ITEM,
    ChangedQuestion,
    DatesFound,
    last_dates,
    source_of,
    targets_of,
)
from dataflow.workflow.checks import DefinitionView, is_date, items
from dataflow.workflow.conditions import condition_problems, why_not
from dataflow.workflow.dates import ChangedDates, DateRange, Dates, LastDates, context_of
from dataflow.workflow.expansion import (
    MAX_DEPTH,
    MAX_WORKFLOWS,
    LoadRequest,
    Size,
    Surroundings,
    too_many,
)
from dataflow.workflow.filling import EACH, fill_with
from dataflow.workflow.foreach_items import ChangedItems, item_problems, item_texts, kind_of_items
from dataflow.workflow.graph import cycles, needs_in_written_order, needs_of, parse_edges
from dataflow.workflow.models import AuditJob, ForeachItem, Job, JobItem, StepItem, SubworkflowJob
from dataflow.workflow.parameters import PREFIX, ParameterResolver, ParameterSource
from dataflow.workflow.periods import Period
from dataflow.workflow.resolved import EachDate, ForeachStep, JobStep, Step, SubworkflowStep, WapStep, Workflow
from dataflow.workflow.table_keys import TableKeys
from dataflow.workflow.validation import ValidationProblems, validated
from dataflow.workflow.yamlfile import YamlPath, is_file, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


AnyStep = TypeVar("AnyStep", JobStep, WapStep, SubworkflowStep, ForeachStep, JobStep | SubworkflowStep, Step)


class WorkflowExpander:
    """Expands one definition; mistakes are collected, and what they don't concern is expanded all the same.

    Attributes:
        names: The parameters that contained definitions declare or use.
    """

    def __init__(
        self,
        view: DefinitionView,
        resolver: ParameterResolver,
        call: LoadRequest,
        params: Mapping[str, str],
        around: Surroundings,
        problems: set[Problem],
        size: Size,
    ) -> None:
        self.view = view
        self.file = view.file
        self.resolver = resolver
        self.call = call
        self.params = params
        self.load = around.load
        self.problems = problems
        self.size = size
        self.look = around.look
        self.environment = around.environment
        self.cadence = around.cadence
        self.zone = around.zone
        self.names: set[str] = set()
        self._numbers = itertools.count(1)
        self._keys = TableKeys(view)

    def steps(self) -> dict[str, Step]:
        """Return the steps by id, in the order written; those with mistakes are left out."""
        found: dict[str, Step] = {}
        for route, id_ in items(self.view):
            step = self._foreach(route) if route[-1] == "foreach" else self._single(route)
            if step is not None and id_ is not None:
                found[id_] = self._conditional(step, route, self._day())
        return found

    def needs(self) -> dict[str, frozenset[str]]:
        """Return what each step needs, and report what is wrong with ids and edges."""
        ids = self._ids()
        if self.view.get("dag") is None:
            return needs_in_written_order(ids)
        edges = []
        for route, text in self.view.texts("dag"):
            try:
                edges += parse_edges(int(route[1]), text)
            except ValueError as error:
                self._report(route, str(error))
        good = [e for e in edges if not [*self._unknown_steps(ids, ("dag", e.item), e.before, e.after)]]
        for edge, cycle in cycles(good):
            self._report(("dag", edge.item), f"cycle: {' -> '.join(cycle)}")
        return needs_of(ids, good)

    # --------------------------------------------------------------------------------------- ids and edges

    def _ids(self) -> list[str]:
        """Return the ids of the steps, and report those that occur twice, inside templates and loops too."""
        first: dict[str, int] = {}
        for route in self._id_routes():
            id_ = self.view.text(*route)
            if id_ is None:
                continue
            line = self.file.value_place(route).line
            if id_ in first:
                self._report(route, f"duplicate id '{id_}'; it stands on line {first[id_]} already")
            first.setdefault(id_, line)
        return list(dict.fromkeys(id_ for _, id_ in items(self.view) if id_ is not None))

    def _id_routes(self) -> Iterator[YamlPath]:
        for route, _ in items(self.view):
            yield (*route, "id")
            yield from (inner for inner in self._inner(route) if self.view.text(*inner) is not None)

    def _inner(self, route: YamlPath) -> Iterator[YamlPath]:
        yield (*route, "job", "id")
        yield from ((*route, "write", i, "job", "id") for i in range(self.view.length(*route, "write")))

    def _unknown_steps(self, ids: list[str], route: YamlPath, *names: str) -> Iterator[str]:
        inside = {self.view.text(*inner): id_ for outer, id_ in items(self.view) for inner in self._inner(outer)}
        for name in names:
            if name in ids:
                continue
            part_of = inside.get(name)
            hint = f"; it is part of '{part_of}': name that" if part_of else did_you_mean(name, ids)
            place = self.file.value_place(route)
            at = place.inside(max(place.written.find(name), 0))
            self.problems.add(at.problem(f"unknown step '{name}'{hint}"))
            yield name

    def _report(self, route: YamlPath, message: str) -> None:
        self.problems.add(self.view.problem(route, message))

    # ---------------------------------------------------------------------------------------------- steps

    def _single(self, route: YamlPath) -> Step | None:
        outer = route[:-1]
        item = self._validated(StepItem, self.view.get(*outer), outer)
        if route[-1] == "template":
            return WapStep(self._keyed(item.template, (*route, "audits"))) if item is not None else None
        child = self._child(route, self.view.get(*route))
        return self._step(item.job, route, child) if isinstance(item, JobItem) else None

    def _foreach(self, route: YamlPath) -> Step | None:
        item: ForeachItem | None = self._validated(StepItem, self.view.get(*route[:-1]), route[:-1])
        over: Literal["dates", "items"] = "dates" if self.view.get(*route, "items") is None else "items"
        dates, found = self._items(route) if over == "items" else self._dates(route)
        turns = []
        for date in (dates[0], dates[-1]) if self.size.ends_only and len(dates) > 2 else dates:
            before = self.size.count
            turns.append(self._turn((*route, "job"), date))
            if (count := before + (self.size.count - before) * (len(dates) - len(turns) + 1)) > MAX_WORKFLOWS:
                self._report((*route, over), too_many(count))
                return None
        whole = tuple(turn for turn in turns if turn is not None)
        if item is None or len(whole) < len(turns):
            return None
        foreach = item.foreach
        return ForeachStep(foreach.id, foreach.parallel, whole, tuple(dates), found, over, cadence=self.cadence)

    def _turn(self, route: YamlPath, date: str) -> EachDate | None:
        if not isinstance(self.view.get(*route), dict):
            return None
        fill = fill_with(self.file, self.resolver, each=date)
        data = self.file.filled(route, fill, self.view.failed)
        job = self._validated(Job, data, route)
        step = self._step(job, route, self._child(route, data))
        if step is None:
            return None
        return EachDate(date, self._conditional(step, route, date[:10] if is_date(date[:10]) else self._day()))

    def _conditional(self, step: AnyStep, route: YamlPath, day: str) -> AnyStep:
        """Return a step with why it does not run on a day, if so."""
        self.problems.update(condition_problems(self.view, self.resolver, route))
        why = why_not(self.view, self.resolver, route, day)
        return dataclasses.replace(step, left_out=why) if why is not None else step

    def _day(self) -> str:
        """Return the day that the workflow runs for; of an hour the one that it lies in."""
        known = "EXECUTION_DATE" in self.resolver.sources
        day = ((self.resolver.value("EXECUTION_DATE") if known else None) or "")[:10]
        return day if is_date(day) else self.resolver.value(f"{PREFIX}yesterday") or ""

    def _step(self, job: Any, route: YamlPath, child: Workflow | None) -> JobStep | SubworkflowStep | None:
        if isinstance(job, SubworkflowJob):
            return SubworkflowStep(job, child) if child is not None else None
        if isinstance(job, AuditJob):
            job = job.model_copy(update={"audit": self._keyed(job.audit, (*route, "audit", "audits"))})
        return JobStep(job) if job is not None else None

    def _keyed(self, audited: Any, route: YamlPath) -> Any:
        told = self._keys.told(audited)
        self.problems.update(self._keys.missing(told, route))
        return told

    def _items(self, route: YamlPath) -> tuple[list[str], DatesFound | None]:
        """Return the items of a foreach, and how they were found where they are those that changed."""
        if kind_of_items(self.view.get(*route, "items")) == "changed":
            changed = self._validated(ChangedItems, self.view.get(*route, "items"), (*route, "items"))
            found = self._changed(route, changed) if changed is not None else None
            return [*found.dates] if found is not None else [ANY_ITEM], found
        self.problems.update(item_problems(self.view, route))
        return [*item_texts(self.view, route)] or [""], None

    def _dates(self, route: YamlPath) -> tuple[list[str], DatesFound | None]:
        """Return the dates of a foreach, and how they were found where they are those that changed."""
        latest = self._latest()
        match self._validated(Dates, self.view.get(*route, "dates"), (*route, "dates")):
            case LastDates(last=last):
                return [str(it) for it in latest.back(last)], None
            case DateRange(from_=first, to=end):
                return [str(it) for it in first.upto(end)], None
            case ChangedDates() as changed:
                found = self._changed(route, changed)
                return list(found.dates), found
            case _:
                return [str(latest)], None

    def _changed(self, route: YamlPath, dates: ChangedDates | ChangedItems) -> DatesFound:
        """Ask for what changed; the workflow that is run for each says where that is remembered."""
        by_item = isinstance(dates, ChangedItems)
        place = (*route, "items" if by_item else "dates", "changed")
        before = len(self.problems)
        turn = self._turn((*route, "job"), ANY_ITEM if by_item else str(self._latest()))
        sources = []
        failed = {route[: len(place) + 1] for route in self.view.failed}  # reported already
        for number, given in enumerate(dates.changed if turn is not None else ()):
            if (*place, number) in failed:
                continue
            try:
                sources.append(source_of(given, turn))
            except ValueError as error:
                self._report((*place, number), str(error))
        targets = targets_of(turn, by_item=by_item)
        if turn is not None and not targets:
            kind = " with 'item'" if by_item else ""
            self._report(place, f"changes are remembered by a high-water mark, and the job here has no HWM job{kind}")
        asked = (1, False, dates.column) if isinstance(dates, ChangedItems) else (dates.last, dates.in_order, None)
        last, in_order, column = asked
        question = ChangedQuestion(
            tuple(sources), targets, last, dates.max, in_order, self._latest(), self.environment, self.zone, column
        )
        is_whole = turn is not None and len(self.problems) == before
        return self.look(question) if is_whole else last_dates(question)

    def _latest(self) -> Period:
        """Return the last whole period: yesterday, where the definition is daily."""
        return self.cadence.parse(self.resolver.value(f"{PREFIX}{self.cadence.built_in}") or "")

    def _validated(self, annotation: Any, data: Any, route: YamlPath) -> Any:
        try:
            return validated(annotation, self.file, data, route, self.view.failed, context_of(self.cadence))
        except ValidationProblems as mistakes:
            self.problems.update(mistakes.problems)
            return None

    # ------------------------------------------------------------------------------- contained workflows

    def _child(self, route: YamlPath, job: Any) -> Workflow | None:
        """Load the definition that a job names, whatever else may be wrong with the job."""
        spec = job.get("subworkflow") if isinstance(job, dict) else None
        place = (*route, "subworkflow", "file")
        if not isinstance(spec, dict) or not isinstance(spec.get("file"), str) or place in self.view.failed:
            return None
        file = (self.file.path.parent / spec["file"]).resolve()
        chain = (*self.call.above, self.call.file.resolve())
        if not is_file(file):
            self._report(place, unreadable(file))
        elif file in chain:
            names = " -> ".join(path.name for path in (*chain[chain.index(file) :], file))
            self._report(place, f"a workflow can't be part of itself: {names}")
        elif len(chain) > MAX_DEPTH:
            self._report(place, f"workflows are contained in one another more than {MAX_DEPTH} deep")
        else:
            run_id = f"{self.call.run_id}_{next(self._numbers)}"
            caller = self._caller((*route, "subworkflow", "params"), spec.get("params"))
            return self._loaded(LoadRequest(file, run_id, caller, chain), (*route, "subworkflow", "params"))
        return None

    def _loaded(self, call: LoadRequest, params: YamlPath) -> Workflow | None:
        loaded = self.load(call)
        if loaded.names is not None:
            self.names |= loaded.names
            for name in call.caller.keys() - loaded.names:
                message = f"{call.file.name} neither declares nor uses a parameter '{name}'"
                place = self.file.key_place((*params, name))
                self.problems.add(place.problem(message + did_you_mean(name, loaded.names)))
        return loaded.workflow

    def _caller(self, route: YamlPath, params: Any) -> dict[str, ParameterSource]:
        sources = {}
        for name, value in params.items() if isinstance(params, dict) else ():
            place = (*route, name)
            if place not in self.file.texts:
                continue
            if name in self.params and f"${{{EACH}}}" in self.file.texts[place]:
                over = "dates" if self.view.get(*route[:3], "items") is None else "items"
                message = f"'{name}' is each {over[:-1]} in turn here: choose the {over}, not --param {name}"
                self._report(place, message)
            text = value if isinstance(value, str) else self.file.texts[place]
            known = None if place in self.view.failed else text
            sources[name] = ParameterSource(known, "caller", self.file.values[place], final=True)
        return sources
