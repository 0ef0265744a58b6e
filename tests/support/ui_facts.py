"""What pages of tables, lineage, deployments, campaigns and schedules are looked at with: some of hostile names."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

from dataflow.deploy import deployments
from dataflow.deploy.bundle.manifest import (
    Bundle,
    EnvironmentSettings,
    PackageIdentity,
    PinnedAsset,
    RenderedWorkflow,
    Schedule,
)
from dataflow.deploy.deployments import DeployedPackage, Revision
from dataflow.lineage.model import Origin, Producer, TableWrite
from dataflow.lineage.query import open_lineage
from dataflow.lineage.store.writer import store_lineage
from dataflow.migration.campaign.builder import start_campaign
from dataflow.migration.changes import ChangeRequest
from dataflow.migration.plan.builder import build_plan
from dataflow.migration.store import CampaignStore
from dataflow.state.database import StateDatabase
from dataflow.tables.catalog import open_catalog
from tests.support.catalog_tables import create, plays
from tests.support.hostile import HOSTILE
from tests.support.lineage_state import taken

AT = dt.datetime(2026, 11, 1, 3, tzinfo=dt.UTC)
KEY = "alice/films:top"


# ------------------------------------------------------------------------------------------------ deployments


def bundle(registry, text="version: 1\n", sql="SELECT 1\n", cron="0 3 * * *", **more):
    """Keep a bundle with one workflow and one script, and return its checksum."""
    sha256 = registry.put(sql.encode())
    asset = PinnedAsset(
        id="dataflow.sql.top.alice.films.main.1a2b3c4d.1",
        sha256=sha256,
        name="write.sql",
        path="top/src/write.sql",
        inputs="i",
    )
    workflow = RenderedWorkflow(
        id=more.pop("id", "alice.top.main"),
        text=text,
        schedule=Schedule(cron=cron) if cron else None,
        writes=more.pop("writes", ("lake.prod.top",)),
        steps={"write": "Spark"},
    )
    catalog = {"name": "lake", **more.pop("catalog", {})}
    made = Bundle(
        path="top",
        packages={"top": PackageIdentity(id="alice.top", uuid="u", owner="alice")},
        user="alice",
        environment=EnvironmentSettings(name="production", params=more.pop("params", {}), catalog=catalog),
        workflows={"top/main.sch.yaml": workflow},
        assets=(asset,),
        schemas=more.pop("schemas", {}),
        **more,
    )
    return registry.put(made.data())


def package(sha256, **more):
    """Return a package as a revision has it."""
    values = {
        "bundle": sha256,
        "inputs": "i",
        "package_id": "alice.top",
        "uuid": "u",
        "repository": "alice/films",
        "branch": "main",
        "commit": "1a2b3c4d" * 5,
        "workflows": {"alice.top.main": Schedule(cron="0 3 * * *")},
        "writes": ("lake.prod.top",),
        "since": AT,
    }
    return DeployedPackage(**{**values, **more})


def switch(registry, packages, name="production", by="alice", action="deploy", **more):
    """Add a revision, a day after the one before."""
    at = AT + dt.timedelta(days=len(registry.numbers(f"environments/{name}")))
    return deployments.revise(
        registry, name, lambda _: Revision(action=action, at=at, by=by, packages=packages, **more)
    )


# ------------------------------------------------------------------------------------------------ a whole world


def add_facts(source):
    """Put tables, lineage, deployments with schedules, and a campaign beside the runs of a world."""
    with StateDatabase(source.environment.state) as database:
        _add_tables(Path(source.project.registry).parent)
        _add_lineage(database, source.environment.name)
        _add_deployments(source)
        _add_campaign(database, source)


def _add_tables(folder):
    from dataflow.workflow.project import Environment

    catalog = open_catalog(Environment("sandbox"))
    mark = {
        "dataflow.hwm": "2026-11-10",
        "dataflow.hwm.timezone": "Europe/Berlin",
        "dataflow.hwm.ahead": json.dumps({"2026-11-14": {}}),
        "dataflow.owner": "alice",
        "dataflow.tags": f"gold,{HOSTILE[1]}",
        "dataflow.primary-key": "date,id",
        "dataflow.lifetime-days": "400",
        "comment": HOSTILE[0],
    }
    titles = create(catalog, "film.titles", properties=mark, location=str(folder / "titles"))
    days = [f"2026-11-{n:02}" for n in range(1, 11)]
    titles.append(plays(*days), {"dataflow.run-id": HOSTILE[4], "dataflow.partition": f"date={HOSTILE[0]}"})
    titles.append(plays("2026-11-12", "2026-11-14"))
    create(catalog, "film.views", location=str(folder / "views")).append(plays("2026-11-01"))
    owner = {"dataflow.owner": HOSTILE[1]}
    create(catalog, ("film", HOSTILE[0]), properties=owner, location=str(folder / "hostile"))


def _add_lineage(database, environment):
    seen = dt.datetime.now(dt.UTC) - dt.timedelta(days=10)

    def write(workflow, target, *flows, origin=Origin.RECORDED, owner="alice", bundle=None, run_id=None, days=0):
        moment = seen - dt.timedelta(days=days)
        producer = Producer(origin, workflow, target, owner, environment, bundle, run_id, seen=moment)
        return producer, TableWrite(target, taken(*flows))

    with database.begin() as connection:
        store_lineage(
            connection,
            [
                write("alice.titles", "film.titles", "raw.events.seconds -> hours", "raw.events.kind ~>", run_id="r1"),
                write("bob.views", "film.views", "film.titles.hours -> hours", "film.titles.date -> date", owner="bob"),
                write(
                    "bob.views", "film.views", "film.titles.hours -> hours",
                    owner="bob", origin=Origin.DEPLOYED, bundle="c0ffee12" * 8,
                ),
                write(HOSTILE[1], f"film.{HOSTILE[0]}", f"film.views.hours -> {HOSTILE[3]}", owner=HOSTILE[2]),
                write("carol.all", "film.all", "film.titles", "film.titles.* ..", owner=None, days=100),
            ],
        )  # fmt: skip


def _add_deployments(source):
    registry = source.registry
    first = bundle(registry, "jobs:\n  - a\n", "SELECT 1\nFROM a\n", writes=("film.titles",))
    second = bundle(
        registry, f"jobs:\n  - {HOSTILE[0]}\n", f"SELECT 2 -- {HOSTILE[1]}\nFROM a\n", "0 4 * * *",
        writes=("film.titles",), params={"NOTE": HOSTILE[3]},
    )  # fmt: skip
    name, state = source.environment.name, source.environment.state
    ids = {
        "alice.top.main": Schedule(cron="0 3 * * *", timezone="Europe/Berlin"),
        HOSTILE[0]: Schedule(cron="5 4 * * *"),
    }
    more = {"writes": ("film.titles",), "workflows": ids}
    switch(registry, {KEY: package(first, **more)}, name, state=state)
    switch(registry, {KEY: package(second, **more)}, name, by=HOSTILE[1], state=state)
    switch(registry, {KEY: package(first, **more)}, "branch-x", database="x", expires=AT, state=state)


def _add_campaign(database, source):
    environment = source.environment
    known = open_lineage(environment, None, [])
    plan = build_plan("film.titles", ChangeRequest(rename={"hours": "view_hours"}), known)
    store = CampaignStore(database, environment.name)
    now = dt.datetime.now(dt.UTC)
    folder = Path(source.project.registry).parent
    deadline = now.date() + dt.timedelta(days=30)
    start_campaign(plan, store, folder, deadline=deadline, who="alice", now=now, name="hours-2027")
    store.note("hours-2027", "acked", "bob", "bob", HOSTILE[0])


def many_tables(database, environment, count=1000, columns=5):
    """Put the lineage of many tables into a state database: layers of them, each fed by one or two before it."""
    writes = []
    seen = AT + dt.timedelta(days=20)
    for n in range(count):
        before = {max(0, n - 1 - n * 37 % 90), n // 3}
        flows = taken(*(f"db{m % 7}.table_{m}.c{k} -> c{k}" for m in before for k in range(columns)))
        producer = Producer(Origin.RECORDED, f"alice.w{n}", f"db{n % 7}.table_{n}", "alice", environment, seen=seen)
        writes.append((producer, TableWrite(producer.target, flows)))
    with database.begin() as connection:
        store_lineage(connection, writes)
