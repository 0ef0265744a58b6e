"""The tables that a program names, by its text alone."""

from __future__ import annotations

import pytest

from dataflow.lineage.program_tables import tables_in_program


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".R", 'tbl(spark, "a.b") |> spark_dataframe() |> invoke("writeTo", "c.d") |> invoke("overwritePartitions")'),
        (".R", 'tbl(spark, I("a.b")) |> spark_insert_table("c.d")'),
        (".py", 'spark.table("a.b").writeTo("c.d").append()'),
        (".scala", 'spark.table("a.b").write.insertInto("c.d")'),
    ],
)
def test_what_opens_and_what_writes_a_table_is_told_apart(suffix, text):
    found = tables_in_program(text, suffix, {})
    assert (list(found.reads), list(found.writes)) == (["a.b"], ["c.d"])
