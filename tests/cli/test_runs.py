"""Runs as a user starts them: processes of their own, on the embedded default."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.spark

EXAMPLE = Path(__file__).parents[2] / "examples" / "sparksql-workflow"
DAY = "2026-01-31"


@pytest.fixture
def package(spark_command):
    """Copy the example into the test's folder, and give it a small source."""
    shutil.copytree(EXAMPLE, spark_command.folder / "package")
    source = ("sample", "source", "--rows", "3000", "--from", DAY, "--to", DAY)
    spark_command(*source)
    return spark_command


def start(command, *arguments, user="alice"):
    """Start a command and let it run."""
    return subprocess.Popen(
        [sys.executable, "-m", "dataflow", *arguments],
        cwd=command.folder,
        env={**command.environ, "DATAFLOW_USER": user},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(command, text, seconds=90):
    """Read what a command says until a text comes."""
    said = ""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        line = command.stderr.readline()
        if not line:
            break
        said += line
        if text in line:
            return said
    raise AssertionError(f"'{text}' did not come: {said}")


def edit(command, name, old, new):
    path = command.folder / "package" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def refs(command):
    table = "alice_sandbox.alice_package_results"
    return [row["name"] for row in command.json("query", f"SELECT name FROM {table}.refs ORDER BY name")]


def test_two_users_run_the_same_recipe_at_the_same_moment_and_see_their_own_rows(package):
    for user in ("alice", "bob"):
        package("sample", "workflow", "spark-sql", f"./{user}-viewing", "--skip-info", user=user)
    running = {
        user: start(package, "workflow", "run", f"{user}-viewing", "--date", DAY, "--output", "json", user=user)
        for user in ("alice", "bob")
    }
    import json

    found = {}
    for user, process in running.items():
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        found[user] = json.loads(out)
    assert found["alice"]["workflow"] == "alice.alice_viewing.main"
    assert found["bob"]["workflow"] == "bob.bob_viewing.main"
    assert found["alice"]["run_id"] != found["bob"]["run_id"]  # branches are named by the run
    tables = {
        user: next(step["published"]["table"] for step in run["steps"] if step["published"])
        for user, run in found.items()
    }
    assert tables == {
        "alice": "alice_sandbox.alice_alice_viewing_results",
        "bob": "bob_sandbox.bob_bob_viewing_results",
    }
    shown = package.json("query", f"SHOW TABLES IN {tables['alice'].partition('.')[0]}")
    assert [row["tableName"] for row in shown] == ["alice_alice_viewing_results"]

    before = package.json("query", f"SELECT count(*) AS n FROM {tables['bob']}")
    again = package("workflow", "run", "alice-viewing", "--date", DAY, "-p", f"TARGET_TABLE={tables['bob']}", code=1)
    assert "outside alice_sandbox" in again.stderr
    assert package.json("query", f"SELECT count(*) AS n FROM {tables['bob']}") == before


def test_a_failing_audit_exits_1_and_shows_its_figure_rows_and_log(package):
    package("workflow", "run", "package", "--date", DAY)
    count = "SELECT count(*) AS n FROM alice_sandbox.alice_package_results"
    before = package.json("query", count)
    edit(
        package,
        "src/sparksql_write.sql",
        "  title_rank,\n  view_hours\nFROM final;",
        "  title_rank - 1,\n  view_hours\nFROM final;",
    )
    done = package("workflow", "run", "package", "--date", DAY, code=1)
    assert "✗ column_should_be_between" in done.stdout
    assert "wap failed" in done.stderr
    assert "column_should_be_between:" in done.stderr
    assert "nothing was published" in done.stderr
    log = next(line.split(": ", 1)[1] for line in done.stderr.splitlines() if "log:" in line)
    assert Path(log.strip()).stat().st_size > 0
    assert "Exception" not in done.stdout + done.stderr
    assert package.json("query", count) == before
    assert refs(package) == ["main"]
    shown = package("workflow", "show", "last").stdout
    assert "column_should_be_between" in shown
    assert "failed" in shown


def test_a_sql_error_is_told_with_its_line_and_no_java_stack(package):
    edit(package, "src/sparksql_write.sql", "SUM(view_hours)", "SUM(view_hour)")
    done = package("workflow", "run", "package", "--date", DAY, code=1)
    assert "package/src/sparksql_write.sql:17" in done.stderr
    assert "view_hour" in done.stderr
    assert "\tat " not in done.stderr
    assert "org.apache" not in done.stderr


SLOW = """
import time
from pyspark.sql import functions as F


def main(args, spark):
    rows = spark.sql("SELECT 1 AS title_id, 'US' AS country_code, 1 AS title_rank, CAST(1 AS DOUBLE) AS view_hours")
    rows = rows.withColumn("date", F.lit(args["EXECUTION_DATE"]).cast("date"))
    rows.writeTo(args["TARGET_TABLE"]).overwritePartitions()
    print("written", flush=True)
    time.sleep({seconds})
"""


@pytest.fixture
def slow(package):
    """Make the write wait long after it has written."""
    (package.folder / "package" / "src" / "slow.py").write_text(SLOW.format(seconds=8))
    edit(package, "main.sch.yaml", "sparksql_write.sql", "slow.py")
    return package


def test_ctrl_c_stops_the_run_leaves_nothing_visible_and_exits_130(slow):
    process = start(slow, "workflow", "run", "package", "--date", DAY)
    wait_for(process, "metadata")
    assert process.stdout.readline() == "written\n"
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped" in err
    assert refs(slow) in ([], ["main"])
    assert slow.json("query", "SELECT count(*) AS n FROM alice_sandbox.alice_package_results") == [{"n": 0}]
    assert slow.json("workflow", "runs")[0]["status"] == "cancelled"


def test_a_jvm_that_is_killed_is_one_message_and_the_run_is_recorded_as_failed(slow):
    process = start(slow, "workflow", "run", "package", "--date", DAY)
    wait_for(process, "metadata")
    assert process.stdout.readline() == "written\n"
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (jvm,) = [int(pid) for pid in children if "java" in Path(f"/proc/{pid}/cmdline").read_text()]
    os.kill(jvm, signal.SIGKILL)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 1
    assert "JVM died" in err
    assert "Traceback" not in err
    assert slow.json("workflow", "runs")[0]["status"] == "failed"


def test_after_a_kill_the_same_command_finishes_the_work(slow):
    process = start(slow, "workflow", "run", "package", "--date", DAY)
    wait_for(process, "metadata")
    assert process.stdout.readline() == "written\n"
    process.kill()
    process.communicate()
    assert slow.json("workflow", "runs")[0]["status"] == "killed"
    assert len(refs(slow)) == 2
    assert slow.json("query", "SELECT count(*) AS n FROM alice_sandbox.alice_package_results") == [{"n": 0}]

    edit(slow, "main.sch.yaml", "slow.py", "sparksql_write.sql")
    done = slow("workflow", "run", "package", "--date", DAY)
    assert "left by a run that was killed" in done.stderr
    assert refs(slow) == ["main"]


def test_generating_and_running_is_one_command(spark_command):
    spark_command("sample", "source", "--rows", "3000", "--from", "2026-01-01", "--to", "2026-01-01")
    done = spark_command("sample", "workflow", "spark-sql", "./mine", "--run")
    assert "published alice_sandbox.alice_mine_results" in done.stdout
    assert "succeeded" in done.stdout


PROJECT = """\
version: 1
project: stranger-data
environments:
  production:
    state: {state}
    params:
      TARGET_DB: prod
    spark:
      spark.app.name: production
"""


def test_only_env_leads_beyond_the_sandbox_and_a_team_shares_its_records_in_postgresql(package, tmp_path_factory):
    import pgserver
    import sqlalchemy as sa

    with pgserver.get_server(tmp_path_factory.mktemp("pg")) as server:
        state = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(False)
        (package.folder / "dataflow.yaml").write_text(PROJECT.format(state=state))
        result = package.json("workflow", "run", "package", "--date", DAY, "--env", "production")
        assert result["environment"] == "production"
        assert [s["published"]["table"] for s in result["steps"] if s["published"]] == ["prod.alice_package_results"]

        shared = package.json("workflow", "runs", "--env", "production")
        assert [run["run_id"] for run in shared] == [result["run_id"]]
        assert package.json("workflow", "runs") == []
        shown = package.json("workflow", "show", "last", "--env", "production")
        assert shown["publications"][0]["table_name"] == "prod.alice_package_results"

        refused = package("workflow", "run", "package", "-p", "TARGET_DB=prod", code=1)
        assert "outside alice_sandbox" in refused.stderr
