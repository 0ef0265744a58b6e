"""`dataflow workflow`, as far as it needs no JVM."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.places import EXAMPLE


@pytest.fixture
def package(dataflow_command):
    shutil.copytree(EXAMPLE, dataflow_command.folder / "package")
    return dataflow_command


def edit(command, old, new, name="main.sch.yaml"):
    path = command.folder / "package" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_valid_definitions_are_said_to_be_valid(package):
    assert package("workflow", "validate", "package").stdout == "4 definitions are valid\n"


def test_all_mistakes_are_told_at_once_with_their_places_and_nothing_runs(package):
    edit(package, "blocking: false", "blokcing: false")
    edit(package, "ddl/sparksql_workflow_results.sql", "ddl/sparksql_workflow_result.sql")
    edit(package, "datetime: ${EXECUTION_DATE}", "datetime: ${EXECUTION_DAT}")
    done = package("workflow", "run", "package", code=2)
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert [line.rsplit(": ", 1)[0].rpartition("package/")[2] for line in lines] == [
        "main.sch.yaml:27:17",
        "main.sch.yaml:66:11",
        "main.sch.yaml:73:19",
    ]
    assert "did you mean 'sparksql_workflow_results.sql'" in lines[0]
    assert "did you mean 'blocking'" in lines[1]
    assert "did you mean 'EXECUTION_DATE'" in lines[2]
    assert not Path(package.environ["DATAFLOW_HOME"]).exists()


def test_mistakes_come_as_json_for_a_script(package):
    edit(package, "blocking: false", "blokcing: false")
    done = package("workflow", "validate", "package", "--output", "json", code=2)
    problems = json.loads(done.stdout)["problems"]
    assert [(p["file"], p["line"], p["column"]) for p in problems] == [("package/main.sch.yaml", 66, 11)]


def test_a_plan_says_what_would_be_written_without_spark(package):
    planned = package.json("workflow", "plan", "package", "--date", "2026-01-31")
    assert planned["writes"] == ["alice_sandbox.alice_package_results"]
    assert planned["reads"] == ["dataflow_demo.playback"]
    assert "alice_sandbox.alice_package_results" in package("workflow", "plan", "package").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--date", "2026-13-01"], "'2026-13-01' is not a date"),
        (["--param", "LOOKBACK"], "'--param LOOKBACK' is not NAME=VALUE"),
        (["--param", "SOURCE_TABEL=x.y"], "did you mean 'SOURCE_TABLE'"),
        (["--job", "wpa"], "has no job 'wpa'; did you mean 'wap'"),
        (["--job", "wap.audit"], "has no job 'wap.audit', which is a part of one; did you mean 'wap'?"),
        (["--job", "nope"], "has no job 'nope'; valid here: ddl, hwm, metadata, wap"),
        (["--env", "prod"], "there is no environment 'prod'"),
    ],
)
def test_what_is_asked_wrongly_is_one_line_and_exit_2(package, arguments, message):
    done = package("workflow", "run", "package", *arguments, code=2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_without_java_a_run_says_so_in_one_line(package):
    script = """
        import sys
        from dataflow.spark import java
        java._USUAL_PLACES = ()
        sys.argv = ["dataflow", "workflow", "run", "package"]
        from dataflow.cli.main import main
        main()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=package.folder,
        env={**package.environ, "JAVA_HOME": "", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "Java" in line


def test_no_runs_yet_is_said_kindly(dataflow_command):
    assert "no runs yet" in dataflow_command("workflow", "runs").stdout
    assert dataflow_command.json("workflow", "runs") == []
    assert "no run 'last'" in dataflow_command("workflow", "show", code=2).stderr
