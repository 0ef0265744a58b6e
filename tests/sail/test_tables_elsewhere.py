"""Tables that Sail does not find by itself, in odd folders, on other machines: answered rightly, or Spark's."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from dataflow.sail import tables
from dataflow.sail.answer import ask
from dataflow.sail.judgement import SparkDecides
from dataflow.tables.catalog import catalog_file, open_catalog
from dataflow.workflow.project import Environment

pytestmark = pytest.mark.slow

ROWS = pa.table(
    {
        "id": pa.array([1, 2, 3], pa.int32()),
        "name": ["Ä b", None, "c%20d"],
        "tags": pa.array([["x", None], [], None], pa.list_(pa.string())),
    }
)
ALL = "SELECT * FROM db.plays ORDER BY id"


def made(environment, name="db.plays", **options):
    """Return a new table of a catalog with three rows."""
    catalog = open_catalog(environment)
    if not catalog.list_namespaces():
        catalog.create_namespace("db")
    table = catalog.create_table(name, ROWS.schema, **options)
    table.append(ROWS)
    return table


def asked(environment, sql=ALL):
    return ask(environment, sql, None)[0].to_pylist()


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """The embedded catalog, in a home of its own."""
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    return Environment("sandbox")


@pytest.mark.parametrize(
    "folder", ["plain", "sp ace", "hö me", "100%", "a%20b", "日本", "𝄞", "a;b,c", "a'b[c]", 'a"b*{c}']
)
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_folder_may_have_any_name(environment, tmp_path, folder, scheme):
    made(environment, location=f"{scheme}{tmp_path}/{folder}")
    assert asked(environment) == ROWS.to_pylist()
    assert asked(environment, "SELECT count(*) AS n, max(id) AS most FROM db.plays WHERE name IS NOT NULL") == [
        {"n": 2, "most": 3}
    ]


def test_an_address_that_nobody_reads_alike_is_sparks(environment, tmp_path):
    table = made(environment, location=f"{tmp_path}/a?b#c")
    with pytest.raises(SparkDecides, match=r"the address of db\.plays is Spark's alone to read"):
        asked(environment)
    assert Path(table.metadata_location).exists()


def test_what_is_too_large_to_be_read_whole_is_sparks(environment, tmp_path, monkeypatch):
    made(environment, location=f"{tmp_path}/ü")
    monkeypatch.setattr(tables, "_READ_WHOLE", 10)
    with pytest.raises(SparkDecides, match=r"unusual characters .*, and they are too large to be read whole"):
        asked(environment)


def test_states_are_read_by_clauses_and_by_names(environment, tmp_path):
    table = made(environment, location=f"{tmp_path}/plays")
    first = table.current_snapshot().snapshot_id
    table.manage_snapshots().create_branch(first, "b").create_tag(first, "t").commit()
    table.append(ROWS)
    for state in ("VERSION AS OF 'b'", "VERSION AS OF 't'", f"VERSION AS OF {first}", f"FOR VERSION AS OF {first}"):
        assert asked(environment, f"SELECT count(*) AS n FROM db.plays {state}") == [{"n": 3}]
    for name in ("branch_b", "tag_t", f"snapshot_id_{first}"):
        assert asked(environment, f"SELECT count(*) AS n FROM db.plays.{name}") == [{"n": 3}]
        assert asked(environment, f"SELECT max(p.id) AS n FROM db.plays.{name} AS p") == [{"n": 3}]
    assert asked(environment, "SELECT count(*) AS n FROM db.plays") == [{"n": 6}]
    for sql in ("db.plays.branch_c", "db.plays.snapshots", "db.nope.branch_b", "db.plays.branch_b VERSION AS OF 't'"):
        with pytest.raises(SparkDecides):
            asked(environment, f"SELECT count(*) AS n FROM {sql}")


def test_a_table_whose_name_looks_like_a_state_is_that_table(environment, tmp_path):
    catalog = open_catalog(environment)
    catalog.create_namespace("db")
    catalog.create_namespace("db.plays")
    made(environment, "db.plays.branch_b", location=f"{tmp_path}/one")
    assert asked(environment, "SELECT count(*) AS n FROM db.plays.branch_b") == [{"n": 3}]


def test_empty_tables_have_their_columns(environment, tmp_path):
    for folder in ("plain", "ü"):
        catalog = open_catalog(environment)
        catalog.create_namespace_if_not_exists("db")
        catalog.create_table(f"db.{folder}", ROWS.schema, location=f"{tmp_path}/{folder}")
        found = ask(environment, f"SELECT *, id + 1 AS more FROM db.`{folder}`", None)[0]
        assert (found.num_rows, found.schema.names) == (0, ["id", "name", "tags", "more"])
        assert asked(environment, f"SELECT count(*) AS n, sum(id) AS s FROM db.`{folder}`") == [{"n": 0, "s": None}]


def test_a_view_is_sparks(environment, tmp_path):
    table = made(environment, location=f"{tmp_path}/plays")
    view = tmp_path / "view.json"
    view.write_text(json.dumps({"view-uuid": "x", "format-version": 1, "location": str(tmp_path)}), encoding="utf-8")
    import sqlite3

    with sqlite3.connect(catalog_file()) as connection:
        connection.execute("UPDATE iceberg_tables SET metadata_location = ?", (str(view),))
    assert Path(table.metadata_location).exists()
    with pytest.raises(SparkDecides, match=r"db\.plays is a view"):
        asked(environment)


def test_a_catalog_in_a_database_is_read_by_its_pointer(tmp_path):
    catalog = {"name": "lake", "type": "jdbc", "uri": f"jdbc:sqlite:{tmp_path}/c.db", "warehouse": f"{tmp_path}/w ü"}
    environment = Environment("team", catalog=catalog)
    made(environment)
    assert asked(environment) == ROWS.to_pylist()
    assert asked(environment, "SELECT p.id FROM lake.db.plays AS p WHERE p.id > 2") == [{"id": 3}]
    with pytest.raises(SparkDecides, match=r"the catalog has no table db\.nope"):
        asked(environment, "SELECT * FROM db.nope")


def test_files_on_other_machines_are_read_by_their_catalogs_means(s3_address, s3_server, tmp_path, monkeypatch):
    catalog = {
        "name": "lake",
        "type": "jdbc",
        "uri": f"jdbc:sqlite:{tmp_path}/c.db",
        "warehouse": s3_address,
        "s3.endpoint": s3_server,
        "s3.access-key-id": "key",
        "s3.secret-access-key": "${secret:S3_SECRET}",
        "s3.region": "us-east-1",
    }
    monkeypatch.setenv("S3_SECRET", "secret")
    environment = Environment("team", catalog=catalog)
    made(environment)
    assert asked(environment) == ROWS.to_pylist()
    assert asked(environment, "SELECT tags FROM db.plays WHERE id = 1") == [{"tags": ["x", None]}]


def test_a_catalog_that_only_spark_reads_is_sparks(tmp_path):
    environment = Environment("team", catalog={"name": "lake", "type": "hadoop", "warehouse": str(tmp_path)})
    with pytest.raises(SparkDecides, match=r"the catalog does not show db\.plays without Spark"):
        asked(environment)
