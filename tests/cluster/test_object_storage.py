"""Tables and registry on S3: by a REST catalog that lends its login, and by JDBC with a login of one's own.

S3 is moto's server, the REST catalog that of Iceberg's own tests; both are real servers on this machine.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess

import boto3
import pyarrow as pa
import pytest

from dataflow.spark import jars
from dataflow.spark.comet import hindrance
from dataflow.spark.java import find_java
from dataflow.tables.catalog import open_catalog
from dataflow.tables.pyiceberg_catalog import load_table
from dataflow.workflow.project import Environment, environment, find_project
from tests.optional_tools import require
from tests.support.places import EXAMPLE
from tests.support.rest_catalog import RestCatalog

pytestmark = [pytest.mark.spark, pytest.mark.long]

DAYS = ("2026-01-30", "2026-01-31")
DAILY = ("--date", DAYS[1], "-p", "LOOKBACK_DAYS=2")
RESULTS = "prod.alice_package_results"
HINDRANCE = hindrance(Environment("sandbox"))
LENT = {"s3.access-key-id": "lent-by-the-catalog", "s3.secret-access-key": "lent/secret+of=tests"}
OWN = "own/secret+of=tests"
ON_S3 = """\
      s3.endpoint: {s3}
      s3.path-style-access: "true"
      client.region: us-east-1
"""
PROJECT = f"""\
version: 1
project: films
registry: {{registry}}
environments:
  production:
    branch: main
    catalog:
      name: lake
      type: rest
      uri: {{uri}}
{ON_S3}    params: {{{{TARGET_DB: prod}}}}
  second:
    catalog:
      name: pond
      type: jdbc
      uri: jdbc:sqlite:{{folder}}/pond.db
      jdbc.schema-version: V1
      warehouse: {{warehouse}}/pond
      s3.access-key-id: own-login
      s3.secret-access-key: ${{{{secret:POND}}}}
{ON_S3}    params: {{{{TARGET_DB: prod}}}}
"""


@pytest.fixture
def films(spark_commands, s3_server, s3_address, tmp_path, tmp_path_factory, monkeypatch, request):
    """A project with the example as a package, whose environments and registry are on S3."""
    require(request.node, "Iceberg's REST server")  # no mark: what is marked so runs once more where tools are
    jars.ensure(find_java(), {}, wanted=(jars.AWS,))
    monkeypatch.setenv("POND", OWN)
    reached = {"s3.endpoint": s3_server, "s3.path-style-access": "true", "client.region": "us-east-1", **LENT}
    reached["io-impl"] = "org.apache.iceberg.aws.s3.S3FileIO"
    catalog = RestCatalog(tmp_path_factory.mktemp("rest"), f"{s3_address}/lake", **reached)
    try:
        command = spark_commands(tmp_path / "films", tmp_path / "home")
        shutil.copytree(EXAMPLE, command.folder / "package")
        (command.folder / "package" / "identity.yaml").write_text(
            "owner: alice\npackage_id: alice.package\nuuid: uuid-of-package\n"
        )
        values = {"registry": f"{s3_address}/registry", "uri": catalog.uri, "s3": s3_server, "folder": tmp_path}
        (command.folder / "dataflow.yaml").write_text(PROJECT.format(warehouse=s3_address, **values))
        command.s3 = s3_address
        yield command
    finally:
        catalog.stop()


def commit(command):
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "films"]):
        subprocess.run(["git", *arguments], cwd=command.folder, env=command.environ, check=True)


def add_late_row(command, env):
    """Add a row to the first day of the source, as whoever delivers late data does."""
    catalog = open_catalog(environment(find_project(command.folder), env))
    source = load_table(catalog, "dataflow_demo.playback")
    row = {"profile_id": 1, "title_id": 1, "country_code": "DE", "view_hours": 0.5, "received_at": None}
    row["date"] = dt.date.fromisoformat(DAYS[0])
    source.append(pa.Table.from_pylist([row], schema=source.schema().as_arrow()))


def changed_days(command, env):
    """Return the days that `daily` would run, as its plan says without a JVM."""
    package = command.folder / "package" / "daily.sch.yaml"
    plan = command.json("workflow", "plan", package, "--env", env, "--date", DAYS[1])
    (step,) = [step for step in plan["steps"] if step["id"] == "each_day"]
    return step["dates"]


def secrets_in(folder):
    """Return the files below a folder that hold a login."""
    texts = [LENT["s3.secret-access-key"].encode(), OWN.encode()]
    files = (it for it in folder.rglob("*") if it.is_file() and it.suffix not in {".jar", ".jsa"})
    return [str(it) for it in files if any(text in it.read_bytes() for text in texts)]


def objects_with_secrets(address):
    bucket = boto3.resource("s3").Bucket(address.split("/")[2])
    texts = [LENT["s3.secret-access-key"].encode(), OWN.encode()]
    return [it.key for it in bucket.objects.all() if any(text in it.get()["Body"].read() for text in texts)]


def test_a_deployed_day_runs_on_s3_by_a_rest_catalog_that_lends_its_login(films):
    source = ("sample", "source", "--rows", "2000", "--from", DAYS[0], "--until", DAYS[1], "--env")
    films(*source, "production")
    commit(films)
    films("project", "deploy")
    films("workflow", "run", "--deployed", "package.daily", *DAILY)
    days = f"SELECT date, count(*) AS n FROM {RESULTS} GROUP BY date ORDER BY 1"
    found = films.json("query", days, "--env", "production")
    assert [row["date"] for row in found] == [*DAYS]
    table = load_table(open_catalog(environment(find_project(films.folder), "production")), RESULTS)
    assert table.location().startswith(films.s3)
    assert table.scan().to_arrow().num_rows == sum(row["n"] for row in found)
    assert set(table.refs()) == {"main"}

    mock = films.folder / "plays.yaml"
    films("mock", "create", "dataflow_demo.playback", "--env", "production", "--to", mock)
    assert "country_code" in mock.read_text()

    assert changed_days(films, "production") == []
    add_late_row(films, "production")
    assert changed_days(films, "production") == [DAYS[0]]

    assert secrets_in(films.folder.parent) == []
    assert objects_with_secrets(films.s3) == []


def test_jdbc_with_tables_on_s3_reads_and_writes_them_with_a_login_that_nobody_sees(films):
    films("sample", "source", "--rows", "2000", "--from", DAYS[0], "--until", DAYS[1], "--env", "second")
    done = films("workflow", "run", "package/daily.sch.yaml", "--env", "second", *DAILY)
    assert OWN not in done.stdout + done.stderr
    assert changed_days(films, "second") == []
    add_late_row(films, "second")
    assert changed_days(films, "second") == [DAYS[0]]
    shown = json.dumps(films.json("env", "--env", "second")) + films("env", "--env", "second", "--spark-conf").stdout
    assert "${secret:POND}" in shown
    assert OWN not in shown
    assert secrets_in(films.folder.parent) == []
    assert objects_with_secrets(films.s3) == []


@pytest.mark.nightly
@pytest.mark.skipif(HINDRANCE is not None, reason=f"Comet can't be at work here: {HINDRANCE}")
@pytest.mark.parametrize("env", ["production", "second"])
def test_comet_reads_tables_on_s3_with_the_login_that_spark_has(films, env):
    jars.ensure(find_java(), {}, wanted=(jars.COMET,))
    project = films.folder / "dataflow.yaml"
    films("sample", "source", "--rows", "2000", "--from", DAYS[1], "--until", DAYS[1], "--env", env)
    rows = []
    for accelerator in ("none", "comet"):
        project.write_text(project.read_text().replace(f"  {env}:\n", f"  {env}:\n    accelerator: {accelerator}\n"))
        run = films.json("workflow", "run", "package/main.sch.yaml", "--env", env, "--date", DAYS[1])
        table = load_table(open_catalog(environment(find_project(films.folder), env)), RESULTS)
        rows.append(sorted(map(repr, table.scan().to_arrow().to_pylist())))
        project.write_text(project.read_text().replace(f"    accelerator: {accelerator}\n", ""))
    assert rows[0] == rows[1]
    accelerated = films.json("workflow", "show", run["run_id"])["accelerator"]
    assert accelerated["native"] > 0
    assert not any("Scan" in it["operator"] for it in accelerated["fell_back"])
    assert secrets_in(films.folder.parent) == []
