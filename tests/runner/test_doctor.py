from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dataflow.cli.doctor import app
from dataflow.jobs.spark import r_script
from dataflow.jobs.spark.r_script import R
from dataflow.runner import doctor as checks
from dataflow.spark import jars, java
from dataflow.state.database import StateDatabase
from dataflow.state.run_records import runs
from dataflow.state.utc import now
from dataflow.workflow.project import environment, find_project


@pytest.fixture
def home(monkeypatch, tmp_path):
    """A Dataflow home of the test's own, with the jars that the user's holds."""
    monkeypatch.setenv("DATAFLOW_JARS", str(jars.folder()))
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATAFLOW_CLASS_DATA", "off")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.mark.spark
def test_a_machine_that_has_everything_is_found_fit(home):
    command = [sys.executable, "-m", "dataflow", "doctor", "--output", "json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    found = {check["name"]: check for check in json.loads(result.stdout)}
    assert result.returncode == 0
    first = ["Python", "git", "Spark", "home", "run records", "Java", "R", "sparklyr", "sbt"]
    assert list(found) == [*first, "Sail", "Iceberg", "write and read", "class data", "Comet"]
    assert found["Sail"]["detail"].endswith("answers queries without Java where it answers as Spark does")
    assert found["write and read"]["detail"] == "1 row, catalog dataflow"
    assert list((home / "warehouse").iterdir()) == []


@pytest.mark.usefixtures("home")
def test_a_missing_java_fails_with_its_remedy_and_spark_is_not_tried(monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(java, "_candidates", lambda: iter(()))
    monkeypatch.setattr(java, "install_command", lambda: "sudo get java")
    result = CliRunner().invoke(app, [], catch_exceptions=False)
    assert result.exit_code == 1
    assert "FAILED  Java            Spark needs Java 17 or 21" in result.stdout
    assert "sudo get java" in result.stdout
    assert "write and read" not in result.stdout


def test_damaged_run_records_fail_with_the_way_out(home, monkeypatch):
    monkeypatch.setattr(java, "_candidates", lambda: iter(()))
    with StateDatabase() as database:
        database.insert(
            runs,
            [{"run_id": f"{it}", "workflow_id": "w" * 999, "status": "failed", "started": now()} for it in range(100)],
        )
    sound = CliRunner().invoke(app, [], catch_exceptions=False)
    assert f"ok      run records     100 runs at sqlite:///{home / 'state.db'}" in sound.stdout

    content = bytearray((home / "state.db").read_bytes())
    content[-20 * 4096 :] = b"\xff" * 20 * 4096
    (home / "state.db").write_bytes(content)
    damaged = CliRunner().invoke(app, [], catch_exceptions=False)
    assert damaged.exit_code == 1
    assert "FAILED  run records     the run records" in damaged.stdout
    assert "→ the file is damaged: move it away, and records begin anew; tables are not in it" in damaged.stdout


@pytest.mark.usefixtures("home")
def test_each_check_is_named_before_it_is_made(monkeypatch):
    monkeypatch.setattr(java, "_candidates", lambda: iter(()))
    seen = []
    for check in checks.diagnose(environment(find_project(Path.cwd()), None), lambda _: None, seen.append):
        seen.append(check)
    names = [it if isinstance(it, str) else [it.name] for it in seen]
    assert names[:8] == ["Python", ["Python"], "git", ["git"], "Spark", ["Spark"], "home", ["home"]]
    assert names[8:10] == ["run records", ["run records"]]
    assert names[10:] == ["Java", ["Java"], "R and sbt", ["R"], ["sparklyr"], ["sbt"], "Sail", ["Sail"]]


@pytest.mark.usefixtures("home")
def test_everything_that_is_missing_has_the_command_that_gets_it_and_is_counted_at_the_end(monkeypatch, tmp_path):
    (tmp_path / "apt-get").touch(mode=0o755)
    (tmp_path / "sudo").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(java, "_candidates", lambda: iter(()))
    monkeypatch.setattr(checks, "version", lambda _: "3.5.1")
    monkeypatch.setattr("platform.freedesktop_os_release", dict)
    result = CliRunner().invoke(app, [], catch_exceptions=False)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[1:4] == [
        "FAILED  git             not found: packages can't be updated from their recipes",
        "        → sudo apt-get install git",
        "FAILED  Spark           pyspark 3.5.1, but Dataflow is built for 4.1.3",
    ]
    assert lines[4] == "        → pip install pyspark==4.1.3"
    assert lines[6] == "ok      run records     none yet: the first run makes them"
    assert lines[7].startswith("FAILED  Java            Spark needs Java 17 or 21, which was not found")
    assert lines[7].endswith("install it:  sudo apt-get install openjdk-17-jre-headless")
    assert lines[8:13] == [
        "note    R               not found: the sparklyr recipe needs it",
        "        → sudo apt-get install r-base",
        "note    sparklyr        not looked for: there is no R",
        '        → Rscript -e \'install.packages(c("sparklyr", "dplyr", "dbplyr", "testthat", "yaml"))\'',
        "ok      sbt             none on the PATH: fetched when a Scala pipeline is built",
    ]
    assert lines[-1] == (
        "missing: git, Spark, Java; run what → says, then `dataflow doctor` again; "
        "only some recipes need R and sparklyr"
    )


def test_the_sbt_that_was_fetched_is_named_by_its_path(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DATAFLOW_JARS", str(tmp_path))
    *_, sbt = checks._of_one_recipe()
    assert sbt.fetched is None
    launcher = tmp_path / jars.SBT.file_name
    launcher.touch()
    *_, sbt = checks._of_one_recipe()
    assert sbt.fetched == launcher
    monkeypatch.setattr(checks, "diagnose", lambda *_: [sbt])
    assert f"        fetched: {launcher}\n" in CliRunner().invoke(app, [], catch_exceptions=False).stdout


def test_a_home_that_can_not_be_written_fails_with_its_remedy(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "file" / "home"))
    check = checks._home()
    assert (check.ok, check.detail) == (False, f"{tmp_path}/file/home: {os.strerror(20)}")
    assert "DATAFLOW_HOME" in check.fix


def test_another_pyspark_than_the_pinned_one_fails_with_its_remedy(monkeypatch):
    monkeypatch.setattr(checks, "version", lambda _: "3.5.1")
    check = checks._pyspark()
    assert (check.ok, check.fix) == (False, "pip install pyspark==4.1.3")


def test_what_one_recipe_needs_is_told_with_its_remedy_and_fails_nothing(monkeypatch, tmp_path):
    (tmp_path / "brew").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(checks, "diagnose", lambda *_: checks._of_one_recipe())
    result = CliRunner().invoke(app, [], catch_exceptions=False)
    assert result.exit_code == 0
    assert (
        "note    R               not found: the sparklyr recipe needs it\n        → brew install r\n" in result.stdout
    )
    assert "note    sparklyr        not looked for: there is no R\n" in result.stdout
    assert "ok      sbt             none on the PATH: fetched when a Scala pipeline is built\n" in result.stdout


def test_a_missing_r_package_is_told_with_what_installs_it(monkeypatch, tmp_path):
    found = R(tmp_path / "Rscript", "4.5.0", {"dplyr": "1.1.4", "dbplyr": "2.5.0", "yaml": "2.3.10"})
    monkeypatch.setattr(r_script, "find_r", lambda: found)
    r, sparklyr, _ = checks._of_one_recipe()
    assert (r.ok, r.detail) == (False, "4.5.0, dplyr 1.1.4, dbplyr 2.5.0, yaml 2.3.10, no testthat")
    assert r.fix == "Rscript -e 'install.packages(\"testthat\")'"
    assert (sparklyr.ok, sparklyr.fix) == (False, "Rscript -e 'install.packages(\"sparklyr\")'")
    assert r.optional
    assert sparklyr.optional
