"""Three processes run the same eight days, while others compact the table and add late rows to its source."""

from __future__ import annotations

import itertools
import math
import shutil
import subprocess
import sys
from collections import defaultdict

import pytest
import sqlalchemy as sa

from dataflow.state.database import StateDatabase
from dataflow.state.run_records import runs
from dataflow.tables.pyiceberg_catalog import load_table, open_catalog
from tests.support.places import EXAMPLE

pytestmark = [pytest.mark.spark, pytest.mark.long]

DAYS = [f"2026-01-{day:02}" for day in range(1, 9)]
SPAN = ("--from", DAYS[0], "--to", DAYS[-1])
TARGET = "alice_sandbox.alice_package_results"
OTHERS = f"""
import pathlib, time
from dataflow.spark.session import Engine
from dataflow.workflow.project import environment, find_project

here = pathlib.Path.cwd()
with Engine(environment(find_project(here), None), here / "others.log") as engine:
    spark, number = engine.spark, 0
    while not (here / "enough").exists():
        day = {DAYS!r}[number % 8]
        number += 1
        spark.sql(
            "INSERT INTO dataflow_demo.playback SELECT * FROM dataflow_demo.playback "
            f"WHERE date = DATE '{{day}}' AND title_id IS NOT NULL LIMIT 3"
        )
        try:
            options = "map('rewrite-all', 'true')"
            spark.sql(f"CALL dataflow.system.rewrite_data_files(table => '{TARGET}', options => {{options}})")
        except Exception as error:  # a commit in between, which is what it is for
            print("compaction:", str(error).splitlines()[0], flush=True)
        print(number, flush=True)
        time.sleep(0.5)
"""


def reference(source):
    """Return the top titles of all days the plain way, with exact sums."""
    watched = defaultdict(list)
    for row in source:
        if row["title_id"] is not None and row["view_hours"] is not None and row["view_hours"] > 0:
            watched[row["date"], row["country_code"], row["title_id"]].append(row["view_hours"])
    summed = {key: round(math.fsum(hours), 6) for key, hours in watched.items()}
    places = defaultdict(list)
    for (day, country, _), total in summed.items():
        places[day, country].append(total)
    ranked = {key: 1 + sum(it > total for it in places[key[:2]]) for key, total in summed.items()}
    return {(*key, rank) for key, rank in ranked.items() if rank <= 100}


def test_three_processes_and_eight_days_with_compaction_and_late_rows_end_at_the_reference(
    tmp_path, spark_commands, monkeypatch
):
    shutil.copytree(EXAMPLE, tmp_path / "package")
    command = spark_commands(tmp_path, tmp_path / "home")
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    command("sample", "source", "--rows", "2400", "--from", DAYS[0], "--to", DAYS[-1])
    command("workflow", "run", "package", "--job", "ddl", "--date", DAYS[0])

    def start(*arguments):
        return subprocess.Popen(
            [sys.executable, *arguments], cwd=tmp_path, env=command.environ,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    others = start("-c", OTHERS)
    dates = ("-p", f"FROM_DATE={DAYS[0]}", "-p", f"TO_DATE={DAYS[-1]}", "-p", "PARALLEL=2")
    ours = [
        start("-m", "dataflow", "workflow", "backfill", "package", *SPAN, "--only", "all"),
        start("-m", "dataflow", "workflow", "backfill", "package", *SPAN, "--only", "all", "--newest-first"),
        start("-m", "dataflow", "workflow", "run", "package/backfill.sch.yaml", *dates),
    ]
    said = [it.communicate(timeout=900)[0] for it in ours]
    (tmp_path / "enough").touch()
    told = others.communicate(timeout=120)[0]
    assert [it.returncode for it in ours] == [0, 0, 0], "\n\n".join(said)
    assert others.returncode == 0, told
    assert int(told.splitlines()[-1]) > 2, told  # they were at work meanwhile

    with StateDatabase(f"sqlite:///{tmp_path / 'home' / 'state.db'}") as database:
        query = sa.select(runs).where(runs.c.workflow_id == "alice.package.main", runs.c.parent_run_id.is_not(None))
        found = database.rows(query.order_by(runs.c.started))
    by_day = defaultdict(list)
    for run in found:
        by_day[run["params"]["EXECUTION_DATE"]].append(run)
    for day in DAYS:  # each was run by all three, and never by two at once
        assert sum(run["status"] == "succeeded" for run in by_day[day]) == 3
        assert all(first["ended"] <= then["started"] for first, then in itertools.pairwise(by_day[day])), day

    command("workflow", "backfill", "package", *SPAN, "--only", "all", "--parallel", "4")
    catalog = open_catalog("dataflow", {}, tmp_path / "home" / "catalog.db")
    source = load_table(catalog, "dataflow_demo.playback").scan(f"date <= '{DAYS[-1]}'").to_arrow().to_pylist()
    table = load_table(catalog, TARGET)
    rows = [
        tuple(row[name] for name in ("date", "country_code", "title_id", "title_rank"))
        for row in table.scan().to_arrow().to_pylist()
    ]
    assert len(rows) == len(set(rows))
    assert set(rows) == reference(source)
    assert set(table.refs()) == {"main"}
