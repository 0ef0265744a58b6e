"""When a run may call a day complete: tables of every kind, published by the run itself."""

from __future__ import annotations

import textwrap

import pytest

from dataflow.tables import high_water_mark
from dataflow.tables.iceberg import load, properties
from tests.support.small_runs import failed

pytestmark = pytest.mark.spark

WORKFLOW = """
version: 1
workflow:
  id: ${dataflow.package_id}.kind
params:
  EXECUTION_DATE: ${dataflow.yesterday}
  DATEINT: '20260131'
  EMPTY: fail
  ROWS: '1'
jobs:
  - job:
      id: ddl
      type: Spark
      spark:
        script: kind.sql
  - template:
      id: wap
      type: wap
      table: ${TARGET_DB}.kind
      partition: %(partition)s
      empty: ${EMPTY}
      write:
        - job:
            id: write
            type: Spark
            spark:
              script: rows.sql
  - job:
      id: hwm
      type: HWM
      hwm:
        table: ${TARGET_DB}.`kind`
        datetime: %(datetime)s
        complete: %(complete)s
"""


def write_kind(package, column, by, value, partition, datetime="${EXECUTION_DATE}", complete="false"):
    by = f"PARTITIONED BY ({by})" if by else ""
    package.write(
        "kind.sql", f"CREATE TABLE IF NOT EXISTS ${{TARGET_DB}}.kind (id INT, {column}) USING iceberg {by};\n"
    )
    package.write("rows.sql", f"INSERT INTO ${{TARGET_DB}}.kind SELECT 1, {value} FROM range(${{ROWS}});\n")
    text = WORKFLOW % {"partition": partition, "datetime": datetime, "complete": complete}
    (package.folder / "kind.sch.yaml").write_text(textwrap.dedent(text).lstrip())


def mark(package):
    return properties(load(package.spark, f"{package.user}_sandbox.kind")).get("dataflow.hwm")


DAY = "DATE '${EXECUTION_DATE}'"
HOUR = "{x: '${EXECUTION_DATE}T05:10'}"
AT = "TIMESTAMP '${EXECUTION_DATE} 05:30:00Z'"


@pytest.mark.parametrize(
    ("column", "by", "value", "partition", "datetime", "expected"),
    [
        ("x DATE", "x", DAY, "{x: '${EXECUTION_DATE}'}", "${EXECUTION_DATE}", "2026-01-31"),
        ("x DATE", "x", DAY, "{X: '${EXECUTION_DATE}'}", "${EXECUTION_DATE}T06:00", "2026-01-31"),
        ("x INT", "x", "${DATEINT}", "{x: '${DATEINT}'}", "${EXECUTION_DATE}", "2026-01-31"),
        ("x STRING", "x", "'31 Jan'", "{x: 31 Jan}", "${EXECUTION_DATE}", "2026-01-31"),
        ("x STRING", "x", "'${EXECUTION_DATE}'", "{x: '${EXECUTION_DATE}'}", "${EXECUTION_DATE}", "2026-01-31"),
        ("x DATE", "months(x)", DAY, "{x: '${EXECUTION_DATE}'}", "${EXECUTION_DATE}", "2026-01-31"),
        ("x TIMESTAMP", "days(x), bucket(4, id)", AT, "{x: '${EXECUTION_DATE}'}", "${EXECUTION_DATE}", "2026-01-31"),
        ("x TIMESTAMP", "hours(x)", AT, "{x: '${EXECUTION_DATE}'}", "${EXECUTION_DATE}", "2026-01-31"),
        ("x TIMESTAMP", "hours(x)", AT, HOUR, "${EXECUTION_DATE}T05:59", "2026-01-31T05:00"),
        ("x DATE", "", DAY, "{}", "${EXECUTION_DATE}", "2026-01-31"),
    ],
)  # fmt: skip
def test_a_run_believes_what_it_published(package, column, by, value, partition, datetime, expected):
    write_kind(package, column, by, value, partition, datetime)
    for only in (None, "hwm"):
        result = package.run("kind.sch.yaml", day=31, only=only)
        assert result.status == "succeeded", failed(result)
        assert mark(package) == expected


@pytest.mark.parametrize(
    ("column", "by", "value", "partition", "told"),
    [
        ("d DATE, c STRING", "d, c", f"{DAY}, 'US'", "{d: '${EXECUTION_DATE}', c: US}", "has more columns than one"),
        ("x TIMESTAMP", "hours(x)", AT, HOUR, "x=2026-01-31T05:00 is an hour of 2026-01-31"),
        ("x DATE", "x", "DATE '2026-01-30'", "{x: 2026-01-30}", "has no published 2026-01-31"),
        ("x INT", "x", "20260130", "{x: 20260130}", "has no published 2026-01-31"),
    ],
)  # fmt: skip
def test_a_part_of_a_day_is_not_called_the_day(package, column, by, value, partition, told):
    write_kind(package, column, by, value, partition)
    step, message = failed(package.run("kind.sch.yaml", day=31))
    assert step == "hwm"
    assert told in message
    assert mark(package) is None


def test_a_definition_says_that_a_part_is_all_of_the_day(package):
    partition = "{d: '${EXECUTION_DATE}', c: US}"
    write_kind(package, "d DATE, c STRING", "d, c", f"{DAY}, 'US'", partition, complete="true")
    result = package.run("kind.sch.yaml", day=31)
    assert result.status == "succeeded", failed(result)
    assert mark(package) == "2026-01-31"


def test_a_day_that_is_kept_is_complete(package):
    write_kind(package, "x DATE", "x", DAY, "{x: '${EXECUTION_DATE}'}")
    assert package.run("kind.sch.yaml", day=30).status == "succeeded"
    assert failed(package.run("kind.sch.yaml", day=31, ROWS="0"))[0] == "wap"
    result = package.run("kind.sch.yaml", day=31, ROWS="0", EMPTY="keep")
    assert result.status == "succeeded", failed(result)
    assert mark(package) == "2026-01-31"


def test_hours_that_follow_each_other_move_the_mark_by_the_hour(package):
    write_kind(
        package, "x TIMESTAMP", "hours(x)", "TIMESTAMP '2026-01-31 ${HOUR}:00:00Z'", "{x: '2026-01-31T${HOUR}:00'}",
        "2026-01-31T${HOUR}:00",
    )  # fmt: skip
    package.edit("kind.sch.yaml", "ROWS: '1'", "ROWS: '1'\n  HOUR: '05'")
    found = []
    for hour in ("05", "07", "06"):
        result = package.run("kind.sch.yaml", day=31, HOUR=hour)
        assert result.status == "succeeded", failed(result)
        found.append(mark(package))
    assert found == ["2026-01-31T05:00", "2026-01-31T05:00", "2026-01-31T07:00"]
    table = f"{package.user}_sandbox.kind"
    assert high_water_mark.read(package.spark, table).day.isoformat() == "2026-01-30"


def test_all_items_of_a_foreach_make_a_day_of_further_columns_complete(package):
    partition = "{d: '${EXECUTION_DATE}', c: US}"
    write_kind(package, "d DATE, c STRING", "d, c", f"{DAY}, 'US'", partition)
    text = (package.folder / "kind.sch.yaml").read_text()
    body, _, hwm = text.partition("  - job:\n      id: hwm")
    (package.folder / "kind.sch.yaml").write_text(body)
    package.write(
        "all.sch.yaml",
        "version: 1\nworkflow:\n  id: ${dataflow.package_id}.all\nparams:\n  EXECUTION_DATE: ${dataflow.yesterday}\n"
        "jobs:\n  - foreach:\n      id: each\n      dates:\n        from: 2026-01-30\n        to: ${EXECUTION_DATE}\n"
        "      job:\n        id: kind\n        type: Subworkflow\n        subworkflow:\n          file: kind.sch.yaml\n"
        f"          params:\n            EXECUTION_DATE: ${{dataflow.each}}\n  - job:\n      id: hwm{hwm}",
    )
    result = package.run("all.sch.yaml", day=31)
    assert result.status == "succeeded", failed(result)
    assert mark(package) == "2026-01-31"


def test_a_mark_of_a_table_that_another_workflow_publishes_needs_its_day(package):
    write_kind(package, "x DATE", "x", DAY, "{x: '${EXECUTION_DATE}'}")
    assert package.run("kind.sch.yaml", day=30).status == "succeeded"
    package.write(
        "mark.sch.yaml",
        "version: 1\nworkflow:\n  id: ${dataflow.package_id}.mark\nparams:\n  EXECUTION_DATE: ${dataflow.yesterday}\n"
        "jobs:\n  - job:\n      id: hwm\n      type: HWM\n      hwm:\n        table: ${TARGET_DB}.kind\n"
        "        datetime: ${EXECUTION_DATE}\n",
    )
    assert package.run("mark.sch.yaml", day=30).status == "succeeded"
    assert "has no published 2026-01-31" in failed(package.run("mark.sch.yaml", day=31))[1]
