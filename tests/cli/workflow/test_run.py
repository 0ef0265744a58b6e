"""Runs as a user starts them: processes of their own, on the embedded default."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.places import EXAMPLE

pytestmark = pytest.mark.spark

DAY = "2026-01-31"


_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def home(tmp_path_factory, spark_commands):
    """A Dataflow home that the tests here share, each as another user, with a small source."""
    folder = tmp_path_factory.mktemp("runs")
    spark_commands(folder, folder / "home")("sample", "source", "--rows", "3000", "--from", DAY, "--until", DAY)
    return folder / "home"


@pytest.fixture
def package(home, spark_commands, tmp_path):
    """Copy the example into the test's folder, for a user that no other test has."""
    shutil.copytree(EXAMPLE, tmp_path / "package")
    user = f"user{next(_numbers)}"
    command = spark_commands(tmp_path, home, user)
    command.database = f"{user}_sandbox"
    command.table = f"{command.database}.{user}_package_results"
    return command


def start(command, *arguments, user=None):
    """Start a command and let it run."""
    return subprocess.Popen(
        [sys.executable, "-m", "dataflow", *arguments],
        cwd=command.folder,
        env={**command.environ, **({"DATAFLOW_USER": user} if user else {})},
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


def rows_and_refs(command, table=None):
    """Return how many rows a reader of a table sees, and the table's branches."""
    table = table or command.table
    refs = f"SELECT array_sort(collect_list(name)) FROM {table}.refs"
    (row,) = command.json("query", f"SELECT count(*) AS n, ({refs}) AS refs FROM {table}")
    return row["n"], row["refs"]


def published(run):
    (found,) = [step["published"] for step in run["steps"] if step["published"]]
    return found


def test_two_users_run_the_same_recipe_at_the_same_moment_and_see_their_own_rows(package):
    for user in ("alice", "bob"):
        package("sample", "workflow", "spark-sql", f"./{user}-viewing", "--skip-info", user=user)
    running = {
        user: start(package, "workflow", "run", f"{user}-viewing", "--date", DAY, "--output", "json", user=user)
        for user in ("alice", "bob")
    }
    found = {}
    for user, process in running.items():
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        found[user] = json.loads(out)
    assert found["alice"]["workflow"] == "alice.alice_viewing.main"
    assert found["bob"]["workflow"] == "bob.bob_viewing.main"
    assert found["alice"]["run_id"] != found["bob"]["run_id"]  # branches are named by the run
    tables = {user: published(run)["table"] for user, run in found.items()}
    assert tables == {
        "alice": "alice_sandbox.alice_alice_viewing_results",
        "bob": "bob_sandbox.bob_bob_viewing_results",
    }
    shown = package.json("query", f"SHOW TABLES IN {tables['alice'].partition('.')[0]}")
    assert [row["tableName"] for row in shown] == ["alice_alice_viewing_results"]

    stolen = ("--date", DAY, "-p", f"TARGET_TABLE={tables['bob']}")
    again = package("workflow", "run", "alice-viewing", *stolen, user="alice", code=1)
    assert "outside alice_sandbox" in again.stderr
    assert rows_and_refs(package, tables["bob"]) == (published(found["bob"])["rows"], ["main"])


def test_a_failing_audit_exits_1_and_shows_its_figure_and_rows(package):
    before = published(package.json("workflow", "run", "package", "--date", DAY))["rows"]
    edit(
        package,
        "src/sparksql_write.sql",
        "  title_rank,\n  view_hours\nFROM final;",
        "  title_rank - 1 AS title_rank,\n  view_hours\nFROM final;",
    )
    done = package("workflow", "run", "package", "--date", DAY, code=1)
    assert "✗ ranks are from 1 to 100: " in done.stdout
    assert "wap failed" in done.stderr
    assert "ranks are from 1 to 100: " in done.stderr
    hint = done.stderr.partition("  → ")[2].splitlines()
    assert hint[0] == "nothing was published; readers see what they saw before; its rows are kept for a day:"
    program, *words = shlex.split(hint[1])
    assert program == "dataflow"
    bad = package.json(*words, "--limit", "100000")
    assert f"{len(bad):,} rows with title_rank not between" in done.stderr
    assert {row["title_rank"] for row in bad} == {0}
    assert "log" not in done.stderr  # which says nothing of rows; the record names it
    assert "Exception" not in done.stdout + done.stderr
    rows, (kept, main) = rows_and_refs(package)
    assert (rows, main) == (before, "main")
    assert kept.startswith("dataflow_failed_")
    shown = package("workflow", "show", "last").stdout
    assert "✗ ranks are from 1 to 100: " in shown
    assert "failed" in shown
    log = next(line.split()[1] for line in shown.splitlines() if line.startswith("  log "))
    assert Path(log).stat().st_size > 0


def test_a_column_that_the_table_lacks_is_told_with_the_line_to_add_to_its_ddl(package):
    edit(package, "src/sparksql_write.sql", "  view_hours\nFROM final;", "  view_hours,\n  1 AS plays\nFROM final;")
    done = package("workflow", "run", "package", "--date", DAY, code=1)
    (ddl,) = (file.relative_to(package.folder) for file in (package.folder / "package/ddl").iterdir())
    assert done.stderr.partition("wap failed\n")[2] == (
        f"package/src/sparksql_write.sql:9: {package.table} has 5 columns, the write gives 6: not among them is plays\n"
        f"  → add to the DDL, as line 10 of {ddl}:  plays INT,\n"
    )
    ddl = package.folder / ddl
    lines = ddl.read_text().splitlines()
    ddl.write_text("\n".join([*lines[:9], "  plays INT,", *lines[9:]]))
    assert "added column plays int" in package("workflow", "run", "package", "--date", DAY).stderr


def test_a_run_and_its_record_tell_the_same_audits_and_the_same_time(package):
    many = "- function: row_count_should_be_between\n          name: enough titles\n"
    edit(package, "main.sch.yaml", "- function: row_count_should_be_between\n", many)
    ran = package("workflow", "run", "package", "--date", DAY).stdout
    shown = package("workflow", "show", "last").stdout
    listed = package("workflow", "runs").stdout

    def audits(text):
        return [line for line in text.splitlines() if line.startswith(("  ✓ ", "  ! "))]

    assert audits(ran) == audits(shown)
    (enough,) = [line for line in audits(ran) if "enough titles" in line]
    assert re.fullmatch(r"  ✓ enough titles: \d+,\d{3} rows \(expected between 1 and 50,000\)", enough)
    assert "row_count_should_be_between" not in ran + shown
    took = re.search(r"succeeded in ([\d,.]+ s) ", ran)[1]
    assert re.search(r"started +\S+ \S+, ([\d,.]+ s)", shown)[1] == took
    assert took in listed


BACKFILL = ("-p", "FROM_DATE=2026-01-29", "-p", f"TO_DATE={DAY}")


@pytest.fixture
def with_a_bad_day(package):
    """Make the audits of one of three days fail."""
    edit(
        package,
        "src/sparksql_write.sql",
        "  title_rank,\n  view_hours\nFROM final;",
        "  title_rank - IF('${EXECUTION_DATE}' = '2026-01-30', 1, 0) AS title_rank,\n  view_hours\nFROM final;",
    )
    edit(package, "backfill.sch.yaml", "retries: 1", "on_failure: finish")
    return package


def without_figures(text):
    return re.sub(r"\d[\d,.]* s\b", "… s", re.sub(r"[\d,]+ rows", "… rows", text))


def test_a_backfill_is_a_line_a_day_off_a_terminal_and_a_strip_at_the_end(with_a_bad_day):
    done = with_a_bad_day("workflow", "run", "package/backfill.sch.yaml", *BACKFILL, code=1)
    lines = [re.sub(" +", " ", line) for line in without_figures(done.stderr).splitlines() if line.startswith("  ")]
    assert sorted(line for line in lines if re.match(" [✓✗!]", line)) == [
        " ✓ 2026-01-29 … s … rows published",
        " ✓ 2026-01-31 … s … rows published",
        " ✗ 2026-01-30 … s at wap.audit",
    ]
    assert without_figures(done.stdout).splitlines()[:4] == [
        "",
        "  2026-01  29 ✓✗✓ 31",
        "  2 of 3 days succeeded · failed: 2026-01-30",
        f"published {with_a_bad_day.table} date=2026-01-29 to date=2026-01-31, 2 partitions: … rows",
    ]


def on_a_terminal(command, *arguments, stop_at=None):
    """Run a command on a terminal, and with Ctrl-C once it shows a text; return its exit code and what it showed."""
    ours, theirs = pty.openpty()
    environ = {**command.environ, "COLUMNS": "100", "LINES": "40", "TERM": "xterm"}
    whole = [sys.executable, "-m", "dataflow", *arguments]
    with subprocess.Popen(
        whole, cwd=command.folder, env=environ, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        shown = ""
        with contextlib.suppress(OSError):  # the end of a terminal
            while found := os.read(ours, 65536):
                shown += found.decode(errors="replace")
                if stop_at is not None and stop_at in shown:
                    process.send_signal(signal.SIGINT)
                    stop_at = None
        code = process.wait(120)
    os.close(ours)
    return code, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


def test_a_backfill_is_a_bar_on_a_terminal_where_only_days_that_failed_have_a_line(with_a_bad_day):
    code, shown = on_a_terminal(with_a_bad_day, "workflow", "run", "package/backfill.sch.yaml", *BACKFILL)
    assert code == 1
    assert "0 of 3 days · 2 running" in shown
    assert re.search(r"━ 2 of 3 days · (1 failed · )?1 running · about \d+ s left", shown)
    assert "✓ 2026-01-" not in shown
    assert re.search(r"✗ 2026-01-30 +[\d.]+ s  at wap.audit", shown)
    assert "  2026-01  29 ✓✗✓ 31" in shown


def test_ctrl_c_on_the_bar_ends_cleanly(package):
    arguments = ("workflow", "run", "package/backfill.sch.yaml", *BACKFILL)
    code, shown = on_a_terminal(package, *arguments, stop_at="2026-01-29 wap")
    assert code == 130
    assert shown.splitlines()[-1] == "stopped: nothing half-written is visible"
    assert package.json("workflow", "runs")[0]["status"] == "cancelled"


def test_a_sql_error_is_told_with_its_line_and_no_java_stack(package):
    edit(package, "src/sparksql_write.sql", "SUM(view_hours)", "SUM(view_hour)")
    done = package("workflow", "run", "package", "--date", DAY, code=1)
    assert "package/src/sparksql_write.sql:18" in done.stderr
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
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "stopped" in err
    assert rows_and_refs(slow) in [(0, []), (0, ["main"])]
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
    rows, refs = rows_and_refs(slow)
    assert (rows, len(refs)) == (0, 2)

    edit(slow, "main.sch.yaml", "slow.py", "sparksql_write.sql")
    done = slow("workflow", "run", "package", "--date", DAY)
    assert "left by a run that was killed" in done.stderr
    assert rows_and_refs(slow)[1] == ["main"]


def test_generating_and_running_is_one_command(package):
    done = package("sample", "workflow", "spark-sql", "./mine", "--run")
    assert f"published {package.table.replace('_package_', '_mine_')}" in done.stdout
    assert "succeeded" in done.stdout
    said = done.stdout + done.stderr
    assert "Next:" not in said
    assert "dataflow workflow run" not in said
    assert "copier" not in said.replace(".copier-answers.yml", "")


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


def test_only_env_leads_beyond_the_sandbox_and_a_team_shares_its_records_in_postgresql(package, postgresql):
    (package.folder / "dataflow.yaml").write_text(PROJECT.format(state=postgresql))
    result = package.json("workflow", "run", "package", "--date", DAY, "--env", "production")
    assert result["environment"] == "production"
    table = f"prod.{package.table.partition('.')[2]}"
    assert published(result)["table"] == table

    shared = package.json("workflow", "runs", "--env", "production")
    assert [run["run_id"] for run in shared] == [result["run_id"]]
    assert result["run_id"] not in {run["run_id"] for run in package.json("workflow", "runs")}
    shown = package.json("workflow", "show", "last", "--env", "production")
    assert shown["publications"][0]["table_name"] == table

    refused = package("workflow", "run", "package", "-p", "TARGET_DB=prod", code=1)
    assert f"outside {package.database}" in refused.stderr
