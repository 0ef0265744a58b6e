"""`dataflow table load` where Spark has a part in it: it reads what PyIceberg wrote, and writes what that can't."""

from __future__ import annotations

import pytest
from pyiceberg.catalog import load_catalog

pytestmark = [pytest.mark.spark, pytest.mark.long]

EVENTS = """\
id,at,local,price,code,ok
1,2026-01-31T23:30:00-02:00,2026-01-31 10:00:00,0.10,007,true
2,2026-01-31T10:00:00Z,,99999999999999.25,08,FALSE
"""


def test_spark_reads_what_was_loaded_without_it_and_takes_over_what_needs_it(spark_command, tmp_path):
    command = spark_command
    (command.folder / "events.csv").write_text(EVENTS)
    assert command.json("table", "load", "events.csv", "events", "--partition", "code")["outcome"] == "created"
    read = "SELECT id, CAST(at AS string) AS at, local, price, code, ok FROM alice_sandbox.events ORDER BY id"
    first = {"id": 1, "at": "2026-02-01 01:30:00", "local": "2026-01-31T10:00:00", "price": "0.10", "code": "007"}
    second = {"id": 2, "at": "2026-01-31 10:00:00", "local": None, "price": "99999999999999.25", "code": "08"}
    assert command.json("query", read) == [{**first, "ok": True}, {**second, "ok": False}]

    replace = ["events.csv", "events", "--replace", "--type", "id=string", "--partition", "at", "--to", "e.sql"]
    done = command("table", "load", *replace)
    assert "replaced what alice_sandbox.events had: 2 rows, partitioned by days(at)\n" in done.stdout
    (command.folder / "more.csv").write_text("AT,id\n2026-03-01T00:00:00Z,three\n")
    assert "1 row, 3 now" in command("table", "load", "more.csv", "events", "--append").stdout
    catalog = load_catalog(
        "dataflow", type="sql", uri=f"sqlite:///{tmp_path}/home/catalog.db", init_catalog_tables="false"
    )
    table = catalog.load_table("alice_sandbox.events")
    found = sorted(table.scan().to_arrow().to_pylist(), key=lambda row: row["at"])
    assert [(row["id"], row["price"] and str(row["price"])) for row in found] == [
        ("2", "99999999999999.25"),
        ("1", "0.10"),
        ("three", None),
    ]
    assert table.inspect.partitions().num_rows == 3


def test_a_catalog_of_its_own_is_loaded_through_a_spark_on_this_machine(spark_command, tmp_path):
    command = spark_command
    (command.folder / "dataflow.yaml").write_text(
        "version: 1\nproject: p\nenvironments:\n  sandbox:\n"
        "    spark: {spark.master: spark://nowhere.example.org:7077}\n"
        f"    catalog: {{name: lake, type: hadoop, warehouse: {tmp_path / 'lake'}}}\n"
        "    params: {TARGET_DB: '${dataflow.user}_box'}\n"
    )
    (command.folder / "events.csv").write_text(EVENTS)
    done = command("table", "load", "events.csv", "events", "--partition", "code")
    assert "created alice_box.events: 2 rows, partitioned by code\n" in done.stdout
    assert "  SOURCE_TABLE: alice_box.events\n" in done.stdout
    (command.folder / "more.csv").write_text("id,at,local,price,code,ok\n3,,,,,\nx,,,,,\n")
    more = command("table", "load", "more.csv", "events", "--append", "--skip-bad-rows")
    assert "added to alice_box.events: 1 row, 3 now\n" in more.stdout
    assert "  more.csv:3: column 'id': 'x' is not a bigint\n" in more.stderr
    other = command("table", "load", "events.csv", "other.events", code=1)
    assert other.stderr.startswith("error: other.events lies outside alice_box")
