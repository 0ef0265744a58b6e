"""From a `*.sch.yaml` file to a workflow that is ready to run, or to all that is wrong with it at once."""

from __future__ import annotations

import datetime as dt
import functools
import os
import secrets
import zoneinfo
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import DefinitionError, Problem, UsageError, did_you_mean
from dataflow.workflow.changed_dates import Look, last_dates
from dataflow.workflow.checks import AUDITED, DefinitionView, check
from dataflow.workflow.dates import context_of
from dataflow.workflow.expand import WorkflowExpander
from dataflow.workflow.expansion import MAX_WORKFLOWS, LoadRequest, LoadResult, Size, Surroundings, contained, too_many
from dataflow.workflow.filling import fill_with
from dataflow.workflow.foreach_items import first_items
from dataflow.workflow.graph import ordered
from dataflow.workflow.identity import Identity, current_user
from dataflow.workflow.models import Definition
from dataflow.workflow.parameters import PARAMETER_NAME, PREFIX, ParameterResolver, ParameterSource
from dataflow.workflow.periods import Cadence, Period, clock_at
from dataflow.workflow.project import Environment, environment, find_project, read_identity
from dataflow.workflow.resolved import Step, Workflow
from dataflow.workflow.trigger import ParallelRuns, each_trigger, trigger_routes
from dataflow.workflow.trigger_tables import wakes_itself, with_tables
from dataflow.workflow.validation import ValidationProblems, validated
from dataflow.workflow.values import is_timezone
from dataflow.workflow.yamlfile import SourceLocation, YamlFile, YamlPath, read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

EXECUTION_DATE = "EXECUTION_DATE"
"""The parameter that `--date` sets."""


@dataclass(frozen=True)
class Request:
    """What the caller asks of a definition.

    Attributes:
        params: `--param`: values that win over all others.
        date: `--date`: the last whole period, `${dataflow.yesterday}` of a daily definition, as it is written; and
            EXECUTION_DATE where the definition declares it.
        env: `--env`: the environment; the sandbox when None.
        run_id: The run's id; a new one when None.
        environment: The environment itself, where none of `dataflow.yaml` is meant: a deployment's.
        user: Who `${dataflow.user}` is; the current user when None.
        reference: Says what the name of an asset, such as `dataflow.jar.scala-workflow`, stands for.
        bundle: The bundle that it is run from.
        look: Finds the days that changed, of a foreach over those; the last ones stand for them when omitted.
        clock: What built-ins that tell the time are without a date: those of a run that is done again.
        ends_only: Of a foreach only the first and the last date is expanded: enough to say what a run would do.
    """

    params: Mapping[str, str] = field(default_factory=dict)
    date: str | dt.date | None = None
    env: str | None = None
    run_id: str | None = None
    environment: Environment | None = None
    user: str | None = None
    reference: Callable[[str], str] | None = None
    bundle: str | None = None
    look: Look = last_dates
    clock: Mapping[str, str] = field(default_factory=dict)
    ends_only: bool = False


def new_run_id() -> str:
    """Return an id for a run: when it began, and a few letters that no other run has."""
    return f"{dt.datetime.now(dt.UTC):%Y%m%dt%H%M%S}_{secrets.token_hex(3)}"


def load_workflow(file: Path, request: Request | None = None) -> Workflow:
    """Read a definition and all that it refers to, put its parameters in, check it, and expand it.

    Args:
        file: A `*.sch.yaml` file.
        request: Parameters, date and environment; a plain run's when omitted.

    Raises:
        DefinitionError: There are mistakes in it, or in files that it refers to: all of them.
        UsageError: The request names an environment or a parameter that there is not.
    """
    request = request or Request()
    file = Path(os.path.normpath(file.absolute()))
    loader = _Loader(request, request.environment or environment(find_project(file.parent), request.env))
    loaded = loader.load(LoadRequest(file, request.run_id or new_run_id()))
    unknown = [] if loaded.names is None else _unknown_params(request, loaded.names, file)
    if loader.problems:
        raise DefinitionError([*loader.problems, *(_given("--param").problem(message) for message in unknown)])
    if unknown:
        raise UsageError("\n".join(unknown))
    if loaded.workflow is None:
        raise AssertionError(f"{file} has no workflow and no mistake")
    return loaded.workflow


def load_periods(file: Path, request: Request, periods: Sequence[Period], run_id: str) -> list[Workflow]:
    """Load a definition for each of several periods, as `load_workflow` does for one; its files are read once.

    Args:
        file: A `*.sch.yaml` file.
        request: Parameters and environment; its date does not count.
        periods: The periods.
        run_id: The run that their runs are part of.

    Raises:
        DefinitionError: There are mistakes in it.
        UsageError: The request names an environment or a parameter that there is not.
    """
    file = Path(os.path.normpath(file.absolute()))
    where = request.environment or environment(find_project(file.parent), request.env)
    found: list[Workflow] = []
    shared: _Loader | None = None
    for number, period in enumerate(periods, 1):
        loader = _Loader(replace(request, date=str(period)), where, shared)
        shared = shared or loader
        loaded = loader.load(LoadRequest(file, f"{run_id}_{number}"))
        unknown = [] if loaded.names is None else _unknown_params(request, loaded.names, file)
        if loader.problems or unknown or loaded.workflow is None:
            raise DefinitionError([*loader.problems, *(_given("--param").problem(message) for message in unknown)])
        found.append(loaded.workflow)
    return found


def _unknown_params(request: Request, names: set[str], file: Path) -> list[str]:
    return [
        f"{file.name} neither declares nor uses a parameter '{name}'{did_you_mean(name, names)}"
        for name in request.params
        if name not in names
    ]


def _given(option: str, value: str = "") -> SourceLocation:
    """Return the place of what stands in no file but on the command line."""
    return SourceLocation(Path(option), 0, 0, value)


class _Loader:
    """Loads one definition and those that it refers to; what they share is worked out once."""

    def __init__(self, request: Request, environment: Environment, shared: _Loader | None = None) -> None:
        self.request = request
        self.environment = environment
        self.problems: set[Problem] = set()
        self._files: dict[Path, YamlFile | None] = {} if shared is None else shared._files
        self._identities: dict[Path, Identity] = {} if shared is None else shared._identities
        self._user: str | None = request.user
        self.size = Size(ends_only=request.ends_only)
        self._clock: dict[str, str] = {}
        self._zone = "UTC"

    def load(self, call: LoadRequest) -> LoadResult:
        """Load one definition for one run of it."""
        file = self._read(call.file)
        if file is None:
            return LoadResult(None, None)
        if not call.above and (problem := self._bomb(file)):
            self.problems.add(problem)
            return LoadResult(None, None)
        self.size.count += 1
        resolver = self._resolver(file, call)
        view = self._view(file, resolver)
        definition = self._definition(view)
        self.problems.update(check(view))
        around = Surroundings(
            self.load, self.request.look, self._resolved_environment(resolver), cadence_of(file), self._zone
        )
        expansion = WorkflowExpander(view, resolver, call, self.request.params, around, self.problems, self.size)
        steps, needs = expansion.steps(), expansion.needs()
        self.problems.update(resolver.problems)
        if definition is not None and not self.problems:
            definition = with_tables(view, definition, steps.values(), self.problems)
        names = {*self.environment.params, *_declared(file), *resolver.used, *view.used, *expansion.names}
        names = {name for name in names if PARAMETER_NAME.fullmatch(name) and name != AUDITED}
        if definition is None or self.problems:
            return LoadResult(None, names)
        workflow = self._workflow(definition, call, resolver, steps, needs)
        self.problems.update(wakes_itself(view, workflow))
        return LoadResult(workflow, names)

    def _workflow(
        self,
        definition: Definition,
        call: LoadRequest,
        resolver: ParameterResolver,
        steps: Mapping[str, Step],
        needs: Mapping[str, frozenset[str]],
    ) -> Workflow:
        identity = self._identity(call.file.parent)
        values = {name: resolver.value(name) or "" for name in sorted(resolver.known)}
        own = {name: source for name, source in resolver.sources.items() if not name.startswith(PREFIX)}
        strategy = definition.run_strategy
        return Workflow(
            id=definition.workflow.id,
            file=call.file,
            run_id=call.run_id,
            description=definition.workflow.description,
            owner=definition.workflow.owner or identity.owner,
            tags=tuple(definition.workflow.tags),
            params={name: values[name] for name in own},
            builtins={name.removeprefix(PREFIX): v for name, v in values.items() if name.startswith(PREFIX)},
            identity=identity,
            environment=self._resolved_environment(resolver),
            steps=tuple(steps[id_] for id_ in ordered(needs)),
            needs=needs,
            triggers=each_trigger(definition.trigger),
            notifications=definition.notifications,
            origins={name: source.origin for name, source in own.items()},
            bundle=self.request.bundle,
            concurrency=definition.concurrency,
            cadence=Cadence(definition.cadence),
            strategy=strategy.parallel if isinstance(strategy, ParallelRuns) else strategy or "latest only",
        )

    def _bomb(self, file: YamlFile) -> Problem | None:
        """Say so of a definition whose contained ones contain others, and so on, until they are too many to load."""
        count = contained(file.path, lambda path: self._read(path, quietly=True))
        return file.value_place(("jobs",)).problem(too_many(count)) if count > MAX_WORKFLOWS else None

    def _definition(self, view: DefinitionView) -> Definition | None:
        try:
            found: Definition = validated(
                Definition, view.file, view.data, failed=view.failed, context=context_of(cadence_of(view.file))
            )
        except ValidationProblems as mistakes:
            self.problems.update(mistakes.problems)
            return None
        return found

    def _view(self, file: YamlFile, resolver: ParameterResolver) -> DefinitionView:
        """Put the parameters in; inside a foreach, for a day that stands for all its dates, or its first item."""
        failed: set[YamlPath] = set()
        items = first_items(file, resolver)
        each = resolver.value(f"{PREFIX}{cadence_of(file).built_in}") or ""
        fill = fill_with(file, resolver, each=each, items=items)
        data = {key: file.filled((key,), fill, failed) for key in file.data if key != "params"}
        if "params" in file.data:
            params = file.data["params"]
            data["params"] = dict(params) if isinstance(params, dict) else params
            self.problems.update(_parameter_names(file))
        return DefinitionView(file, data, failed, resolver.known, self.environment.owners.keys(), set())

    # ------------------------------------------------------------------------------------- parameters

    def _resolver(self, file: YamlFile, call: LoadRequest) -> ParameterResolver:
        sources = self._sources(file, call)
        identity = self._identity(call.file.parent)
        builtins: dict[str, Callable[[], str]] = {
            "dataflow.owner": lambda: identity.owner,
            "dataflow.user": self._current_user,
            "dataflow.package_id": lambda: identity.package_id,
            "dataflow.package_slug": lambda: identity.package_slug,
            "dataflow.env": lambda: self.environment.name,
            "dataflow.run_id": lambda: call.run_id,
        }
        cadence = cadence_of(file)
        if not self._clock:  # once, by the trigger of the definition that was asked for
            self._zone = _zone(file, ParameterResolver(sources, builtins))
            self._clock = self._told_time(cadence) or _now(self._zone)
        builtins |= {f"{PREFIX}{name}": functools.partial(str, value) for name, value in self._clock.items()}
        resolver = ParameterResolver(sources, builtins, reference=self.request.reference)
        self._read_date(resolver, cadence)
        for name in sources:
            resolver.value(name)
        return resolver

    def _told_time(self, cadence: Cadence) -> dict[str, str]:
        """Return the time that the request tells; nothing where it tells none.

        Raises:
            UsageError: Its date is of another cadence.
        """
        if self.request.date:
            period = cadence.require(str(self.request.date))
            return clock_at(period.end, period.end)
        if not self.request.clock:
            return {}
        end = Cadence.DAILY.parse(self.request.clock[Cadence.DAILY.built_in]).end
        return {**clock_at(end, end), **self.request.clock}

    def _read_date(self, resolver: ParameterResolver, cadence: Cadence) -> None:
        """Let EXECUTION_DATE be the beginning of the period that it names."""
        date = resolver.value(EXECUTION_DATE) if EXECUTION_DATE in resolver.sources else None
        if date is None:
            return
        try:
            resolver.settle(EXECUTION_DATE, str(cadence.parse(date)))
        except ValueError:
            message = f"{EXECUTION_DATE} should be {cadence.named} such as {cadence.example}, not '{date}'"
            resolver.fail(EXECUTION_DATE, message)

    def _sources(self, file: YamlFile, call: LoadRequest) -> dict[str, ParameterSource]:
        """Return where each parameter's value comes from: later ones here win over earlier ones."""
        sources = {
            name: ParameterSource(file.texts[route], "definition", file.values[route])
            for name in _declared(file)
            if (route := ("params", name)) in file.texts
        }
        has_date = EXECUTION_DATE in sources
        for name, text in self.environment.params.items():
            place = self.environment.places.get(name) or _given(f"environment {self.environment.name}", text)
            sources[name] = ParameterSource(text, "environment", place)
        sources.update(call.caller)
        if self.request.date and has_date and not call.above:
            sources[EXECUTION_DATE] = ParameterSource(str(self.request.date), "--date", _given("--date"), final=True)
        for name, text in self.request.params.items():
            sources[name] = ParameterSource(text, "--param", _given(f"--param {name}", text))
        id_ = ("workflow", "id")
        if id_ in file.texts:
            sources["dataflow.workflow_id"] = ParameterSource(file.texts[id_], "definition", file.values[id_])
        return sources

    def _resolved_environment(self, resolver: ParameterResolver) -> Environment:
        """Return the environment with its parameters put into one another, whatever a caller gave instead."""
        params = self.environment.params
        own = {name: ParameterSource(text, "environment", _given(name, text)) for name, text in params.items()}
        alone = ParameterResolver(own, resolver.builtins, reference=resolver.reference)
        return replace(self.environment, params={name: alone.value(name) or text for name, text in params.items()})

    # ------------------------------------------------------------------------------------------ files

    def _read(self, path: Path, *, quietly: bool = False) -> YamlFile | None:
        if path not in self._files:
            try:
                self._files[path] = read_yaml(path)
            except DefinitionError as error:
                if quietly:  # it is reported where it is used
                    return None
                self.problems.update(error.problems)
                self._files[path] = None
        return self._files[path]

    def _identity(self, folder: Path) -> Identity:
        if folder not in self._identities:
            try:
                self._identities[folder] = read_identity(folder)
            except DefinitionError as error:
                self.problems.update(error.problems)
                self._identities[folder] = Identity("", "", "")
        return self._identities[folder]

    def _current_user(self) -> str:
        self._user = self._user or current_user()
        return self._user


def cadence_of(file: YamlFile) -> Cadence:
    """Return the cadence that a definition has; daily, where it says none or none that there is."""
    text = file.texts.get(("cadence",), Cadence.DAILY.value)
    return Cadence(text) if text in list(Cadence) else Cadence.DAILY


def _now(zone: str) -> dict[str, str]:
    """Return the time: of days, weeks and months in a time zone."""
    now = dt.datetime.now(dt.UTC)
    local = now.astimezone(zoneinfo.ZoneInfo(zone))
    return clock_at(local.replace(tzinfo=None), now.replace(tzinfo=None))


def _zone(file: YamlFile, resolver: ParameterResolver) -> str:
    """Return the time zone of a workflow's days: that of its first trigger, else UTC."""
    routes = ((*route, "timezone") for route in trigger_routes(file.data)[:1])
    zone = next((resolver.render(file.texts.get(it, "UTC"), file.value_place(it)) for it in routes), None) or "UTC"
    return zone if is_timezone(zone) else "UTC"


def _declared(file: YamlFile) -> list[str]:
    params = file.data.get("params")
    return [*params] if isinstance(params, dict) else []


def _parameter_names(file: YamlFile) -> list[Problem]:
    return [
        place.problem(f"'{route[1]}' can't name a parameter: those are upper case")
        for route, place in file.keys.items()
        if len(route) == 2 and route[0] == "params" and not PARAMETER_NAME.fullmatch(str(route[1]))
    ]
