"""The Maintenance job in a run: what outlived its lifetime goes, and no reader takes that for a change."""

from __future__ import annotations

import pytest

from dataflow.tables.changed_days.find import changed_days
from dataflow.tables.iceberg import head, load
from dataflow.tables.metadata_through_spark import find_table
from tests.support.packages import definition

pytestmark = pytest.mark.spark

JOB = """\
  - job:
      id: maintenance
      type: Maintenance
      maintenance:
        table: ${TARGET_TABLE}
"""


def test_a_run_keeps_its_packages_table_in_order(package):
    package.write(
        "maintenance.sch.yaml",
        definition(JOB, name="${dataflow.package_id}.maintenance", params={"TARGET_TABLE": "${TARGET_DB}.results"}),
    )
    package.add_source((1, 1, 1), (2, 2, 2))
    for day in (1, 2):
        assert package.run(day=day).status == "succeeded"
    seen = head(load(package.spark, package.target))
    done = package.run("maintenance.sch.yaml", day=None)
    assert done.status == "succeeded", done
    assert package.rows() == []  # its lifetime is nine days, and they are of January
    assert changed_days(find_table(package.spark, package.target), seen).days == {}
    again = package.run("maintenance.sch.yaml", day=None)
    assert (again.status, again.steps[0].detail) == ("succeeded", "nothing to do")
