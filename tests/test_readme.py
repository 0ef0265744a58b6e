"""The README's sample session, run block by block as it is written."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from tests.support.documents import ALICE, bash_blocks, run_block
from tests.support.places import ROOT

pytestmark = [pytest.mark.spark, pytest.mark.long]

README = ROOT / "README.md"


def blocks():
    section = README.read_text(encoding="utf-8").partition("\n## From an empty folder to production\n")[2]
    return bash_blocks(section.partition("\n## ")[0])


def test_the_sample_session_does_what_the_readme_says(spark_command):
    command = spark_command
    folder, said = command.folder, []
    for block in blocks():
        said.append(run_block(command, block, folder, **ALICE).stdout)
        folder = command.folder / "films"
    deployed, branch, merged = said

    assert "PASSED  ./titles/main.sch.yaml (workflow)" in deployed
    assert re.search(
        r"DEPLOYED AS dataflow\.sql\.titles~~src~~sparksql_write\.alice\.films\.main\.[0-9a-f]{8}\.1\n", deployed
    )
    assert "published prod.alice_titles_results date=2026-01-31: 19,303 rows" in deployed

    assert re.search(r"published alice__top_50__\w{6}\.alice_titles_results date=2026-01-31", branch)
    assert re.search(r"rows: [\d,]+ here, 19,303 there", branch)
    assert re.search(r"rows only there +[\d,]+", branch)
    assert "rows only here" not in branch

    assert "+  WHERE title_rank <= 50" in merged
    assert "production is at #3 now, which runs what #1 ran" in merged
    assert "taken down: branch-top-50-alice" in merged
    shown = command.json("workflow", "runs", folder=folder)
    (database,) = set(re.findall(r"alice__top_50__\w{6}", branch))
    assert [(run["workflow_id"], run["environment"]) for run in shown] == [
        (f"{database}.alice.titles.main", "branch-top-50-alice"),
        ("alice.titles.main", "production"),
    ]
    run = command.json("workflow", "show", "last", folder=folder)
    commit = subprocess.run(["git", "rev-parse", "top-50"], cwd=folder, check=True, capture_output=True, text=True)
    assert {it["path"]: it["commit"] for it in run["assets"]}["titles/src/sparksql_write.sql"] == commit.stdout[:8]
    assert json.dumps(run)


def test_late_data_is_found_as_the_readme_says(spark_command):
    command = spark_command
    section = README.read_text(encoding="utf-8").partition("\n### Late data\n")[2].partition("\n## ")[0]
    (block,) = bash_blocks(section)
    done = run_block(command, block)
    came = r"2026-01-30: 1 row came in snapshot \d+ of alice_sandbox\.plays at \d{4}-\d\d-\d\d \d\d:\d\d UTC\n"
    assert re.search(came, done.stdout)
    published = re.findall(r"published alice_sandbox\.alice_nights_results (.*)", done.stdout)
    assert published[0].startswith("date=2026-01-29 to date=2026-01-31, 3 partitions: 3 rows")
    assert published[1].startswith("date=2026-01-30: 2 rows as snapshot ")
    assert len(published) == 2
    assert "each_day: 0 days, nothing changed" in done.stderr


PLAYS = """\
profile_id,title_id,country_code,view_hours,date
1,11,DE,2.5,2026-01-31
2,11,DE,1.25,2026-01-31
3,12,DE,0.50,2026-01-31
4,12,AT,1,2026-01-30
"""


def test_the_first_day_s_lines_on_ones_own_file_make_a_workflow_read_it(spark_command):
    command = spark_command
    day = README.read_text(encoding="utf-8").partition("\nYour own file gets in by one line")[2]
    block = bash_blocks(day)[0]
    assert len(block.splitlines()) == 2
    command("sample", "workflow", "spark-sql", "./my-pipeline", "--skip-info")
    package = command.folder / "my-pipeline"
    (package / "plays.csv").write_text(PLAYS, encoding="utf-8")
    done = run_block(command, block, package)
    assert "created alice_sandbox.plays: 4 rows, partitioned by date\n" in done.stdout
    assert "  SOURCE_TABLE: alice_sandbox.plays\n" in done.stdout
    assert (package / "ddl/plays.sql").is_file()
    ran = command("workflow", "run", "main.sch.yaml", "--date", "2026-01-31", folder=package)
    assert "published alice_sandbox.alice_my_pipeline_results date=2026-01-31: 2 rows" in ran.stdout


def test_the_nights_that_go_wrong_go_as_the_readme_says(spark_command):
    section = README.read_text(encoding="utf-8").partition("\n## The nights that go wrong\n")[2].partition("\n### ")[0]
    (block,) = (it for it in bash_blocks(section) if "retry last" in it)
    done = run_block(spark_command, block)
    nothing = "nothing to do: 0 of 4 days: 4 succeeded with these definitions; --only all runs them again\n"
    assert "  2026-01  28 ✓✓✓✓ 31\n  4 of 4 days succeeded\n" in done.stdout
    assert "/each_day/2026-02-01 | failed in " in done.stdout
    assert "  2026-02  01 ✓ 01\n  1 of 1 day succeeded\n" in done.stdout
    assert done.stdout.count(nothing) == 2
    assert done.stdout.endswith(nothing)

    (text,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    daily = spark_command.folder / "nights" / "daily.sch.yaml"
    before = re.search(r"^notifications:\n(?:  .*\n)+", daily.read_text(), re.M)[0]
    daily.write_text(daily.read_text().replace(before, text))
    assert spark_command("workflow", "validate", daily).stdout == "1 definition is valid\n"
