"""What R writes from a Spark of its own is held by the same rules: the statements of `attacks.py`, and R's writers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dataflow.jobs.spark.r_script import run_r
from dataflow.spark.guard import EVERYTHING, VARIABLE
from dataflow.spark.launch_env import SparkLaunch
from tests.support.attack_world import BRANCH, FOREIGN, OWN, REFUSED, SANDBOX, SETUP, THEIRS
from tests.support.attacks import ATTACKS

pytestmark = [pytest.mark.spark, pytest.mark.tools("R")]

PLAIN = SANDBOX
WAP = SANDBOX.on_branch(OWN, BRANCH, keep=False)

TRY = """
main <- function(args, spark) {
  session <- sparklyr::spark_session(spark)
  attempt <- function(name, write) {
    said <- tryCatch({ write(); "passed" }, error = conditionMessage)
    cat("tried", name, if (grepl("WriteRefused", said)) "refused" else said, "\n", sep = "\\t")
  }
%s
}
"""
STATEMENT = '  attempt(%s, function() sparklyr::invoke(session, "sql", %s))'
WRITERS = """
  into <- function(session, table) {
    rows <- sparklyr::invoke(session, "sql", "SELECT 9 AS id, 'R' AS who")
    writer <- function() sparklyr::invoke(sparklyr::invoke(rows, "write"), "mode", "append")
    attempt(paste("insertInto", table), function() sparklyr::invoke(writer(), "insertInto", table))
    attempt(paste("saveAsTable", table), function() sparklyr::invoke(writer(), "saveAsTable", table))
    attempt(paste("save", table), function() {
      sparklyr::invoke(sparklyr::invoke(writer(), "format", "iceberg"), "save", table)
    })
    attempt(paste("writeTo", table), function() {
      sparklyr::invoke(sparklyr::invoke(rows, "writeTo", table), "append")
    })
  }
  fresh <- sparklyr::invoke(session, "newSession")
  for (name in c("spark.dataflow.scope", "spark.sql.catalog.dataflow.scope")) {
    attempt(paste("set", name), function() {
      sparklyr::invoke(sparklyr::invoke(fresh, "conf"), "set", name, '{"reach": "all"}')
    })
  }
  into(session, "mine.t")
  into(fresh, "prod.victim")
  into(session, "prod.victim")
  into(session, "mine.theirs")
"""


class Services:
    """Keeps what a script prints."""

    def __init__(self, lines):
        self.print_line = self.log_line = lines.append

    def is_cancelled(self):
        return False


class Spark:
    """Runs scripts in an R of their own, with a Spark of its own over tables that lie in a folder."""

    def __init__(self, spark, folder):
        conf = dict(spark.sparkContext.getConf().getAll())
        self.warehouse = folder / "warehouse"
        catalog = {"warehouse": str(self.warehouse), "type": "hadoop"}
        self.settings = {
            **{key: value for key, value in conf.items() if not key.startswith("spark.sql.catalog.dataflow.")},
            **{f"spark.sql.catalog.dataflow.{key}": value for key, value in catalog.items()},
        }
        self.home = spark.sparkContext._jvm.java.lang.System.getProperty("java.home")
        self.script = folder / "try.R"

    def run(self, scope, body):
        """Run R code that attempts things; return what came of each."""
        lines = []
        self.script.write_text(TRY % body)
        launch = SparkLaunch(self.settings, java_home=Path(self.home))
        with launch.conf_folder() as conf:
            variables = launch.variables(conf) | {VARIABLE: scope.as_json()}
            run_r(self.script, {}, Services(lines), master="local[2]", variables=variables)
        return dict(line.split("\t")[1:3] for line in lines if line.startswith("tried\t"))

    def statements(self, scope, statements):
        """Attempt statements, by name."""
        filled = {name: it.replace("{warehouse}", str(self.warehouse)) for name, it in statements.items()}
        return self.run(scope, "\n".join(STATEMENT % (json.dumps(n), json.dumps(it)) for n, it in filled.items()))

    def files(self):
        """Return all files of all tables, each with what it holds."""
        return {it: it.read_bytes() for it in self.warehouse.rglob("*") if it.is_file()}

    def branches(self):
        """Return the snapshot that each branch of the own table is at."""
        files = (self.warehouse / "mine" / "t" / "metadata").glob("v*.metadata.json")
        newest = max(files, key=lambda it: int(it.name[1:].partition(".")[0]))
        return {name: it["snapshot-id"] for name, it in json.loads(newest.read_text())["refs"].items()}


@pytest.fixture
def r(spark, tmp_path, sparklyr):  # noqa: ARG001  # R has to find it
    found = Spark(spark, tmp_path)
    assert set(found.statements(EVERYTHING, {str(n): it for n, it in enumerate(SETUP)}).values()) == {"passed"}
    return found


@pytest.mark.parametrize(("kind", "scope"), [("plain", PLAIN), ("wap", WAP)])
def test_every_statement_that_is_refused_in_python_is_refused_in_r(r, kind, scope):
    refused = {name: it.statement for name, it in ATTACKS.items() if it.statement and getattr(it, kind) == REFUSED}
    assert len(refused) > 30
    before = r.files()
    outcomes = r.statements(scope, refused)
    assert outcomes == dict.fromkeys(refused, "refused")
    assert r.files() == before


@pytest.mark.parametrize(("scope", "branch"), [(PLAIN, "main"), (WAP, BRANCH)])
def test_r_s_writers_reach_the_own_table_alone_whatever_they_set(r, scope, branch):
    before, published = r.files(), r.branches()["main"]
    outcomes = r.run(scope, WRITERS)
    assert {name.split()[1] for name, came in outcomes.items() if came == "refused"} == {FOREIGN, THEIRS}
    assert [name for name, came in outcomes.items() if name.endswith(OWN) and came != "passed"] == []
    own = r.warehouse / "mine" / "t"
    assert {
        it for it, content in r.files().items() if before.get(it) != content and not it.is_relative_to(own)
    } == set()
    assert [name for name, snapshot in r.branches().items() if snapshot != published] == [branch]
