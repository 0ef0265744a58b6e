"""The columns that a definition itself names of the tables it writes."""

from __future__ import annotations

from dataflow.lineage.definition_columns import referenced_columns
from dataflow.workflow.load import Request, load_workflow

MAIN = """
version: 1
workflow:
  id: w
params:
  TABLE: db.plays
  DAY: "2026-01-01"
jobs:
  - job:
      id: metadata
      type: Metadata
      metadata: {table: "${TABLE}", owner: alice, primary_key: [day, id]}
  - template:
      id: wap
      type: wap
      table: dataflow.db.plays
      write:
        - job: {id: write, type: Spark, spark: {script: write.sql}}
      audits:
        - {function: columns_should_not_have_nulls, columns: [a, maker.name]}
        - {function: column_should_be_between, column: b, min: 0}
        - {function: row_count_should_be_between, min: 1}
        - function: sql_should_return_no_rows
          sql: SELECT 1 FROM ${AUDITED} x JOIN db.t y ON x.c = y.other WHERE d > 1
        - {function: sql_should_return_no_rows, script: audit.sql}
        - {function: sql_should_return_no_rows, sql: "SELECT FROM WHERE ("}
        - {function: python_should_pass, script: audit.py}
        - {function: python_should_pass, script: broken.py}
  - job:
      id: audit
      type: Audit
      audit:
        table: db.other
        audits:
          - {function: values_should_be_in, column: kind, values: [x]}
          - {function: columns_should_be_unique, columns: [k]}
"""


def test_audits_and_the_key_name_the_columns_that_have_to_be_there(tmp_path):
    (tmp_path / "main.sch.yaml").write_text(MAIN)
    (tmp_path / "write.sql").write_text("SELECT 1")
    (tmp_path / "audit.sql").write_text("SELECT e FROM ${AUDITED} WHERE day = '${DAY}'")
    (tmp_path / "audit.py").write_text(
        "def audit(rows, args):\n    return rows.filter(rows.f > 0).select('g').count()\n"
    )
    (tmp_path / "broken.py").write_text("def audit(rows, args:\n")
    found = referenced_columns(load_workflow(tmp_path / "main.sch.yaml", Request()))
    assert found["db.plays"] >= {"day", "id", "a", "maker", "b", "c", "d", "e", "f", "g"}
    assert not found["db.plays"] & {"other", "name", "1"}
    assert found["db.other"] == {"kind", "k"}
