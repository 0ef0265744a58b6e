"""What a run would do, told without Spark."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest

from dataflow.lineage.sql.tables import tables_of
from dataflow.runner.plan import plan_run
from dataflow.runner.plan_layout import executor_line
from dataflow.workflow.load import Request
from dataflow.workflow.project import Environment
from tests.support import definitions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dataflow.workflow.resolved import Workflow

    Load = Callable[..., Workflow]

# A plan is made of a definition alone: here `package` is its folder, not one that runs.
package, edit, load = definitions.package, definitions.edit, definitions.load

TARGET = "alice_sandbox.alice_titles_results"
DAY = Request(date=dt.date(2026, 1, 31))

PLAN = """\
alice.titles.main

  definition   main.sch.yaml
  package      alice.titles, owner alice
  environment  sandbox, catalog dataflow
  spark        local[*]
  schedule     none
  reads        demo.playback
  writes       alice_sandbox.alice_titles_results

parameters
  EXECUTION_DATE  2026-01-31                          --date
  SOURCE_TABLE    demo.playback                       definition
  TARGET_TABLE    alice_sandbox.alice_titles_results  definition
  TARGET_DB       alice_sandbox                       environment

steps
  ddl  Spark  ./ddl.sql
              writes alice_sandbox.alice_titles_results
  wap  wap    ./write.sql
              reads  demo.playback
              writes alice_sandbox.alice_titles_results (date=2026-01-31)
              audits columns_should_not_have_nulls
              no rows: fails
  hwm  HWM    high-water mark of alice_sandbox.alice_titles_results: 2026-01-31 UTC"""


def test_a_plan_is_told_to_people(load: Load) -> None:
    assert plan_run(load(request=DAY)).render_text() == PLAN


def test_a_plan_says_that_a_step_keeps_what_exists(load: Load, edit: Callable[..., None]) -> None:
    edit("main.sch.yaml", "      write:", "      existing: keep\n      write:")
    found = plan_run(load(request=DAY))
    assert found.steps[1].existing == "keep"
    assert "              old rows: stay as far as they are not changed\n" in found.render_text()


def test_a_plan_is_told_to_programs(load: Load) -> None:
    found = json.loads(json.dumps(plan_run(load("daily.sch.yaml", DAY)).to_dict()))
    assert (found["reads"], found["writes"]) == (["demo.playback"], [TARGET])
    (step,) = found["steps"]
    assert (step["dates"], step["parallel"]) == (["2026-01-29", "2026-01-30", "2026-01-31"], 2)
    assert [inner["id"] for inner in step["contains"]["steps"]] == ["ddl", "wap", "hwm"]
    assert step["contains"]["steps"][1]["partition"] == {"date": "2026-01-29"}


def test_a_foreach_shows_its_dates_and_its_first_turn(load: Load) -> None:
    text = plan_run(load("daily.sch.yaml", DAY)).render_text()
    assert "each_day  Subworkflow  3 dates, 2026-01-29 to 2026-01-31, 2 at a time" in text
    assert "3 attempts, at most 2h each" in text
    assert "schedule     0 3 * * * UTC" in text
    assert "      wap  wap    ./write.sql" in text


def test_steps_that_wait_for_others_than_the_one_before_say_so(load: Load, edit: Callable[..., None]) -> None:
    edit("main.sch.yaml", "jobs:\n", "dag: [ddl -> hwm]\njobs:\n")
    text = plan_run(load()).render_text()
    assert "starts at once" in text
    assert "after ddl" in text


def test_what_python_reads_is_not_known_before_it_runs(load: Load, edit: Callable[..., None], package: Path) -> None:
    (package / "write.py").write_text("def main(args, spark): ...\n")
    edit("main.sch.yaml", "./write.sql", "./write.py")
    found = plan_run(load())
    assert found.steps[1].reads == ("demo.playback",)
    assert not found.steps[1].reads_known
    assert "reads  demo.playback, more is known after the first run" in found.render_text()


def test_an_unpinned_package_says_so(load: Load, package: Path) -> None:
    (package / "identity.yaml").unlink()
    assert "owner alice (not pinned: there is no identity.yaml)" in plan_run(load()).render_text()


def test_a_secret_is_shown_as_it_is_written(
    load: Load, edit: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "s3cret")
    edit("main.sch.yaml", "params:\n", "params:\n  KEY: ${secret:TOKEN}\n")
    found = plan_run(load())
    assert "${secret:TOKEN}" in found.render_text()
    assert "s3cret" not in found.render_text() + json.dumps(found.to_dict())


@pytest.mark.parametrize(
    ("script", "reads", "writes"),
    [
        (
            "CREATE TEMPORARY VIEW v AS SELECT * FROM a.b; INSERT INTO x.y SELECT * FROM v JOIN a.c",
            ["a.b", "a.c"],
            ["x.y"],
        ),
        ("MERGE INTO t.t USING s.s ON t.id = s.id WHEN MATCHED THEN UPDATE SET *", ["s.s"], ["t.t"]),
        ("WITH q AS (SELECT 1 FROM k.k) INSERT INTO a.b SELECT * FROM q", ["k.k"], ["a.b"]),
        ("INSERT INTO a.b SELECT * FROM a.b", ["a.b"], ["a.b"]),
        ("DELETE FROM a.b WHERE x IN (SELECT x FROM c.d)", ["c.d"], ["a.b"]),
        ("ALTER TABLE a.b ADD COLUMN c INT; TRUNCATE TABLE c.d", [], ["a.b", "c.d"]),
        ("SELECT 1; -- nothing", [], []),
        ("FROM a.b INSERT INTO c.d SELECT x INSERT OVERWRITE e.f SELECT y WHERE y > 1", ["a.b"], ["c.d", "e.f"]),
        (
            "CREATE OR REPLACE TEMP VIEW Recent AS SELECT * FROM crm.people;\n"
            "INSERT INTO x.y WITH Base AS (SELECT /*+ BROADCAST(O) */ o.* FROM shop.orders o)\n"
            "SELECT * FROM base JOIN recent USING (id)",
            ["crm.people", "shop.orders"],
            ["x.y"],
        ),
        ("INSERT INTO IDENTIFIER('x.y') SELECT * FROM IDENTIFIER('a.b')", ["a.b"], ["x.y"]),
        ("DROP TABLE a.b; CREATE VIEW c.d AS SELECT * FROM e.f", ["e.f"], ["a.b", "c.d"]),
        ("ALTER TABLE a.b ADD PARTITION FIELD x; DESCRIBE TABLE c.d; SHOW TABLES IN e", [], ["a.b"]),
        ("SELECT * FROM parquet.`/files/x` JOIN range(3)", [], []),
    ],
)
def test_tables_are_found_in_sql_as_spark_would_find_them(script: str, reads: list[str], writes: list[str]) -> None:
    found = tables_of(script)
    assert ([*found.reads], [*found.writes], found.complete) == (reads, writes, True)


def test_a_statement_that_can_not_be_read_hides_no_other() -> None:
    found = tables_of("INSERT INTO a.b SELECT * FROM c.d; SELECT (; INSERT INTO e.f SELECT * FROM g.h")
    assert (found.reads, found.writes, found.complete) == (("c.d", "g.h"), ("a.b", "e.f"), False)


def test_each_insert_of_a_multiple_one_is_planned(load: Load, package: Path) -> None:
    (package / "write.sql").write_text(
        "FROM ${SOURCE_TABLE} INSERT INTO ${TARGET_TABLE} SELECT 1 INSERT INTO x.y SELECT 2"
    )
    assert plan_run(load()).steps[1].writes == (TARGET, "x.y")


def test_a_table_that_only_a_run_can_name_is_said_to_be_unknown(load: Load, package: Path) -> None:
    (package / "write.sql").write_text("INSERT INTO ${TARGET_TABLE} SELECT * FROM IDENTIFIER(:name)")
    assert not plan_run(load()).steps[1].reads_known


@pytest.mark.parametrize("script", ["SELECT * FROM WHERE", "CALL system.expire_snapshots('a.b')"])
def test_what_can_not_be_understood_may_touch_more(script: str) -> None:
    assert not tables_of(script).complete


@pytest.mark.parametrize(
    ("spark", "line"),
    [
        ({}, "local[*]"),
        ({"spark.master": "local[2]"}, "local[2]"),
        ({"spark.master": "spark://m:7077"}, "spark://m:7077, executors from 0 to as many as it has work for"),
        (
            {"spark.master": "yarn", "spark.dynamicAllocation.maxExecutors": "900"},
            "yarn, executors from 0 to 900",
        ),
        (
            {"spark.master": "k8s://https://k:6443", "spark.executor.instances": "20"},
            "k8s://https://k:6443, 20 executors",
        ),
        (
            {"spark.master": "spark://m:7077", "spark.dynamicAllocation.enabled": "false"},
            "spark://m:7077, a fixed number of executors",
        ),
    ],
)
def test_a_plan_says_where_spark_runs_and_how_many_executors_it_holds(spark: dict[str, str], line: str) -> None:
    catalog = {"name": "lake", "type": "rest", "uri": "https://catalog.example.org"}
    assert executor_line(Environment("production", catalog=catalog, spark=spark)) == line
