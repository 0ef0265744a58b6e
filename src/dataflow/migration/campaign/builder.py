"""Starts a campaign: checks the plan, then writes the file for review and the state."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dataflow.errors import UsageError, display_path
from dataflow.migration.campaign.definition import Campaign, campaign_from_row
from dataflow.migration.campaign.file import FOLDER, campaign_file
from dataflow.migration.plan.definition import MigrationPlan
from dataflow.migration.steps import require_steps
from dataflow.migration.store import CampaignRow, CampaignStore


def start_campaign(
    found: MigrationPlan,
    campaigns: CampaignStore,
    folder: Path,
    *,
    deadline: dt.date,
    who: str,
    now: dt.datetime,
    name: str | None,
) -> tuple[Campaign, Path]:
    """Start a campaign: write its file, then its state.

    Args:
        found: The plan.
        campaigns: The store that it is added to.
        folder: The root of the repository; the file is written to `migrations/` in it.
        deadline: The day by which readers should have moved.
        who: The user who starts it.
        now: The current time.
        name: Its name; made of the table and the day when None.

    Returns:
        The campaign and its file.

    Raises:
        UsageError: The deadline is past, the table has an open campaign, or another campaign drops the replacement.
    """
    if not found.breaking:
        raise UsageError(
            f"this change to {found.table} is backward compatible; no migration campaign is needed",
            "change the table's DDL: the next run applies it",
        )
    require_steps(found.table, found.changes)
    if deadline <= now.date():
        raise UsageError(f"the deadline {deadline} is not in the future", "choose a later date: --deadline YYYY-MM-DD")
    _require_name(name)
    _require_no_circle(found, campaigns)
    id_ = name or _free_name(
        folder, f"{re.sub(r'[^a-z0-9]+', '-', found.table.lower()).strip('-')}-{now:%Y%m%d}", campaigns
    )
    definition = _definition(id_, found, deadline, who)
    row = CampaignRow(id_, found.table, found.environment, "open", deadline, now, who, None, definition)
    path = folder / FOLDER / f"{id_}.yaml"
    if path.exists() and id_ not in {row.id for row in campaigns.all()}:
        raise UsageError(f"{display_path(path)} already exists", "choose another name: --name")
    with campaign_file(path, definition):
        campaigns.add(row)
    return campaign_from_row(row), path


def _require_name(name: str | None) -> None:
    if name is not None and not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        raise UsageError(
            f"'{name}' is not a valid campaign name", "use letters, digits, '_', '-' and '.', for example hours-2027"
        )


def _free_name(folder: Path, name: str, campaigns: CampaignStore) -> str:
    """Return a name that no campaign has: a second one on a table may start on the day that the first ended."""
    files = (folder / FOLDER).glob("*.yaml")  # campaigns of other environments, whose state is elsewhere, included
    taken = {row.id for row in campaigns.all()} | {path.stem for path in files}
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return name if name not in taken else next(each for each in numbered if each not in taken)


def _require_no_circle(found: MigrationPlan, campaigns: CampaignStore) -> None:
    """Require that no open campaign drops the replacement, or moves readers to the table that is dropped.

    Raises:
        UsageError: One does; the message names it.
    """
    goes = any(change.kind in {"replace", "retire"} for change in found.changes)
    following = {change.to for change in found.changes if change.kind == "replace"}
    for row in campaigns.all():
        if row.state == "open" and row.environment == found.environment:
            for change in campaign_from_row(row).changes:
                if row.table in following and change.kind in {"replace", "retire"}:
                    says = f"{row.table} can't replace {found.table}: campaign {row.id} will {change}"
                elif goes and change.kind == "replace" and change.to == found.table:
                    says = f"{found.table} can't be dropped: campaign {row.id} moves readers of {row.table} to it"
                else:
                    continue
                raise UsageError(says, row.command("status"))


def _definition(id_: str, found: MigrationPlan, deadline: dt.date, who: str) -> dict[str, Any]:
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
