"""A campaign: the file that is reviewed, and its beginning at the state address."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dataflow.errors import DataflowError, UsageError, display_path
from dataflow.files import draft_of
from dataflow.migration.changes import Change
from dataflow.migration.impact import Line, Touched
from dataflow.migration.plan import Plan
from dataflow.migration.steps import Step, require_steps
from dataflow.migration.store import Campaigns, Event, Row

FOLDER = "migrations"

_HEADER = """\
# A campaign that changes a table: `dataflow migration status {id}` says how far it is.
#
# Written by `dataflow migration start`, for review. What was started is what holds; to change it, cancel it and start
# another.
"""


@dataclass(frozen=True)
class Campaign:
    """A campaign as it was started.

    Attributes:
        row: What is kept of it.
        changes: What changes.
        steps: The way there.
        readers: The workflows that have to move, those that write the table among them.
    """

    row: Row
    changes: tuple[Change, ...]
    steps: tuple[Step, ...]
    readers: tuple[Touched, ...]

    @property
    def id(self) -> str:
        """Its name."""
        return self.row.id

    @property
    def table(self) -> str:
        """The table that changes."""
        return self.row.table

    @property
    def old_columns(self) -> tuple[str, ...]:
        """The columns that go; empty where it is the table that goes."""
        return tuple(change.column for change in self.changes if not change.safe and change.column)

    def steps_of(self, phase: str) -> tuple[Step, ...]:
        """Return the steps of a phase."""
        return tuple(step for step in self.steps if step.phase == phase)


def start(
    found: Plan, campaigns: Campaigns, folder: Path, *, deadline: dt.date, who: str, now: dt.datetime, name: str | None
) -> tuple[Campaign, Path]:
    """Open a campaign: write its file, then its state.

    Args:
        found: The plan.
        campaigns: Where its state goes.
        folder: The repository's root; the file goes into `migrations/` there.
        deadline: Until when readers should have moved.
        who: Who opens it.
        now: This moment.
        name: What to call it; made of the table and the day when None.

    Returns:
        The campaign and its file.

    Raises:
        UsageError: The deadline is over, a campaign is open on that table, or one takes away what is to replace it.
    """
    if not found.breaking:
        raise UsageError(
            f"nothing of this can break a reader of {found.table}, so it needs no campaign",
            "change the table's DDL: the next run applies it",
        )
    require_steps(found.table, found.changes)
    if deadline <= now.date():
        raise UsageError(f"the deadline {deadline} is over", "give a day in the future: --deadline YYYY-MM-DD")
    if name is not None and not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        raise UsageError(f"'{name}' can't name a campaign", "letters, digits, '_', '-' and '.', for example hours-2027")
    _require_lasting(found, campaigns)
    id_ = name or _free_name(
        folder, f"{re.sub(r'[^a-z0-9]+', '-', found.table.lower()).strip('-')}-{now:%Y%m%d}", campaigns
    )
    definition = _definition(id_, found, deadline, who)
    row = Row(id_, found.table, found.environment, "open", deadline, now, who, None, definition)
    path = folder / FOLDER / f"{id_}.yaml"
    if path.exists() and id_ not in {row.id for row in campaigns.all()}:
        raise UsageError(f"{display_path(path)} is there already", "give this campaign another name: --name")
    with _writing(path, definition):
        campaigns.add(row)
    return read(row), path


def _free_name(folder: Path, name: str, campaigns: Campaigns) -> str:
    """Return a name that no campaign had yet: a second one on a table may begin on the day that the first ended."""
    files = (folder / FOLDER).glob("*.yaml")  # that of another environment, whose state is elsewhere, among them
    taken = {row.id for row in campaigns.all()} | {path.stem for path in files}
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return name if name not in taken else next(each for each in numbered if each not in taken)


def _require_lasting(found: Plan, campaigns: Campaigns) -> None:
    """Refuse to send readers to a table that is on its way out itself: in a circle they would never arrive.

    Raises:
        UsageError: It is, or others are being sent to this one; names the campaign.
    """
    goes = any(change.kind in {"replace", "retire"} for change in found.changes)
    following = {change.to for change in found.changes if change.kind == "replace"}
    for row in campaigns.all():
        if row.state == "open" and row.environment == found.environment:
            for change in read(row).changes:
                if row.table in following and change.kind in {"replace", "retire"}:
                    says = f"{row.table} can't take the place of {found.table}: campaign {row.id} is to {change}"
                elif goes and change.kind == "replace" and change.to == found.table:
                    says = f"{found.table} can't go: campaign {row.id} sends readers of {row.table} there"
                else:
                    continue
                raise UsageError(says, f"dataflow migration status {row.id}")


def read(row: Row) -> Campaign:
    """Return a campaign out of its row."""
    data = row.definition
    return Campaign(
        row,
        tuple(Change(**{**each, "shared": tuple(each["shared"])}) for each in data["changes"]),
        tuple(Step(**each) for each in data["steps"]),
        tuple(_reader(each) for each in data["readers"]),
    )


def _reader(data: Mapping[str, Any]) -> Touched:
    lines = tuple(Line(**line) for line in data.get("lines", ()))
    return replace(
        Touched(data["workflow"], data["owner"], data["role"], file=data.get("file"), known=data.get("known", "")),
        columns=tuple(data.get("columns", ())),
        writes=tuple(data.get("writes", ())),
        lines=lines,
    )


def _definition(id_: str, found: Plan, deadline: dt.date, who: str) -> dict[str, Any]:
    return {
        "version": 1,
        "campaign": id_,
        "table": found.table,
        "environment": found.environment,
        "deadline": deadline.isoformat(),
        "opened_by": who,
        "changes": [_plain(asdict(change)) for change in found.changes],
        "steps": [asdict(step) for step in found.steps],
        "readers": [_plain(asdict(each)) for each in found.must_move],
    }


def _plain(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {key: _plain(value) for key, value in data.items()}
    return [_plain(each) for each in data] if isinstance(data, list | tuple) else data


@contextlib.contextmanager
def _writing(path: Path, definition: Mapping[str, Any]) -> Iterator[None]:
    """Write a campaign's file once what stands inside has succeeded; else leave what was there."""
    import yaml

    shown = {**definition, "readers": [_for_review(reader) for reader in definition["readers"]]}
    for part in ("changes", "steps"):
        shown[part] = [
            {key: value for key, value in each.items() if value or value is False} for each in definition[part]
        ]
    text = _HEADER.format(id=definition["campaign"]) + yaml.safe_dump(
        shown, sort_keys=False, allow_unicode=True, width=110, default_flow_style=False
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft_of(path) as draft:
            draft.write_text(text, encoding="utf-8")
            yield
    except OSError as error:
        raise DataflowError(f"{display_path(path)} can't be written: {error.strerror}") from error


def _for_review(reader: Mapping[str, Any]) -> dict[str, Any]:
    lines = [f"{display_path(Path(line['file']))}:{line['number']}: {line['text']}" for line in reader["lines"]]
    return {
        "workflow": reader["workflow"],
        "owner": reader["owner"],
        "role": reader["role"],
        "columns": list(reader["columns"]),
        **({"lines": lines} if lines else {}),
    }


def begun(found: Sequence[Event]) -> list[str]:
    """Return the names of the steps that were carried out, or may have been when a process died, in order."""
    done: dict[str, None] = {}
    for event in found:
        if event.kind in {"applying", "applied"}:
            done[event.subject] = None
        elif event.kind == "undone":
            done.pop(event.subject, None)
    return list(done)


def applied(found: Sequence[Event]) -> list[str]:
    """Return the names of the steps that were carried out and not taken back, in order."""
    done: list[str] = []
    for event in found:
        if event.kind == "applied":
            done.append(event.subject)
        elif event.kind == "undone" and event.subject in done:
            done.remove(event.subject)
    return done
