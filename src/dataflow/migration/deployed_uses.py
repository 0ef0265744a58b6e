"""What deployments have to do with campaigns: a change that still uses an old column, a rollback to one that did."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.deploy.bundle.references import own_asset
from dataflow.deploy.bundle_scripts import read_scripts
from dataflow.errors import DataflowError, first_line
from dataflow.lineage.model import Origin, Producer, plain_name
from dataflow.lineage.script_texts import WorkflowScripts, text_on_disk
from dataflow.lineage.static import read_script_lineage
from dataflow.lineage.store.reader import TargetColumns
from dataflow.migration.campaign.definition import Campaign, campaign_from_row
from dataflow.migration.impact import uses_column, writes_column
from dataflow.migration.script_lines import ScriptLine, lines_of
from dataflow.migration.store import CampaignStore
from dataflow.report import Report
from dataflow.state.database import StateDatabase, is_made
from dataflow.workflow.load import Request, load_workflow
from dataflow.workflow.parameters import POINTER

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.bundle.manifest import RenderedWorkflow
    from dataflow.deploy.bundle.prepared_package import PreparedPackage
    from dataflow.deploy.plan.definition import PreparedPlan
    from dataflow.deploy.rollback import RollbackPlan
    from dataflow.deploy.source import DeploySource
    from dataflow.lineage.graph import ColumnEdge
    from dataflow.lineage.model import TableWrite
    from dataflow.lineage.sql.relations import Schema
    from dataflow.lineage.static import ScriptLineage
    from dataflow.workflow.project import Environment


@dataclass(frozen=True)
class CampaignUse:
    """What a workflow that is deployed has to do with a campaign.

    Attributes:
        campaign: The campaign.
        workflow: The workflow.
        uses: Whether it uses the old column or table; None where its columns are not known.
        lines: The lines that do.
    """

    campaign: Campaign
    workflow: str
    uses: bool | None
    lines: tuple[ScriptLine, ...] = ()

    @property
    def old(self) -> str:
        """What goes: the old columns, or the table."""
        return ", ".join(self.campaign.old_columns) or self.campaign.table

    def __str__(self) -> str:
        """Say it in a line, with the places."""
        does = {True: "uses", None: "may use", False: "does not use"}[self.uses]
        unknown = " (its columns are unknown)" if self.uses is None else ""
        places = f": {', '.join(line.in_repository for line in self.lines)}" if self.lines else ""
        return f"{self.workflow} {does} {self.old}{unknown}{places}"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "campaign": self.campaign.id,
            "table": self.campaign.table,
            "environment": self.campaign.row.environment,
            "state": self.campaign.row.state,
            "deadline": self.campaign.row.deadline.isoformat(),
            "changes": breaking_changes(self.campaign),
            "workflow": self.workflow,
            "uses": {True: "yes", None: "unknown", False: "no"}[self.uses],
            "lines": [asdict(line) for line in self.lines],
        }


def breaking_changes(campaign: Campaign) -> list[str]:
    """Return what a campaign changes that breaks readers."""
    return [str(change) for change in campaign.changes if not change.safe]


def uses_in_plan(source: DeploySource, planned: PreparedPlan, report: Report) -> list[CampaignUse]:
    """Return what the changes of a deployment have to do with the campaigns that are open where it goes.

    A plan needs no state: where that can't be read, it is reported.
    """
    target = source.target
    try:
        campaigns = _campaigns(target.environment.state, target.environment.name, "open", everywhere=target.isolated)
    except DataflowError as error:
        report(f"open campaigns are not known: {first_line(error)}")
        return []
    found: list[CampaignUse] = []
    for key in planned.packages_to_build if campaigns else ():
        prepared = planned.prepared[key]
        tables = {table for it in prepared.own_workflows.values() for table in _tables(it, target.environment)}
        named = any(POINTER in it.text for it in prepared.own_workflows.values())  # nobody read what that stands for
        mine = [campaign for campaign in campaigns if named or campaign.table in tables]
        if mine:
            schema = _schema(planned.prepared.values(), tables, target.environment)
            found += _uses_of_prepared(source, prepared, mine, schema)
    return found


def rollback_warnings(registry: Registry, planned: RollbackPlan) -> list[str]:
    """Return what a rollback returns to that is from before a campaign ended, and can't work any more.

    Args:
        registry: Where the bundles are.
        planned: The rollback, which nothing here stops: what can't be read is said instead.
    """
    try:
        return _rollback_warnings(registry, planned)
    except DataflowError as error:
        return [f"whether a campaign has ended since is not known: {first_line(error)}"]


def _rollback_warnings(registry: Registry, planned: RollbackPlan) -> list[str]:
    before, to = planned.before, planned.to
    done = _campaigns(before.revision.state, before.name, "done", everywhere=before.revision.isolated)
    ended = {campaign.id: campaign.row.closed for campaign in done if campaign.row.closed is not None}
    passed = [campaign for campaign in done if ended[campaign.id] > to.revision.at]
    found: list[str] = []
    for key, package in planned.packages.items():
        if package is not None and passed:
            for lineage, scripts in read_scripts(registry, to, key):
                uses = _uses(lineage, scripts, passed, lineage.workflow)
                found += [f"{_removed(it.campaign)}, after #{to.number}: {it}" for it in uses if it.uses is not False]
    for table in planned.tables:
        mine = [it for it in done if f".{table.table}".endswith(f".{it.table}") and ended[it.id] > table.at]
        found += [f"{_removed(it)}, and does not come back with the rows of {table.at:%Y-%m-%d %H:%M}" for it in mine]
    return list(dict.fromkeys(found))  # several definitions of a package may call one


def _removed(campaign: Campaign) -> str:
    columns = ", ".join(campaign.old_columns)
    what = f"{columns} of {campaign.table}" if columns else campaign.table
    return f"campaign {campaign.id} removed {what} on {campaign.row.closed:%Y-%m-%d}"


def _campaigns(state: str | None, environment: str, wanted: str, *, everywhere: bool) -> list[Campaign]:
    """Return the campaigns of an environment in a state; what is isolated reads the tables of the others."""
    if not is_made(state):
        return []
    with StateDatabase(state) as database:
        rows = CampaignStore(database, environment).all()
    return [
        campaign_from_row(row) for row in rows if row.state == wanted and (everywhere or row.environment == environment)
    ]


def _tables(workflow: RenderedWorkflow, environment: Environment) -> set[str]:
    return {plain_name(table, environment.catalog_name) for table in (*workflow.reads, *workflow.writes)}


def _schema(
    packages: Iterable[PreparedPackage], tables: Iterable[str], environment: Environment
) -> dict[str, Sequence[str]]:
    """Return the columns of tables: as the catalog has them, else as DDL of the repository declares them."""
    from dataflow.lineage.query import CatalogColumns

    columns = CatalogColumns(environment)
    declared: dict[str, Sequence[str]] = {
        plain_name(name, environment.catalog_name): [*it.columns]
        for package in packages
        for name, it in package.schemas.items()
    }
    return declared | {table: known for table in tables if (known := columns(table)) is not None}


def _uses_of_prepared(
    source: DeploySource, prepared: PreparedPackage, campaigns: Sequence[Campaign], schema: Schema
) -> Iterator[CampaignUse]:
    environment = source.target.environment
    user = source.target.user or prepared.package.owner
    modules = (name for name in prepared.files if name.endswith((".py", ".R")))
    for name in (*prepared.own_workflows, *prepared.raw, *modules):
        source.tree.fill(source.root / name)
    for file, rendered in prepared.own_workflows.items():
        request = Request(environment=environment, user=user, reference=partial(_place, source, file), ends_only=True)
        try:
            read = read_script_lineage(load_workflow(source.root / file, request), schema, schema.keys())
        except (DataflowError, OSError):  # a script of elsewhere: its tables are known, and its columns are not
            tables = _tables(rendered, environment)
            yield from (CampaignUse(it, rendered.id, None) for it in campaigns if it.table in tables)
            continue
        for lineage in read:
            if lineage.workflow in (rendered.id, rendered.id.removeprefix(source.target.id_prefix)):
                yield from _uses(lineage, _scripts_of(source, lineage), campaigns, rendered.id)


def _place(source: DeploySource, definition: str, reference: str) -> str:
    """Return the file that an asset's name stands for, as a definition would name it; the name of one of elsewhere."""
    asset = own_asset(source.repository, reference)
    return reference if asset is None else os.path.relpath(asset.path, (source.root / definition).parent)


def _scripts_of(source: DeploySource, lineage: ScriptLineage) -> WorkflowScripts:
    def path(file: str) -> str:
        found = Path(os.path.normpath(file))
        return found.relative_to(source.root).as_posix() if found.is_relative_to(source.root) else file

    entry = lineage.entry()
    return WorkflowScripts(entry, Producer(Origin.CHECKOUT, entry.workflow, ""), text_on_disk, path)


def _uses(
    lineage: ScriptLineage, scripts: WorkflowScripts, campaigns: Iterable[Campaign], workflow: str
) -> Iterator[CampaignUse]:
    for campaign in campaigns:
        table, columns = campaign.table, campaign.old_columns or ("",)
        mentioned = {it.column.lower() for it in lineage.references if it.table == table}
        read = {flow.source for write in lineage.writes.values() for flow in write.flows}
        if not mentioned and table not in {*lineage.writes, *read}:
            continue
        writes = lineage.writes.values()
        answers = [answer for column in columns for write in writes for answer in _answers(table, column, write)]
        answers += [True for column in columns if column.lower() in mentioned]
        answers += [None] if lineage.is_incomplete else []
        uses = True if True in answers else None if None in answers else False
        lines = lines_of(scripts, table, campaign.old_columns, writes=table in lineage.writes)
        yield CampaignUse(campaign, workflow, uses, () if uses is False else tuple(dict.fromkeys(lines)))


def _answers(table: str, column: str, write: TableWrite) -> Iterator[bool | None]:
    """Yield whether a write reads a column, and whether it writes it; None where that is unknown."""
    edges: Collection[ColumnEdge] = [(it.source, it.source_column, it.target_column, it.indirect) for it in write.flows]
    yield uses_column(table, column, edges)
    if write.target == table:
        needed = frozenset(column.lower() for column in write.required_columns)
        constants = frozenset(column.lower() for column in write.constant_columns)
        yield writes_column(column, edges, TargetColumns(constants, needed))
