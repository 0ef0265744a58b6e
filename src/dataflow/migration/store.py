"""Campaigns in the state database: the campaigns, their events, and the notices sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dataflow.errors import DataflowError, UsageError, did_you_mean
from dataflow.state.campaign_table import campaigns
from dataflow.state.database import StateDatabase, UtcDateTime, metadata
from dataflow.state.utc import now
from dataflow.workflow.project import SANDBOX

_ATTEMPTS = 50

events = sa.Table(
    "dataflow_campaign_events",
    metadata,
    sa.Column("campaign", sa.String(200), sa.ForeignKey(campaigns.c.id), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("moment", UtcDateTime, nullable=False),
    sa.Column("kind", sa.String(30), nullable=False),
    sa.Column("subject", sa.String(500), nullable=False),
    sa.Column("who", sa.String(200), nullable=False),
    sa.Column("note", sa.Text),
    sa.Column("detail", sa.JSON),
)
notices = sa.Table(
    "dataflow_campaign_notices",
    metadata,
    sa.Column("campaign", sa.String(200), sa.ForeignKey(campaigns.c.id), primary_key=True),
    sa.Column("owner", sa.String(200), primary_key=True),
    sa.Column("level", sa.String(30), primary_key=True),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("moment", UtcDateTime, nullable=False),
    sa.Column("told", sa.Text),
)


@dataclass(frozen=True)
class CampaignEvent:
    """An event of a campaign.

    Attributes:
        moment: When it happened.
        kind: `opened`, `acked`, `moved`, `returned`, `joined`, `applying`, `applied`, `forced`, `cancelling`, `undone`,
            `cancelled`, `done`.
        subject: A workflow, an owner or a step.
        who: The user.
        note: The note or reason given.
        detail: Further data.
    """

    moment: dt.datetime
    kind: str
    subject: str
    who: str
    note: str | None
    detail: Mapping[str, Any] | None


@dataclass(frozen=True)
class CampaignRow:
    """A campaign in the state database.

    Attributes:
        id: Its name.
        table: The table that changes.
        environment: Where it is.
        state: `open`, `done` or `cancelled`.
        deadline: The day by which readers should have moved.
        opened: When it was started.
        opened_by: The user who started it.
        closed: When it ended.
        definition: The content of the campaign file.
    """

    id: str
    table: str
    environment: str
    state: str
    deadline: dt.date
    opened: dt.datetime
    opened_by: str
    closed: dt.datetime | None
    definition: Mapping[str, Any]

    def command(self, verb: str) -> str:
        """Return what to type to do something with it, wherever one is."""
        return f"dataflow migration {verb} {self.id}{env_option(self.environment)}"


def env_option(environment: str) -> str:
    """Return the words that name an environment in a command to type; none for the sandbox, which needs none."""
    return "" if environment == SANDBOX else f" --env {environment}"


class CampaignStore:
    """The campaigns in a state database, as one of its environments sees them.

    Args:
        database: The state database.
        environment: The environment: a campaign runs only where it was started.
    """

    def __init__(self, database: StateDatabase, environment: str) -> None:
        self._database = database
        self._environment = environment

    @property
    def database(self) -> StateDatabase:
        """The state database."""
        return self._database

    def add(self, row: CampaignRow) -> None:
        """Add a campaign.

        Raises:
            UsageError: The table has an open campaign, or the name is taken.
        """
        self.require_free(row.id, row.table)
        values = {
            "id": row.id,
            "table_name": row.table,
            "environment": row.environment,
            "state": row.state,
            "open_on": f"{row.environment}/{row.table}",
            "deadline": row.deadline,
            "opened": row.opened,
            "opened_by": row.opened_by,
            "definition": dict(row.definition),
        }
        self._database.insert(campaigns, values)  # of two at once, the unique column lets one through
        self.note(row.id, "opened", row.table, row.opened_by)

    def require_free(self, name: str, table: str) -> None:
        """Require that a table has no open campaign, and that a name is free.

        Raises:
            UsageError: It has one, or the name is taken.
        """
        for known in self.all():
            if known.state == "open" and (known.environment, known.table) == (self._environment, table):
                raise self._is_open(known)
            if known.id == name:
                raise UsageError(f"campaign '{name}' already exists", "choose another name: --name")

    def all(self) -> list[CampaignRow]:
        """Return all campaigns at the state address, newest first."""
        return [_row(row) for row in self._database.rows(sa.select(campaigns).order_by(campaigns.c.opened.desc()))]

    def get(self, name: str | None, *, ended: bool = False) -> CampaignRow:
        """Return a campaign of the environment by its name or table, or the only open one.

        Args:
            name: Its name or table.
            ended: Whether to return the one that ended last where none is open.

        Raises:
            UsageError: There is none, the name is ambiguous, or it belongs to another environment.
        """
        everywhere = self.all()
        known = [row for row in everywhere if row.environment == self._environment]
        live = [row for row in known if row.state == "open"]
        if name is None:
            if len(live) == 1:
                return live[0]
            if ended and not live and known:
                return max(known, key=lambda row: row.closed or row.opened)
            listed = f": {', '.join(row.id for row in live)}" if live else ""
            count = len(live) or "no"
            raise UsageError(f"{count} campaigns are open in {self._environment}{listed}", _hint(live, everywhere))
        for row in known:
            if row.id == name:
                return row
        by_table = [row for row in known if row.table == name]
        if by_table:
            return next((row for row in by_table if row.state == "open"), by_table[0])
        elsewhere = next((row for row in everywhere if name in {row.id, row.table}), None)
        if elsewhere is not None:
            raise UsageError(
                f"campaign {elsewhere.id} is in {elsewhere.environment}, not in {self._environment}",
                f"--env {elsewhere.environment}",
            )
        near = did_you_mean(name, [row.id for row in known])
        raise UsageError(f"there is no campaign '{name}' in {self._environment}{near}")

    def close(self, name: str, state: str, who: str, note: str | None = None) -> None:
        """End a campaign as `done` or `cancelled`."""
        with self._database.begin() as connection:
            mine = campaigns.c.id == name
            connection.execute(campaigns.update().where(mine).values(state=state, closed=now(), open_on=None))
        self.note(name, state, name, who, note)

    def note(
        self,
        name: str,
        kind: str,
        subject: str,
        who: str,
        note: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Append an event."""
        for attempt in range(_ATTEMPTS):
            try:
                self._note(name, kind, subject, who, note, detail)
            except DataflowError as error:  # a concurrent process took that number
                if attempt == _ATTEMPTS - 1 or not isinstance(error.__cause__, sa.exc.IntegrityError):
                    raise
            else:
                return

    def _note(
        self, name: str, kind: str, subject: str, who: str, note: str | None, detail: Mapping[str, Any] | None
    ) -> None:
        with self._database.begin() as connection:
            highest = sa.select(sa.func.coalesce(sa.func.max(events.c.number), 0)).where(events.c.campaign == name)
            connection.execute(
                events.insert().values(
                    campaign=name,
                    number=connection.execute(highest).scalar_one() + 1,
                    moment=now(),
                    kind=kind,
                    subject=subject,
                    who=who,
                    note=note,
                    detail=None if detail is None else dict(detail),
                )
            )

    def events(self, name: str) -> list[CampaignEvent]:
        """Return the events of a campaign, oldest first."""
        query = sa.select(events).where(events.c.campaign == name).order_by(events.c.number)
        fields = ("moment", "kind", "subject", "who", "note", "detail")
        return [CampaignEvent(*(row[name] for name in fields)) for row in self._database.rows(query)]

    # ------------------------------------------------------------------------------------------- notices

    def reserve(self, name: str, owner: str, level: str) -> bool:
        """Reserve a notice for sending; False when it is reserved already, so that it is sent once."""
        values = {"campaign": name, "owner": owner, "level": level, "state": "sending", "moment": now()}
        try:
            with self._database.begin() as connection:
                mine = (notices.c.campaign == name) & (notices.c.owner == owner) & (notices.c.level == level)
                if connection.execute(sa.select(notices.c.owner).where(mine)).first():
                    return False
                connection.execute(notices.insert().values(values))
        except Exception:
            if (owner, level) in {(n["owner"], n["level"]) for n in self.notices(name)}:
                return False
            raise
        return True

    def mark_sent(self, name: str, owner: str, level: str, address: str) -> None:
        """Record that a notice was sent."""
        mine = (notices.c.campaign == name) & (notices.c.owner == owner) & (notices.c.level == level)
        with self._database.begin() as connection:
            connection.execute(notices.update().where(mine).values(state="sent", told=address, moment=now()))

    def release(self, name: str, owner: str, level: str) -> None:
        """Release a notice that was not sent."""
        mine = (notices.c.campaign == name) & (notices.c.owner == owner) & (notices.c.level == level)
        with self._database.begin() as connection:
            connection.execute(notices.delete().where(mine))

    def notices(self, name: str) -> list[dict[str, Any]]:
        """Return the notices that were sent, or may have been."""
        query = sa.select(notices).where(notices.c.campaign == name).order_by(notices.c.moment)
        with self._database.begin() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _is_open(self, row: CampaignRow) -> UsageError:
        return UsageError(
            f"{row.table} already has an open campaign: {row.id}, by {row.opened_by}, deadline {row.deadline}",
            row.command("status"),
        )


def _hint(live: Sequence[CampaignRow], everywhere: Sequence[CampaignRow]) -> str:
    """Return how to go on where no campaign, or more than one, is open in an environment."""
    if live:
        return "name one of them"
    elsewhere = next((row for row in everywhere if row.state == "open"), None)
    if elsewhere is None:
        return "`dataflow migration list` shows those that are over"
    return f"{elsewhere.id} is open in {elsewhere.environment}:{env_option(elsewhere.environment)}".rstrip(":")


def _row(row: Mapping[str, Any]) -> CampaignRow:
    fields = ("id", "table_name", "environment", "state", "deadline", "opened", "opened_by", "closed", "definition")
    return CampaignRow(*(row[name] for name in fields))


def subjects_of(found: Sequence[CampaignEvent], kind: str) -> set[str]:
    """Return the subjects of all events of a kind."""
    return {event.subject for event in found if event.kind == kind}
