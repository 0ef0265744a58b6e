"""`dataflow query` without a JVM: on the embedded catalog's tables, as a user types it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dataflow.sail import server

pytestmark = pytest.mark.slow

PLAYS = "id,title,hours,day\n1,Ä b,1.5,2026-01-31\n2,,2.25,2026-01-31\n3,c,0.0,\n"


@pytest.fixture
def query(dataflow_command):
    """A catalog with one table, and what asks it."""
    (dataflow_command.folder / "plays.csv").write_text(PLAYS, encoding="utf-8")
    assert dataflow_command("table", "load", "plays.csv", "plays").returncode == 0
    return lambda *arguments, code=0: dataflow_command("query", *arguments, code=code)


def test_a_query_is_answered_without_java_in_each_format(query, dataflow_command):
    dataflow_command.environ |= {"JAVA_HOME": "/nowhere", "PATH": str(Path(sys.executable).parent)}
    sql = (
        "SELECT day, count(*) AS n, sum(id) AS ids, max(title) AS t FROM alice_sandbox.plays GROUP BY day ORDER BY day"
    )
    done = query(sql, "--output", "csv")
    assert (done.stdout, done.stderr) == ("day,n,ids,t\n,1,3,c\n2026-01-31,2,3,Ä b\n", "")
    assert json.loads(query(sql, "--output", "json").stdout)[1] == {"day": "2026-01-31", "n": 2, "ids": 3, "t": "Ä b"}
    done = query("SELECT id, title FROM alice_sandbox.plays ORDER BY id DESC", "--limit", "2")
    assert done.stdout.splitlines()[1:-1] == ["┃ id ┃ title ┃", "┡━━━━╇━━━━━━━┩", "│  3 │ c     │", "│  2 │ NULL  │"]
    assert done.stderr == "2 of 3 rows: --limit 3 shows all\n"
    query("SELECT * FROM alice_sandbox.plays ORDER BY id", "--output", "parquet", "--to", "plays.parquet")
    table = pq.read_table(dataflow_command.folder / "plays.parquet")
    assert [f"{it.name} {it.type}" for it in table.schema] == [
        "id int64", "title string", "hours decimal128(18, 2)", "day date32[day]"
    ]  # fmt: skip


def test_the_catalog_says_which_state_is_read(query, dataflow_command):
    (dataflow_command.folder / "more.csv").write_text("id,title,hours,day\n4,d,1.00,2026-02-01\n", encoding="utf-8")
    assert dataflow_command("table", "load", "more.csv", "plays", "--append").returncode == 0
    assert query("SELECT count(*) AS n FROM alice_sandbox.plays", "--output", "csv").stdout == "n\n4\n"
    metadata = max(
        (Path(dataflow_command.environ["DATAFLOW_HOME"]) / "warehouse/alice_sandbox/plays/metadata").glob("*.json")
    )
    first = json.loads(metadata.read_text())["snapshots"][0]["snapshot-id"]
    sql = f"SELECT count(*) AS n FROM alice_sandbox.plays VERSION AS OF {first} WHERE id > 0"
    assert query(sql, "--output", "csv").stdout == "n\n3\n"
    newer = metadata.with_name("99999-later.metadata.json")  # of somebody who has not committed it yet
    newer.write_bytes(min(metadata.parent.glob("*.json")).read_bytes())
    assert query("SELECT count(*) AS n FROM alice_sandbox.plays", "--output", "csv").stdout == "n\n4\n"


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT exp(id) AS x FROM alice_sandbox.plays", "exp differs: its last digit is another one"),
        ("SELECT soundex(title) AS x FROM alice_sandbox.plays", "soundex was not compared"),
        ("SELECT * FROM alice_sandbox.nope", "the catalog has no table alice_sandbox.nope"),
        ("SELECT * FROM ALICE_SANDBOX.plays", "the catalog has no table ALICE_SANDBOX.plays"),
        ("SELECT * FROM plays", "'plays' is not the name of a table with its database"),
        ("SELECT * FROM alice_sandbox.plays VERSION AS OF 'b'", "'b' is not a state of alice_sandbox.plays"),
        (
            "SELECT * FROM alice_sandbox.plays.snapshots",
            "'snapshots' of alice_sandbox.plays is Iceberg's metadata",
        ),
        ("SELECT * FROM alice_sandbox.nope.snapshots", "the catalog has no table alice_sandbox.nope"),
        ("SHOW TABLES IN alice_sandbox", "it is not a SELECT"),
        ("SELECT 1 AS a; SELECT 2 AS b", "it is not one query"),
        ("SELECT hours * title AS x FROM alice_sandbox.plays", "arithmetic was not compared for types as in hours * t"),
        ("SELECT id / 0 AS x FROM alice_sandbox.plays", "Sail fails: "),
        ("SELECT nope FROM alice_sandbox.plays", "Sail fails: "),
        ("SELECT id * 9000000000000000000 AS x FROM alice_sandbox.plays", "may be too large a number"),
    ],
)
def test_what_sail_does_not_answer_as_spark_does_is_refused_by_name(query, sql, reason):
    done = query(sql, "--engine", "sail", code=2)
    assert reason in done.stderr
    assert done.stderr.startswith("error: Sail can't answer as Spark does: ")


def test_an_environment_with_settings_of_its_own_is_sparks(query, dataflow_command):
    (dataflow_command.folder / "dataflow.yaml").write_text(
        "version: 1\nproject: p\nenvironments:\n  sandbox:\n    spark: {spark.sql.ansi.enabled: 'false'}\n"
    )
    done = query("SELECT 1 AS a", "--engine", "sail", code=2)
    assert "the environment sets spark.sql.ansi.enabled" in done.stderr


def test_without_the_package_all_is_sparks(here_command, monkeypatch):
    monkeypatch.setattr(server, "missing", lambda: "pysail")
    done = here_command("query", "SELECT 1 AS a", "--engine", "sail", code=2)
    assert "Sail is not installed here: pysail is missing" in done.stderr


ENDLESS = "SELECT count(*) AS n FROM range(1000000) AS a JOIN range(1000000) AS b ON a.id < b.id"


@pytest.fixture
def endless(dataflow_command, tmp_path):
    """Starts a command that does not end by itself, with a folder for temporary files of its own; once it listens."""
    started = []
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    def start(*before):
        command = [*before, sys.executable, "-m", "dataflow", "query", ENDLESS, "--engine", "sail"]
        environ = dataflow_command.environ | {"TMPDIR": str(temporary)}
        process = subprocess.Popen(command, cwd=dataflow_command.folder, env=environ, start_new_session=True)
        started.append(process)
        end = time.monotonic() + 120
        while not listening(process.pid):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
        return process

    start.temporary = temporary
    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(120)


def listening(group):
    """Return the addresses at which the processes of a group listen, as Linux has them."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ProcessLookupError):  # it has ended
            if os.getpgid(int(process.name)) != group:
                continue
            mine = {str(it.readlink()) for it in process.glob("fd/*")}
            for table in ("tcp", "tcp6"):
                rows = [it.split() for it in (process / "net" / table).read_text().splitlines()[1:]]
                found |= {it[1] for it in rows if it[3] == "0A" and f"socket:[{it[9]}]" in mine}
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT", "SIGTERM", "SIGHUP"])
def test_nothing_is_left_of_a_command_however_it_ends(endless, how):
    process = endless()
    process.send_signal(getattr(signal, how))
    process.wait(120)
    assert listening(process.pid) == set()
    assert list(endless.temporary.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_server_is_a_part_of_the_command_and_listens_on_loopback_at_a_port_of_its_own(endless):
    one, other = endless(), endless("sh", "-c", '"$@" & wait', "sh")
    addresses = listening(one.pid) | listening(other.pid)
    assert len(addresses) == 2
    assert {it.partition(":")[0] for it in addresses} == {"0100007F"}  # 127.0.0.1
    other.kill()  # the shell alone: what it started goes on, as everything that is started behind it
    other.wait(120)
    assert len(listening(other.pid)) == 1
    os.killpg(other.pid, signal.SIGTERM)
    end = time.monotonic() + 120
    while listening(other.pid):
        assert time.monotonic() < end
        time.sleep(0.1)
