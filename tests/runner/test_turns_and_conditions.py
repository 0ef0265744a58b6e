"""A run over the items of a list, and steps that its conditions leave out."""

from __future__ import annotations

import pytest

from tests.support.packages import definition, spark

pytestmark = pytest.mark.spark

EACH = """\
  - foreach:
      id: each
      items: ${COUNTRIES}
      parallel: 2
      job:
        id: write
        type: Spark
        spark:
          script: write_one.sql
          params: {COUNTRY: "${dataflow.each}"}
"""
WEEKLY = """\
  - job:
      id: weekly
      when: {day: mon}
      type: Spark
      spark: {script: nowhere.sql}
"""
AFTER = """\
  - job:
      id: after
      when: {param: MODE, is: [full, daily]}
      type: Spark
      spark: {script: after.sql}
"""


def test_each_item_runs_once_and_what_is_left_out_holds_nobody_up(package):
    package.write("ddl.sql", "CREATE TABLE IF NOT EXISTS ${TARGET_TABLE} (country STRING) USING iceberg;\n")
    package.write("write_one.sql", "INSERT INTO ${TARGET_TABLE} VALUES ('${COUNTRY}');\n")
    package.write("nowhere.sql", "SELECT * FROM nowhere.at_all;\n")
    package.write("after.sql", "INSERT INTO ${TARGET_TABLE} SELECT concat('all ', count(*)) FROM ${TARGET_TABLE};\n")
    package.write(
        "main.sch.yaml",
        definition(
            spark("ddl.sql", "ddl"), EACH, WEEKLY, AFTER,
            params={"COUNTRIES": "db.DE, AT/Wien, NO", "MODE": "daily", "TARGET_TABLE": "${TARGET_DB}.results"},
        ),
    )  # fmt: skip

    result = package.run()  # a Thursday

    assert result.status == "succeeded", result.failed_steps
    found = package.spark.sql(f"SELECT country FROM {package.target}").collect()
    assert sorted(country for (country,) in found) == ["AT/Wien", "NO", "all 3", "db.DE"]
    (each,) = result.days
    assert sorted(item.id for item in each.items) == ["each/AT/Wien", "each/NO", "each/db.DE"]
    assert each.detail == "3 of 3 items"
    (weekly,) = [step for step in result.steps if step.id == "weekly"]
    assert (weekly.status, weekly.detail) == ("skipped", "left out: 2026-01-01 is a thu, not a mon")
    recorded = {job["job_id"]: job for job in package.records.run("last")["jobs"]}
    assert (recorded["weekly"]["status"], recorded["weekly"]["detail"]) == ("skipped", weekly.detail)
    assert recorded["after"]["status"] == "succeeded"
