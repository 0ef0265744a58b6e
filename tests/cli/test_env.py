from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dataflow.cli.env import app
from dataflow.spark import jars
from dataflow.spark.java import find_java
from dataflow.spark.spark_home import spark_home


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("DATAFLOW_JARS", str(jars.folder()))
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATAFLOW_USER", "alice")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def run(*arguments):
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_it_says_where_things_are(home):
    found = json.loads(run("--output", "json"))
    assert found["environment"] == "sandbox"
    assert found["user"] == "alice"
    assert found["home"] == str(home)
    assert found["warehouse"] == str(home / "warehouse")
    assert found["state"] == f"sqlite:///{home}/state.db"


def test_passwords_are_not_shown(tmp_path):
    (tmp_path / "dataflow.yaml").write_text(
        "version: 1\nproject: p\nenvironments:\n  production:\n    state: postgresql://bob:hush@db.example/x\n"
        "    catalog:\n      type: rest\n      uri: https://x.example\n      credential: ${secret:LAKE}\n"
    )
    assert "hush" not in run("--env", "production")


@pytest.mark.spark
def test_settings_for_other_tools_have_secrets_unresolved_and_substitution_on(monkeypatch, tmp_path):
    (tmp_path / "dataflow.yaml").write_text(
        "version: 1\nproject: p\nenvironments:\n  production:\n"
        "    catalog:\n      type: rest\n      credential: ${secret:LAKE}\n"
    )
    monkeypatch.setenv("LAKE", "hush")
    text = run("--env", "production", "--spark-conf")
    assert "spark.sql.catalog.dataflow.credential=${secret:LAKE}" in text
    assert "spark.sql.variable.substitute" not in text


@pytest.mark.spark
def test_spark_sql_reaches_the_same_catalog_with_the_settings(tmp_path):
    (tmp_path / "spark.conf").write_text(run("--spark-conf"))
    environ = {**os.environ, "JAVA_HOME": str(find_java().home), "SPARK_HOME": str(spark_home())}
    script = "CREATE NAMESPACE ${NAME}; CREATE TABLE ${NAME}.t USING iceberg AS SELECT 7 AS seven; TABLE ${NAME}.t"
    command = [str(spark_home() / "bin" / "spark-sql"), "--properties-file", "spark.conf", "--hivevar"]
    answer, refused = (
        subprocess.run([*command, f"NAME={it}", "-e", script], env=environ, capture_output=True, text=True, check=False)
        for it in ("alice_sandbox", "prod")
    )
    assert (answer.returncode, answer.stdout.split()) == (0, ["7"]), answer.stderr
    assert refused.returncode
    assert "CREATE NAMESPACE would write prod.*, which is outside alice_sandbox" in refused.stderr
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["home", "spark.conf"]
