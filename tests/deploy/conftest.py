from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest

from dataflow.deploy import deployments
from dataflow.deploy.deploy import Deployer
from dataflow.deploy.plan.builder import make_plan
from dataflow.deploy.source import open_source
from tests.support import forked
from tests.support.packages import DAY, EVERY_DAY, HWM, definition, each_day, identity, metadata, spark, wap
from tests.support.repositories import git

KILLS = 20


def pytest_addoption(parser):
    parser.addoption("--kills", type=int, default=KILLS, help="at how many random moments a deployment is killed")


PROJECT = """
version: 1
project: films
environments:
  production:
    branch: main
    params:
      TARGET_DB: prod
  staging:
    params:
      TARGET_DB: stage
"""
MAIN = definition(
    spark("ddl.sql", "ddl"),
    metadata("[date, id]"),
    wap(spark("src/write.sql"), by={"date": DAY}),
    HWM,
    owner="${dataflow.owner}",
    params={
        **EVERY_DAY,
        "SOURCE_TABLE": "dataflow_demo.playback",
        "TARGET_TABLE": "${TARGET_DB}.${dataflow.package_slug}_results",
    },
)
DAILY = definition(
    each_day("last: ${LOOKBACK_DAYS}"),
    name="${dataflow.package_id}.daily",
    head='trigger:\n  cron: "0 3 * * *"\n  timezone: Europe/Berlin\n',
    params={"LOOKBACK_DAYS": "3"},
)
DDL = """
CREATE TABLE IF NOT EXISTS ${TARGET_TABLE} (id INT, hours DOUBLE, date DATE)
USING iceberg PARTITIONED BY (date);
"""
WRITE = """
INSERT OVERWRITE ${TARGET_TABLE} PARTITION (date = DATE '${EXECUTION_DATE}')
SELECT title_id AS id, SUM(view_hours) AS hours FROM ${SOURCE_TABLE}
WHERE date = DATE '${EXECUTION_DATE}' AND title_id <= 10 GROUP BY title_id;
"""


class Repo:
    """A git repository with workflow packages in it, and what deploys it in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "-q", "-b", "main")
        self.write("dataflow.yaml", PROJECT)

    def git(self, *arguments: str) -> str:
        return git(self.folder, *arguments)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip())
        return path

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text, text
        path.write_text(text.replace(old, new))

    def package(self, name: str, *, owner: str = "alice") -> None:
        self.write(f"{name}/main.sch.yaml", MAIN)
        self.write(f"{name}/daily.sch.yaml", DAILY)
        self.write(f"{name}/ddl.sql", DDL)
        self.write(f"{name}/src/write.sql", WRITE)
        self.write(f"{name}/identity.yaml", identity(owner, name))

    def commit(self, message: str = "a change") -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    def branch(self, name: str) -> None:
        self.git("checkout", "-q", "-B", name)

    def source(self, **options):
        return open_source(self.folder, **options)

    def plan(self, **options):
        return make_plan(self.source(**options)).plan

    def deploy(self, **options):
        source = self.source(**options)
        return Deployer(source, make_plan(source, details=False)).deploy()

    def command(self, *arguments, **variables):
        """Run the command line here, in a process that begins with Dataflow's modules loaded."""
        return forked.run(arguments, cwd=self.folder, env={**os.environ, **variables}, timeout=600)

    @property
    def registry(self):
        return self.source(sandbox=True).registry

    def current(self, name: str = "production"):
        return deployments.current(self.registry, name)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATAFLOW_USER", "alice")
    monkeypatch.delenv("DATAFLOW_REGISTRY", raising=False)
    return tmp_path / "home"


@pytest.fixture
def repo(tmp_path, home, monkeypatch):  # noqa: ARG001 - it says where home is
    found = Repo(tmp_path / "films")
    found.package("top")
    found.commit("the first")
    monkeypatch.chdir(found.folder)
    return found
