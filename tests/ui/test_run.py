"""A run: its steps, dates, audits beside earlier ones, first rows, SQL and log; on its page and in its report."""

from __future__ import annotations

import datetime as dt
import re
import socket
import threading
import time

import pytest
from starlette.testclient import TestClient

from dataflow.errors import UsageError
from dataflow.state import run_records as store
from dataflow.state.database import StateDatabase
from dataflow.state.utc import now
from dataflow.ui.app import link, make_app
from dataflow.ui.page import Asked
from dataflow.ui.read.rows import FirstRows
from dataflow.ui.read.run import run_page
from dataflow.ui.report import run_report
from tests.support.hostile import HOSTILE
from tests.support.ui_world import DAYS, date_of, source_at


def run_id(number, day, part="_main"):
    return f"{date_of(day) + dt.timedelta(days=1):%Y%m%d}t030{number}00-{number}{day:02}{part}"


def page(world, id_):
    return run_page(world, Asked({"run": id_}))


def test_an_audit_stands_beside_its_figures_in_earlier_runs(world):
    found = page(world, run_id(1, 9))
    near = next(it for it in found.audits if it.name == "near history")
    assert (near.state, near.blocking, near.passed, near.of) == ("warning", False, 0, 1)
    assert [(it.label, it.figure) for it in near.points] == [(f"{date_of(d)}", 100.0 + d) for d in range(DAYS)]
    assert found.audits[0] is near
    nulls = found.audits[1]
    assert [it.state for it in nulls.points] == ["failed" if d % 4 == 3 else "passed" for d in range(DAYS)]


def test_rows_stand_beside_those_of_earlier_runs(world):
    (table,) = page(world, run_id(0, 9)).tables
    assert (table.table, table.rows, table.partition) == ("prod.titles", 19_009, f"date={date_of(9)}")
    assert [it.figure for it in table.points] == [19_000 + day for day in range(DAYS)]


def test_the_first_rows_of_the_partition_that_it_published_are_shown(world):
    ((name, rows),) = page(world, run_id(0, 9)).rows
    assert (name, rows.problem) == ("prod.titles", None)
    assert rows.value.columns == ["title", "country_code", "title_rank", "date"]
    assert rows.value.figures == ["title_rank"]
    assert sorted(row[2] for row in rows.value.rows) == list(range(1, len(HOSTILE) + 1))
    assert {row[3] for row in rows.value.rows} == {f"{date_of(9)}"}
    assert len(rows.value.sizes) == 3


def test_rows_are_chosen_by_a_value_that_some_of_them_share(client):
    rows = [["a", "NO", 1, "d"], ["b", None, 2, "d"], ["c", "NO", 3, "d"], ["d", "null", 4, "d"]]
    found = FirstRows(["title", "country", "rank", "date"], ["rank"], rows)
    assert found.choices == [("country", [("NO", [0, 2]), (None, [1]), ("null", [3])])]
    text = client.get(link("run", run=run_id(0, 9))).text
    every = range(len(HOSTILE))
    (norway, other) = (" ".join(str(at) for at in every[start::2]) for start in (0, 1))
    assert f'<option value="{norway}">country_code: NO</option><option value="{other}">country_code: &lt;' in text


def test_of_a_snapshot_that_has_expired_the_page_says_so(client):
    assert "prod.titles has no snapshot 1 any more" in client.get(link("run", run=run_id(0, 2))).text


def test_a_run_of_many_days_counts_its_audits_and_rows_by_day(world):
    found = page(world, run_id(1, 9, ""))
    assert [it.run for it in found.dates] == [run_id(1, 9)]
    assert [it.of for it in found.audits] == [1, 1]
    assert found.tables[0].rows == 19_009


def test_a_failed_step_says_why_and_what_follows_it_was_skipped(world):
    found = page(world, run_id(1, 7))
    assert {it.name: it.status for it in found.jobs} == {
        "ddl": "succeeded",
        "metadata": "succeeded",
        "wap": "failed",
        "hwm": "skipped",
    }
    assert found.jobs[2].detail == f"{HOSTILE[1]}\nat line 3"
    assert (found.jobs[3].seconds, found.jobs[1].seconds) == (None, 1.0)


def test_the_log_has_its_errors_first(world):
    log = page(world, run_id(0, 9)).log.value
    assert log.errors == [(3, "25/01/01 ERROR it broke")]
    assert (len(log.lines), log.first, log.is_cut) == (5, 1, False)


def test_a_log_elsewhere_than_in_the_folder_of_logs_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    secret = tmp_path / "secret.txt"
    secret.write_text("do not show")
    address = f"sqlite:///{tmp_path / 'state.db'}"
    with StateDatabase(address) as database:
        add(database, "r1", log=str(secret))
    found = page(source_at(address, tmp_path), "r1")
    assert "is not in the folder of logs" in found.log.problem.message


def row_of(run_id, **values):
    row = {
        "run_id": run_id,
        "workflow_id": "alice.x.main",
        "environment": "sandbox",
        "status": "succeeded",
        "started": now(),
        "ended": now(),
        "host": socket.gethostname(),
        "process": 1,
        "params": {},
        "versions": {},
        "file": "",
        "user": "alice",
    }
    return {**row, **values}


def add(database, run_id, **values):
    database.insert(store.runs, row_of(run_id, **values))


DEFINITION = """\
version: 1
workflow:
  id: alice.x.main
  owner: alice
params:
  SOURCE: dataflow_demo.playback
  OTHER: a
jobs:
  - job:
      id: first
      type: Spark
      spark:
        script: ./write.sql
  - job:
      id: second
      type: Spark
      spark:
        script: ./write.sql
  - job:
      id: third
      type: Spark
      spark:
        script: ./write.sql
dag: [first -> third, second -> third]
"""


def test_the_sql_has_the_parameters_of_the_run_and_the_graph_its_edges(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    (tmp_path / "main.sch.yaml").write_text(DEFINITION)
    (tmp_path / "write.sql").write_text("SELECT '${OTHER}' FROM ${SOURCE};\n")
    address = f"sqlite:///{tmp_path / 'state.db'}"
    with StateDatabase(address) as database:
        params = {"SOURCE": "prod.other", "OTHER": HOSTILE[0].replace("'", ""), "GONE": "x"}
        add(database, "r1", file=str(tmp_path / "main.sch.yaml"), params=params, definitions="0" * 64)
    found = page(source_at(address, tmp_path), "r1").ran
    assert found.problem is None
    assert [(it.job, it.name) for it in found.value.scripts] == [
        (it, "write.sql") for it in ("first", "second", "third")
    ]
    assert found.value.scripts[0].sql == "SELECT '<script>document.title=pwned</script>' FROM prod.other;\n"
    assert found.value.needs["third"] == {"first", "second"}
    assert not found.value.is_same


@pytest.mark.parametrize("number", [0, 1, 2])
def test_hostile_values_stay_text_on_the_page_and_in_the_report(world, client, number):
    _, report = run_report(world, run_id(number, 9))
    for text in (client.get(link("run", run=run_id(number, 9))).text, report):
        body = text.partition("<body>")[2]
        assert not re.search(r"<script(?! src=)|<img|<svg onload|<b>bold| onerror=\"", body)
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e\u2066]", body)


def test_a_report_fetches_nothing_and_runs_nothing(world):
    found, report = run_report(world, "last")
    assert found == run_id(2, 9, "")
    assert not re.search(r"<script|<link|<img|<[^>]*\s(src|href)=|url\((?!#)|@import", report)
    assert "default-src 'none'" in report


def test_a_run_that_is_not_there_is_named_with_the_nearest(world):
    with pytest.raises(UsageError, match="no run 'nothing'"):
        run_report(world, "nothing")


def test_a_report_of_a_backfill_of_a_year_takes_seconds_and_few_megabytes(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    address = f"sqlite:///{tmp_path / 'state.db'}"
    days = [dt.date(2025, 1, 1) + dt.timedelta(days=it) for it in range(365)]
    start = now() - dt.timedelta(hours=5)
    with StateDatabase(address) as database:
        add(database, "r1", started=start)
        inner = [(f"r1_each_day_{day}", day, start + dt.timedelta(seconds=40 * at)) for at, day in enumerate(days)]
        rows = []
        for id_, day, begun in inner:
            values = {"params": {"EXECUTION_DATE": f"{day}"}, "started": begun, "parent_run_id": "r1"}
            rows.append(row_of(id_, **values, ended=begun + dt.timedelta(seconds=39), step=f"each_day/{day}"))
        database.insert(store.runs, rows)
        job = {"attempt": 1, "position": 0, "status": "succeeded", "started": start, "ended": now()}
        database.insert(store.jobs, [{**job, "run_id": "r1", "job_id": f"each_day/{day}"} for day in days])
        audit = {"job_id": "wap", "attempt": 1, "function": "f", "blocking": True, "passed": True, "figure": 1.0}
        audits = [{**audit, "run_id": id_, "position": at, "name": f"a{at}"} for id_, *_ in inner for at in range(5)]
        database.insert(store.audits, audits)
        rows = {"job_id": "wap", "table_name": "prod.t", "rows": 19_000, "snapshot": 1}
        database.insert(
            store.publications, [{**rows, "run_id": id_, "partition": f"date={day}"} for id_, day, _ in inner]
        )
    began = time.process_time()
    _, report = run_report(source_at(address, tmp_path), "r1")
    assert time.process_time() - began < 4
    assert len(report.encode()) < 3_000_000
    assert report.count("<tr>") > 365
    found = page(source_at(address, tmp_path), "r1")
    assert (found.tables[0].rows, found.tables[0].count, len(found.audits), found.audits[0].of) == (
        6_935_000,
        365,
        5,
        365,
    )


def test_what_goes_on_is_followed_until_it_is_over(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    address = f"sqlite:///{tmp_path / 'state.db'}"
    with StateDatabase(address) as database:
        add(database, "r1", status="running", ended=None, host="elsewhere")
        client = TestClient(make_app(source_at(address, tmp_path)), base_url="http://localhost")
        assert 'sse-connect="/runs/r1/events"' in client.get("/runs/r1").text

        def end():
            time.sleep(0.5)
            with database.begin() as connection:
                connection.execute(store.runs.update().values(status="succeeded", ended=now()))

        ending = threading.Thread(target=end)
        ending.start()
        events = client.get("/runs/r1/events")
        ending.join()
    assert events.headers["content-type"].startswith("text/event-stream")
    assert events.text == ("event: changed\ndata: goes on\n\nevent: changed\ndata: over\n\nevent: over\ndata: over\n\n")
    assert "sse-connect" not in client.get("/runs/r1").text
