"""`dataflow workflow preview` as a user types it: by Sail, without Java, and again on each save."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.packages import definition, metadata, spark, wap

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("package")]

PLAYS = "id,country,day\n1,DE,2026-01-30\n2,DE,2026-01-31\n3,AT,2026-01-31\n4,DE,2026-01-31\n5,,2026-01-31\n"
RESULTS = "country,plays,note,day\nAT,2,x,2026-01-31\nDE,2,x,2026-01-31\nFR,1,x,2026-01-31\nDE,9,x,2026-01-30\n"
DDL = """\
CREATE TABLE IF NOT EXISTS ${TARGET_TABLE} (country STRING, plays BIGINT, note STRING, day DATE)
USING iceberg PARTITIONED BY (day);
"""
WRITE = """\
-- Plays per country.
INSERT OVERWRITE ${TARGET_TABLE} PARTITION (day = DATE '${EXECUTION_DATE}') BY NAME
WITH counted AS (
  SELECT country, count(*) AS plays FROM ${SOURCE_TABLE} WHERE day = DATE '${EXECUTION_DATE}' GROUP BY country
)
SELECT country, plays, 'x' AS note FROM counted;
"""
AUDITS = """\
      audits:
        - function: columns_should_not_have_nulls
          columns: [country]
        - function: columns_should_be_unique
        - function: row_count_should_be_between
          min: 1
"""


@pytest.fixture
def package(dataflow_command):
    """A package whose source has plays, and whose table has a day that is published, on a machine without Java."""
    folder = dataflow_command.folder
    dataflow_command.environ |= {"JAVA_HOME": "/nowhere", "PATH": str(Path(sys.executable).parent)}
    for name, text in (("plays", PLAYS), ("results", RESULTS)):
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
        dataflow_command("table", "load", f"{name}.csv", name, "--partition", "day")
    (folder / "pk").mkdir()
    (folder / "pk/ddl.sql").write_text(DDL, encoding="utf-8")
    (folder / "pk/write.sql").write_text(WRITE, encoding="utf-8")
    params = {
        "EXECUTION_DATE": "${dataflow.yesterday}",
        "SOURCE_TABLE": "alice_sandbox.plays",
        "TARGET_TABLE": "alice_sandbox.results",
    }
    jobs = (
        spark("ddl.sql", "ddl"),
        metadata("[day, country]"),
        wap(spark("write.sql"), by={"day": "${EXECUTION_DATE}"}, audits=AUDITS),
    )
    (folder / "pk/main.sch.yaml").write_text(definition(*jobs, params=params), encoding="utf-8")
    return folder / "pk"


def preview(command, *arguments, code=0):
    return command("workflow", "preview", "pk", "--date", "2026-01-31", "--engine", "sail", *arguments, code=code)


def state(folder):
    """Return all files of a home with what they hold, its logs aside."""
    return {
        it: it.read_bytes()
        for it in sorted(folder.rglob("*"))
        if it.is_file() and it.suffix not in (".log", ".lock", ".db-shm")
    }


def test_what_a_write_would_bring_is_shown_with_its_audits_and_what_readers_would_see_change(dataflow_command):
    home = Path(dataflow_command.environ["DATAFLOW_HOME"])
    before = state(home)
    done = preview(dataflow_command, code=1)
    first, *rest = done.stdout.splitlines()
    assert first.startswith("alice_sandbox.results day=2026-01-31: 3 rows would come  (by Sail in ")
    assert [re.sub("  +| ─+", "  ", it).rstrip() if it[:1] == " " else it for it in rest] == [
        "┏━━━━━━━━━┳━━━━━━━┳━━━━━━┳━━━━━━━━━━━━┓",
        "┃ country ┃ plays ┃ note ┃ day        ┃",
        "┡━━━━━━━━━╇━━━━━━━╇━━━━━━╇━━━━━━━━━━━━┩",
        "│ AT      │     1 │ x    │ 2026-01-31 │",
        "│ DE      │     2 │ x    │ 2026-01-31 │",
        "│ NULL    │     1 │ x    │ 2026-01-31 │",
        "└─────────┴───────┴──────┴────────────┘",
        "  ✗ columns_should_not_have_nulls: 1 row with NULL in country (expected 0)",
        "",
        " country  plays  note  day",
        "",
        " null  1  x  2026-01-31",
        "",
        "  ✓ columns_should_be_unique: 0 duplicate rows for key (day, country) (expected 0)",
        "  ✓ row_count_should_be_between: 3 rows (expected at least 1)",
        "beside the 3 rows that are published: 1 new, 1 gone, 1 changed by day, country",
        "  + day=2026-01-31, country=NULL",
        "  - day=2026-01-31, country=FR",
        "  ~ plays in 1 row",
        "  day=2026-01-31, country=AT: 2 → 1",
    ]
    assert done.stderr == ""
    assert state(home) == before


PROGRAM = """
from pyspark.sql import functions as F


def main(args, spark):
    plays = spark.table(args["SOURCE_TABLE"]).where(F.col("day") == args["EXECUTION_DATE"])
    counted = plays.groupBy("country").agg(F.count("*").alias("plays"))
    day = F.lit(args["EXECUTION_DATE"]).cast("date")
    rows = counted.select("country", "plays", F.lit("x").alias("note"), day.alias("day"))
    rows.writeTo(args["TARGET_TABLE"]).overwritePartitions()
"""


@pytest.mark.tools("PySpark's client")
def test_a_script_in_python_is_previewed_without_java_as_the_same_in_sql(dataflow_command, package):
    of_sql = json.loads(preview(dataflow_command, "--output", "json", code=1).stdout)["previews"]
    text = (package / "main.sch.yaml").read_text(encoding="utf-8")
    (package / "main.sch.yaml").write_text(text.replace("write.sql", "write.py"), encoding="utf-8")
    (package / "write.py").write_text(PROGRAM, encoding="utf-8")
    home = Path(dataflow_command.environ["DATAFLOW_HOME"])
    before = state(home)
    of_python = json.loads(preview(dataflow_command, "--output", "json", code=1).stdout)["previews"]
    assert [{**it, "script": "pk/write.sql"} for it in of_python] == of_sql
    assert state(home) == before
    (package / "write.py").write_text(PROGRAM.replace('F.count("*")', 'F.collect_list("id")'), encoding="utf-8")
    said = preview(dataflow_command, code=2).stderr
    assert "Sail can't answer as Spark does: collect_list differs: it depends on the order of rows" in said


def test_scripts_read_it_as_json_csv_and_markdown(dataflow_command):
    found = json.loads(preview(dataflow_command, "--limit", "1", "--output", "json", code=1).stdout)["previews"]
    assert [it["rows"] for it in found] == [[{"country": "AT", "plays": 1, "note": "x", "day": "2026-01-31"}]]
    assert [(it["total"], it["outside"], it["engine"], it["would_fail"]) for it in found] == [(3, 0, "sail", True)]
    assert [it["figure"] for it in found[0]["audits"]] == [1, 0, 3]
    difference = found[0]["difference"]
    assert [difference[it] for it in ("published", "new", "gone", "changed")] == [3, 1, 1, 1]
    assert difference["columns"] == [
        {
            "name": "plays",
            "rows": 1,
            "samples": [{"key": {"day": "2026-01-31", "country": "AT"}, "published": 2, "preview": 1}],
        }
    ]
    done = preview(dataflow_command, "--output", "csv", code=1)
    assert done.stdout == "country,plays,note,day\nAT,1,x,2026-01-31\nDE,2,x,2026-01-31\n,1,x,2026-01-31\n"
    lines = preview(dataflow_command, "--output", "markdown", code=1).stdout.splitlines()
    assert lines[2:5] == [
        "| `country` | `plays` | `note` | `day` |",
        "|---|---|---|---|",
        "| `AT` | `1` | `x` | `2026-01-31` |",
    ]


def test_a_step_is_one_cte_and_other_days_and_tables_have_nothing_published(dataflow_command):
    done = preview(dataflow_command, "--step", "counted", "--output", "csv")
    assert sorted(done.stdout.splitlines()) == [",1", "AT,1", "DE,2", "country,plays"]
    done = preview(dataflow_command, "--step", "count", code=2)
    assert "pk/write.sql has no CTE 'count'; did you mean 'counted'?" in done.stderr
    arguments = ("workflow", "preview", "pk", "--engine", "sail", "--date")
    done = dataflow_command(*arguments, "2026-01-29", code=1)
    assert "0 rows would come" in done.stdout
    assert "nothing is published for it yet" in done.stdout
    done = dataflow_command(*arguments, "2026-01-30", "--param", "TARGET_TABLE=alice_sandbox.other")
    assert done.stdout.splitlines()[-1] == "nothing is published yet: the table is not there"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("count(*) AS plays", "exp(count(*)) AS plays", "exp differs: its last digit is another one"),
        ("'x' AS note", "1 AS note", "column note of alice_sandbox.results gets a int32, and is string"),
        ("FROM counted;", "FROM counted; DELETE FROM ${TARGET_TABLE}", "the script goes on behind its INSERT"),
        ("OVERWRITE ${TARGET_TABLE}", "OVERWRITE alice_sandbox.o", "has no INSERT into alice_sandbox.results"),
        ("SELECT country, plays, 'x'", "SELECT plays, 'x'", "columns are not those of alice_sandbox.results"),
    ],
)
def test_what_sail_is_not_known_to_do_as_spark_is_spark_s(dataflow_command, package, old, new, reason):
    script = package / "write.sql"
    script.write_text(WRITE.replace(old, new), encoding="utf-8")
    done = preview(dataflow_command, code=2)
    assert reason in done.stderr
    assert "without --engine Spark answers" in done.stderr
    done = dataflow_command("workflow", "preview", "pk", "--date", "2026-01-31", code=1)
    assert "Spark answers: " in done.stderr
    assert "Java" in done.stderr


class Watching:
    """A preview that is watched, and the events that it prints."""

    def __init__(self, command):
        argv = [sys.executable, "-m", "dataflow", "workflow", "preview", "pk", "--date", "2026-01-31", "--watch"]
        self.process = subprocess.Popen(
            [*argv, "--engine", "sail", "--output", "json"],
            cwd=command.folder, env=command.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.events = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self):
        self.reader.start()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.reader.join(20)
        for stream in (self.process.stdout, self.process.stderr):
            stream.close()
        self.process.wait(120)

    def _read(self):
        for line in self.process.stdout:
            self.events.put(json.loads(line))

    def next(self, kind):
        event = self.events.get(timeout=60)
        assert event["event"] == kind, event
        return event


def test_each_save_shows_it_again_and_mistakes_do_not_end_it(dataflow_command, package):
    script = package / "write.sql"
    with Watching(dataflow_command) as watching:
        watching.next("watching")
        assert watching.next("preview")["previews"][0]["total"] == 3
        script.write_text(WRITE.replace("count(*)", "count(country)"), encoding="utf-8")
        assert watching.next("saved")["saved"] == [str(script.resolve())]
        assert watching.next("preview")["seconds"] > 0
        script.write_text(WRITE.replace("FROM counted", "FROM ${COUNTED}"), encoding="utf-8")
        watching.next("saved")
        assert "pk/write.sql:6:" in watching.next("failed")["message"]
        script.write_text(WRITE.replace("GROUP BY", "AND country IS NOT NULL GROUP BY"), encoding="utf-8")
        watching.next("saved")
        assert watching.next("preview")["previews"][0]["total"] == 2
        watching.process.send_signal(signal.SIGTERM)
        assert watching.process.wait(120) == 130
        assert watching.process.stderr.read() == "stopped: nothing half-written is visible\n"


def test_a_preview_that_is_killed_leaves_nothing(dataflow_command):
    home = Path(dataflow_command.environ["DATAFLOW_HOME"])
    before = state(home)
    with Watching(dataflow_command) as watching:
        watching.next("watching")
        watching.next("preview")
        ((address, port),) = listening(watching.process.pid)
        assert address == "127.0.0.1"
        assert children(watching.process.pid) == []
        os.kill(watching.process.pid, signal.SIGKILL)
        watching.process.wait(120)
    with socket.socket() as client:
        assert client.connect_ex((address, port)) == errno.ECONNREFUSED
    assert state(home) == before


def listening(pid):
    """Return where a process listens, as the system has it."""
    inodes = set()
    for it in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.add(str(it.readlink()).removeprefix("socket:[").removesuffix("]"))
    files = (Path(f"/proc/{pid}/net/{name}").read_text() for name in ("tcp", "tcp6"))
    rows = (line.split() for text in files for line in text.splitlines()[1:])
    found = [row[1].split(":") for row in rows if row[3] == "0A" and row[9] in inodes]
    return [(socket.inet_ntoa(bytes.fromhex(it)[::-1]), int(port, 16)) for it, port in found]


def children(pid):
    return [it for task in Path(f"/proc/{pid}/task").iterdir() for it in (task / "children").read_text().split()]
