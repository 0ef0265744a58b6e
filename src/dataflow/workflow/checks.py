"""What is checked beyond a definition's shape: files that must be there, names, dates, times and owners."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dataflow.errors import DefinitionError, Problem, did_you_mean, display_path
from dataflow.workflow.models import ITEM_KINDS
from dataflow.workflow.parameters import POINTER, script_problems, sql_placeholders
from dataflow.workflow.program_kind import Kind, program_kind, sbt_project
from dataflow.workflow.trigger import trigger_routes
from dataflow.workflow.validation import PARAMETER_IN_KEY
from dataflow.workflow.values import FIRST_DAY, LAST_DAY, is_timezone
from dataflow.workflow.yamlfile import YamlFile, YamlPath, is_file, is_folder, read_text, unreadable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

AUDITED = "AUDITED"
"""What stands for the rows under audit in a SQL audit."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_CRON_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _DAYS),
)
_LONGEST = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30} | dict.fromkeys((1, 3, 5, 7, 8, 10, 12), 31)
_CRON_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d+))?")
_DATE_LIKE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?")


@dataclass
class DefinitionView:
    """A definition with its parameters put in, as the checks see it.

    Attributes:
        file: The file.
        data: Its data, which may have any shape: what is misshapen is somebody else's to report.
        failed: Where a parameter could not be put in, which is reported already.
        known: The names that scripts may use.
        owners: The owners that the project knows.
        used: Filled by the checks: the names that scripts use.
    """

    file: YamlFile
    data: dict[str, Any]
    failed: set[YamlPath]
    known: Collection[str]
    owners: Collection[str]
    used: set[str]

    def get(self, *route: str | int) -> Any:
        """Return the value there, or None when there is none."""
        value: Any = self.data
        for step in route:
            if isinstance(step, int):
                value = value[step] if isinstance(value, list) and step < len(value) else None
            else:
                value = value.get(step) if isinstance(value, dict) else None
        return value

    def text(self, *route: str | int) -> str | None:
        """Return the text there, or None when there is none or it was reported already."""
        value = self.get(*route)
        return value if isinstance(value, str) and route not in self.failed else None

    def texts(self, *route: str | int) -> Iterator[tuple[YamlPath, str]]:
        """Yield the texts of a list there, with their routes."""
        for i in range(self.length(*route)):
            if (text := self.text(*route, i)) is not None:
                yield (*route, i), text

    def length(self, *route: str | int) -> int:
        """Return how many items a list there has."""
        value = self.get(*route)
        return len(value) if isinstance(value, list) else 0

    def problem(self, route: YamlPath, message: str) -> Problem:
        """Return a mistake at a value."""
        return self.file.value_place(route).problem(message)


def check(view: DefinitionView) -> Iterator[Problem]:
    """Yield what is wrong with a definition beyond its shape."""
    yield from _keys(view)
    yield from _trigger(view)
    for event in ("on_failure", "on_success", "on_late"):
        yield from _targets(view, ("notifications", event))
    for route in jobs(view):
        yield from _job(view, route)
    for route in _audits(view):
        yield from _audit(view, route)
    for i in range(view.length("jobs")):
        yield from _partition(view, ("jobs", i, "template", "partition"))


def items(view: DefinitionView) -> Iterator[tuple[YamlPath, str | None]]:
    """Yield the steps of a definition: where each stands, and its id."""
    for i in range(view.length("jobs")):
        for kind in ITEM_KINDS:
            if isinstance(view.get("jobs", i, kind), dict):
                yield ("jobs", i, kind), view.text("jobs", i, kind, "id")


def jobs(view: DefinitionView) -> Iterator[YamlPath]:
    """Yield where the jobs of a definition stand, those inside templates and loops included."""
    for route, _ in items(view):
        match route[-1]:
            case "job":
                yield route
            case "foreach":
                yield (*route, "job")
            case _:
                yield from ((*route, "write", i, "job") for i in range(view.length(*route, "write")))


def _keys(view: DefinitionView) -> Iterator[Problem]:
    for route, place in view.file.keys.items():
        if "${" in str(route[-1]):
            yield place.problem(PARAMETER_IN_KEY)


def _trigger(view: DefinitionView) -> Iterator[Problem]:
    if view.get("run_strategy") is not None and view.get("trigger") is None:
        why = "'run_strategy' is about the moments of a 'trigger': add one, or leave it out"
        yield view.file.key_place(("run_strategy",)).problem(why)
    for route in trigger_routes(view.data):
        for place in ((*route, "cron"), *(place for place, _ in view.texts(*route, "cron"))):
            if (cron := view.text(*place)) is not None and (message := cron_mistake(cron)):
                yield view.problem(place, message)
        yield from _timezone(view, (*route, "timezone"))


def _timezone(view: DefinitionView, route: YamlPath) -> Iterator[Problem]:
    name = view.text(*route)
    if name is not None and not is_timezone(name):
        nearest = did_you_mean(name, zoneinfo.available_timezones(), limit=0).partition(";")[2]
        hint = f";{nearest}" if "mean" in nearest else "; write it as Europe/Berlin or UTC"
        yield view.problem(route, f"unknown time zone '{name}'{hint}")


def _targets(view: DefinitionView, route: YamlPath) -> Iterator[Problem]:
    for place, target in view.texts(*route):
        if "@" in target or "${secret:" in target or target == "owner" or target in view.owners:
            continue
        nearest = did_you_mean(target, ["owner", *view.owners])
        yield view.problem(place, f"'{target}' is neither an e-mail address nor an owner in dataflow.yaml{nearest}")


def _job(view: DefinitionView, route: YamlPath) -> Iterator[Problem]:
    own = view.get(*route, "spark", "params")
    names = set(own) if isinstance(own, dict) else set()
    yield from _program(view, (*route, "spark"), names)
    yield from _targets(view, (*route, "notification", "to"))
    yield from _timezone(view, (*route, "hwm", "timezone"))
    yield from _partition(view, (*route, "audit", "partition"))
    moment = view.text(*route, "hwm", "datetime")
    if moment is not None and not is_moment(moment):
        message = f"'datetime' should be a date or a time such as 2026-01-31 or 2026-01-31T06:00, not '{moment}'"
        yield view.problem((*route, "hwm", "datetime"), message)


def _audits(view: DefinitionView) -> Iterator[YamlPath]:
    for route, _ in items(view):
        audits = (*route, "audits") if route[-1] == "template" else (*route, "audit", "audits")
        for i in range(view.length(*audits)):
            yield (*audits, i)


def _audit(view: DefinitionView, route: YamlPath) -> Iterator[Problem]:
    suffix = {"sql_should_return_no_rows": ".sql", "python_should_pass": ".py"}.get(str(view.get(*route, "function")))
    if suffix:
        yield from _script(view, (*route, "script"), (suffix,), {AUDITED})


def _partition(view: DefinitionView, route: YamlPath) -> Iterator[Problem]:
    partition = view.get(*route)
    for column in partition if isinstance(partition, dict) else ():
        value = view.text(*route, column)
        if value is not None and _DATE_LIKE.fullmatch(value) and not is_moment(value):
            yield view.problem((*route, column), f"'{value}' is not a valid date")


def _program(view: DefinitionView, route: YamlPath, names: set[str]) -> Iterator[Problem]:
    """Check what a Spark job runs; a jar that its sbt project will make need not be there yet."""
    name = view.text(*route, "script")
    if name is None or name.startswith(POINTER):
        return
    path = view.file.path.parent / name
    kind = program_kind(path)
    if kind is None:
        message = f"a script ends in .sql, .py, .R or .jar, or is an sbt project's folder, not '{path.suffix or name}'"
        yield view.problem((*route, "script"), message)
    elif kind is Kind.JAR:
        yield from _jar(view, (*route, "script"), path)
    else:
        for key in ("class", "args"):
            if view.get(*route, key) is not None:
                yield view.problem((*route, key), f"'{key}' is for jars and sbt projects, not a {kind.value} file")
        yield from _script(view, (*route, "script"), (kind.value,), names)


def _jar(view: DefinitionView, route: YamlPath, path: Path) -> Iterator[Problem]:
    if is_folder(path) and sbt_project(path) is None:
        yield view.problem(route, f"{display_path(path)} holds no build.sbt, and only an sbt project's folder can run")
    elif sbt_project(path) is None and not is_file(path):
        yield view.problem(route, unreadable(path))


def _script(view: DefinitionView, route: YamlPath, suffixes: tuple[str, ...], names: set[str]) -> Iterator[Problem]:
    name = view.text(*route)
    if name is None:
        return
    path = view.file.path.parent / name
    if path.suffix not in suffixes:
        yield view.problem(route, f"a script here ends in {' or '.join(suffixes)}, not '{path.suffix}'")
    elif not is_file(path):
        yield view.problem(route, unreadable(path))
    elif path.suffix == ".sql":
        problems, used = _sql(path, frozenset({*view.known, *names}), path.stat().st_mtime_ns)
        view.used.update(used)
        yield from problems


@lru_cache(maxsize=256)
def _sql(path: Path, known: frozenset[str], _changed: int) -> tuple[list[Problem], set[str]]:
    """Check the placeholders of a SQL script; a backfill asks for the same script once a day."""
    try:
        text = read_text(path)
    except DefinitionError as error:
        return [*error.problems], set()
    return script_problems(text, known, path), {found.name for found in sql_placeholders(text)}


@lru_cache(maxsize=64)
def is_moment(text: str) -> bool:
    """Say whether a text is an ISO date, or an ISO date and time, within the days that a run may be for."""
    try:
        return bool(_MOMENT.fullmatch(text)) and FIRST_DAY <= dt.datetime.fromisoformat(text).date() <= LAST_DAY
    except ValueError:
        return False


def is_date(text: str) -> bool:
    """Say whether a text is an ISO date."""
    return len(text) == 10 and is_moment(text)


def cron_mistake(text: str) -> str | None:
    """Say what is wrong with a schedule of five fields, or return None."""
    fields = text.split()
    if len(fields) != len(_CRON_FIELDS):
        return f"a schedule has five fields (minute, hour, day, month, day of week), not {len(fields)}: '{text}'"
    for field, (name, low, high, words) in zip(fields, _CRON_FIELDS, strict=True):
        for part in field.split(","):
            if not _cron_part_fits(part, low, high, words):
                return f"'{part}' is not a valid {name}: {low} to {high}, *, a-b, or */n"
    if fields[4] == "*" and _is_impossible(fields[2], fields[3]):
        return f"the schedule '{text}' never comes: no month of it has such a day"
    return None


def _is_impossible(days: str, months: str) -> bool:
    """Say whether no day of a month that a schedule names is in a month that it names."""
    first = min(_cron_numbers(days, 1, 31, ()))
    return first > max(_LONGEST[month] for month in _cron_numbers(months, 1, 12, _MONTHS))


def _cron_numbers(field: str, low: int, high: int, words: tuple[str, ...]) -> Iterator[int]:
    """Yield the numbers of a field that is as it should be."""
    for part in field.split(","):
        if found := _CRON_PART.fullmatch(part):
            step = int(found[3] or 1)
            first = _cron_number(found[1], low, words) if found[1] else low
            last = _cron_number(found[2], low, words) if found[2] else first if found[1] and not found[3] else high
            yield from range(first, last + 1, step)


def _cron_part_fits(part: str, low: int, high: int, words: tuple[str, ...]) -> bool:
    found = _CRON_PART.fullmatch(part)
    if not found or found[3] == "0":
        return False
    bounds = [_cron_number(word, low, words) for word in (found[1], found[2]) if word]
    return all(low <= bound <= high for bound in bounds) and bounds == sorted(bounds)


def _cron_number(word: str, low: int, words: tuple[str, ...]) -> int:
    if word.lower() in words:
        return words.index(word.lower()) + low
    return int(word) if word.isdecimal() else -1
