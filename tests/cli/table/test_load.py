"""`dataflow table load`, by what it prints and by what the table has then; no JVM but where one is the point."""

from __future__ import annotations

import gzip
import json
import textwrap

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.table import Transaction

ORDERS = """\
order_id;zip;at;day;price;note
1;01067;2026-01-31T10:00:00Z;2026-01-31;12.50;"two; lines,
one ""note\"""
2;80331;2026-01-31T11:00:00+01:00;2026-02-01;7;
"""


@pytest.fixture
def load(here_command):
    """Run the command; files are written by name."""

    def run(*arguments, code=0, **files):
        for name, content in files.items():
            write(here_command.folder / name.replace("_csv", ".csv").replace("_json", ".json"), content)
        return here_command("table", "load", *arguments, code=code)

    run.folder = here_command.folder
    run.command = here_command
    return run


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def tables(home):
    return load_catalog("dataflow", type="sql", uri=f"sqlite:///{home}/catalog.db", init_catalog_tables="false")


@pytest.fixture
def rows(tmp_path):
    """Return the rows of a table, as PyIceberg reads them."""
    return lambda name="orders": (
        tables(tmp_path / "home").load_table(("alice_sandbox", name)).scan().to_arrow().to_pylist()
    )


def stripped(text):
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def test_a_file_becomes_a_table_of_the_sandbox_and_its_ddl(load, rows):
    done = load("orders.csv", "orders", "--partition", "day", orders_csv=ORDERS)
    assert stripped(done.stdout) == textwrap.dedent(
        """\

         column     type            example                   nulls
         ──────────────────────────────────────────────────────────
         order_id   bigint          1                         0
         zip        string          01067                     0
         at         timestamp       2026-01-31T10:00:00Z      0
         day        date            2026-01-31                0
         price      decimal(18,2)   12.50                     0
         note       string          two; lines,\\none "note"   1

        created alice_sandbox.orders: 2 rows, partitioned by day
        its DDL, for you to review: ddl/orders.sql

        in a workflow's definition, and to look at it:
          SOURCE_TABLE: alice_sandbox.orders
          dataflow query "SELECT * FROM alice_sandbox.orders LIMIT 20"
        """
    )
    assert done.stderr == ""
    assert (load.folder / "ddl/orders.sql").read_text() == textwrap.dedent(
        """\
        CREATE TABLE IF NOT EXISTS alice_sandbox.orders (
          order_id BIGINT,
          zip STRING,
          at TIMESTAMP,
          day DATE,
          price DECIMAL(18,2),
          note STRING
        )
        USING iceberg
        PARTITIONED BY (day);
        """
    )
    first, second = sorted(rows(), key=lambda row: row["order_id"])
    assert first["zip"] == "01067"
    assert first["note"] == 'two; lines,\none "note"'
    assert (first["at"].isoformat(), second["at"].isoformat()) == (
        "2026-01-31T10:00:00+00:00",
        "2026-01-31T10:00:00+00:00",
    )
    assert (str(first["price"]), str(second["price"]), second["note"]) == ("12.50", "7.00", None)


def test_a_dry_run_shows_types_and_ddl_and_writes_nothing(load, tmp_path):
    done = load("a.csv", "orders", "--dry-run", a_csv="n,when\n1,2026-01-31 10:00\n2,\n")
    assert stripped(done.stdout) == textwrap.dedent(
        """\

         column   type            example            nulls
         ─────────────────────────────────────────────────
         n        bigint          1                  0
         when     timestamp_ntz   2026-01-31 10:00   1


        CREATE TABLE IF NOT EXISTS alice_sandbox.orders (
          n BIGINT,
          when TIMESTAMP_NTZ
        )
        USING iceberg;

        alice_sandbox.orders would get 2 rows; nothing was loaded
        """
    )
    assert not (load.folder / "ddl").exists()
    assert tables(tmp_path / "home").list_namespaces() == []


def test_json_has_all_that_the_text_says(load):
    write(load.folder / "a.csv", "n\n1\nx\n")
    found = load.command.json("table", "load", "a.csv", "numbers")
    assert found == {
        "table": "alice_sandbox.numbers",
        "outcome": "created",
        "rows": 2,
        "total_rows": 2,
        "columns": [
            {
                "name": "n",
                "type": "string",
                "example": "1",
                "nulls": 0,
                "because": "line 3 has 'x', which is not a bigint",
            }
        ],
        "partition": None,
        "ddl": "CREATE TABLE IF NOT EXISTS alice_sandbox.numbers (\n  n STRING\n)\nUSING iceberg;\n",
        "ddl_file": str(load.folder / "ddl/numbers.sql"),
        "bad_rows": 0,
        "bad_rows_shown": [],
    }


def test_bad_rows_are_named_by_line_and_nothing_is_loaded(load, tmp_path):
    content = b'n,day\n1,2026-01-31\n2\n3,"a\nb",x\nM\xfcller,2026-01-31\nfour,2026-02-01\n5,2026-02-30\n'
    done = load("a.csv", "t", "--type", "n=int", "--type", "day=date", a_csv=content, code=2)
    assert done.stdout == ""
    assert done.stderr == textwrap.dedent(
        """\
        error: 5 rows can't be loaded, and nothing was loaded:
          a.csv:3: 1 field, and the header names 2
          a.csv:4: 3 fields, and the header names 2
          a.csv:6: is not UTF-8
          a.csv:7: column 'n': 'four' is not an int
          a.csv:8: column 'day': '2026-02-30' is not a date
          → mend the file, give a column another type (--type NAME=string), or leave them out: --skip-bad-rows
        """
    )
    assert not (load.folder / "ddl").exists()
    assert tables(tmp_path / "home").list_namespaces() == []


def test_the_good_rows_are_loaded_beside_bad_ones_when_asked(load, rows):
    done = load("a.csv", "orders", "--type", "n=int", "--skip-bad-rows", a_csv="n\n1\nx\n3\n")
    assert "created alice_sandbox.orders: 2 rows\n" in done.stdout
    assert done.stderr == "1 row left out:\n  a.csv:3: column 'n': 'x' is not an int\n"
    assert rows() == [{"n": 1}, {"n": 3}]


def test_a_second_load_of_the_same_says_that_the_rows_are_there(load, rows):
    load("a.csv", "orders", a_csv="n\n1\n")
    done = load("a.csv", "orders")
    assert done.stdout.startswith("alice_sandbox.orders has these rows already: nothing was loaded\n")
    assert load("a.csv", "orders", "--append").stdout == done.stdout
    assert rows() == [{"n": 1}]


def test_what_becomes_of_a_table_that_is_there_has_to_be_said(load, rows):
    load("a.csv", "orders", a_csv="n,s\n1,a\n")
    assert load("b.csv", "orders", b_csv="s,N\nb,2\n", code=2).stderr == (
        "error: table alice_sandbox.orders is there already, with 1 row; nothing was loaded\n"
        "  → --append adds these rows to it, --replace puts them in the place of all it has\n"
    )
    added = load("b.csv", "orders", "--append")
    assert "added to alice_sandbox.orders: 1 row, 2 now\n" in added.stdout
    assert sorted(row["n"] for row in rows()) == [1, 2]
    assert load("a.csv", "b.csv", "orders", "--append").stdout.startswith("alice_sandbox.orders has these rows already")
    write(load.folder / "c.csv", "n,s\n3,c\n")
    assert load("b.csv", "c.csv", "orders", "--append", code=2).stderr == (
        "error: b.csv is in alice_sandbox.orders already; nothing was loaded\n"
        "  → leave it out; or put all files in the place of what the table has: --replace\n"
    )
    assert "replaced what alice_sandbox.orders had: 1 row\n" in load("c.csv", "orders", "--replace").stdout
    assert rows() == [{"n": 3, "s": "c"}]
    assert "added to alice_sandbox.orders: 1 row, 2 now" in load("a.csv", "orders", "--append").stdout


def test_rows_that_do_not_fit_the_table_are_bad_rows(load, rows):
    load("a.csv", "orders", a_csv="n,price\n1,2.50\n")
    done = load("b.csv", "orders", "--append", b_csv="n,price\n2,2.505\nx,1.00\n3,1.00\n", code=2)
    assert "  b.csv:2: column 'price': '2.505' does not fit decimal(18,2)\n" in done.stderr
    assert "  b.csv:3: column 'n': 'x' is not a bigint\n" in done.stderr
    assert len(rows()) == 1
    assert load("c.csv", "orders", "--append", c_csv="n,prize\n2,2\n", code=2).stderr == (
        "error: c.csv:1: the table has no column 'prize'; did you mean 'price'?\n"
        "  → load into a table of another name, or put these rows in its place: --replace\n"
    )


def test_types_that_differ_between_files_are_refused_with_both_places(load):
    done = load("a.csv", "b.csv", "t", a_csv="id,n\n1,1\n2,2\n", b_csv="id,n\n3,3\n4,four\n", code=2)
    assert done.stderr == (
        "error: column 'n' differs: a.csv:2 has '1', which is bigint; b.csv:3 has 'four', which is string\n"
        "  → to take both as text: --type n=string\n"
    )
    assert "created alice_sandbox.t: 4 rows" in load("a.csv", "b.csv", "t", "--type", "n=string").stdout


def test_files_with_other_columns_are_refused(load):
    done = load("a.csv", "b.csv", "t", a_csv="id,n\n1,1\n", b_csv="id,m\n1,1\n", code=2)
    assert done.stderr.startswith("error: b.csv:1: there is no column 'n', which a.csv has\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gone.csv", "t"], "gone.csv is not there"),
        ([".", "t"], "is a folder: name its files"),
        (["a.csv", "a.csv"], "'a.csv' is a file; the table's name comes last"),
        (["a.csv", "b.csv"], "'b.csv' is a file; the table's name comes last"),
        (["a.csv", "a.csv", "t"], "a.csv is named twice"),
        (["a.csv", "copy.csv", "t"], "copy.csv holds just what a.csv holds"),
        (["a.dat", "t"], "a.dat: nobody can tell its format by its name"),
        (["a.csv", "a..b"], "'a..b' is not the name of a table"),
        (["a.csv", "t", "--append", "--replace"], "--append and --replace are both given"),
        (["a.csv", "t", "--partition", "dai"], "--partition dai: there is no column 'dai'; did you mean 'day'?"),
        (["a.csv", "t", "--partition", "day"], "--partition day: no column has days"),
        (["a.csv", "t", "--partition", "x"], "--partition x: its values are decimal(18,1), by which no table is"),
        (["a.csv", "t", "--type", "n"], "--type n: write it as NAME=TYPE"),
        (["a.csv", "t", "--type", "n=nmber"], "--type n=nmber: 'nmber' is not a type"),
        (["a.csv", "t", "--type", "m=int"], "--type m: there is no column 'm'"),
        (["a.csv", "t", "--delimiter", "::"], "--delimiter '::' is not one character"),
        (["empty.csv", "t"], "empty.csv is empty"),
        (["header.csv", "t"], "there are no rows in header.csv; nothing was loaded"),
        (["twice.csv", "t"], "twice.csv:1: two columns are called 'a' and 'A'"),
        (["unnamed.csv", "t"], "unnamed.csv:1: column 2 has no name"),
        (["wide.csv", "t"], "wide.csv is UTF-16"),
        (["not.parquet", "t"], "not.parquet is not a Parquet file"),
    ],
)
def test_a_mistake_is_one_message_and_nothing_is_written(load, arguments, said, tmp_path):
    for name, content in {
        "a.csv": "n,x\n1,1.5\n",
        "a.dat": "n\n1\n",
        "copy.csv": "n,x\n1,1.5\n",
        "empty.csv": "",
        "header.csv": "n\n",
        "twice.csv": "a,A\n1,2\n",
        "unnamed.csv": "a,,c\n1,2,3\n",
        "wide.csv": "a\n1\n".encode("utf-16"),
        "not.parquet": "PAR1",
    }.items():
        write(load.folder / name, content)
    done = load(*arguments, code=2)
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert done.stdout == ""
    assert not (load.folder / "ddl").exists()
    assert not (tmp_path / "home/warehouse").exists()


def test_a_ddl_that_says_something_else_is_never_written_over(load, tmp_path):
    (load.folder / "ddl").mkdir()
    write(load.folder / "ddl/t.sql", "mine\n")
    assert load("a.csv", "t", a_csv="n\n1\n", code=2).stderr == (
        "error: ddl/t.sql is there already, and says something else; nothing was loaded\n"
        "  → write the DDL elsewhere (--to FILE), or remove that file; --dry-run shows the new one\n"
    )
    assert (load.folder / "ddl/t.sql").read_text() == "mine\n"
    assert tables(tmp_path / "home").list_namespaces() == []
    assert "review: elsewhere.sql" in load("a.csv", "t", "--to", "elsewhere.sql").stdout


def test_only_the_sandbox_is_loaded_unless_more_is_asked_for(load, tmp_path):
    done = load("a.csv", "prod.orders", a_csv="n\n1\n", code=1)
    assert done.stderr == (
        "error: prod.orders lies outside alice_sandbox, the database of environment sandbox\n"
        "  → load into alice_sandbox: a name without a database does; or ask for it: --write\n"
    )
    assert "created alice_sandbox.orders" in load("a.csv", "alice_sandbox.orders").stdout
    assert "created prod.orders" in load("a.csv", "prod.orders", "--write", "--to", "prod.sql").stdout
    write(
        load.folder / "dataflow.yaml",
        "version: 1\nproject: p\nenvironments:\n  production: {branch: main, params: {TARGET_DB: prod}}\n",
    )
    assert load("a.csv", "orders", "--env", "production", "--append", code=1).stderr.startswith(
        "error: prod.orders can't be loaded: production is shared, and is written by workflows\n"
    )
    assert tables(tmp_path / "home").load_table("prod.orders").scan().to_arrow().num_rows == 1


def test_a_table_of_a_package_is_left_to_its_workflow(load, tmp_path):
    load("a.csv", "orders", a_csv="n\n1\n")
    with tables(tmp_path / "home").load_table("alice_sandbox.orders").transaction() as change:
        change.set_properties({"dataflow.package": "u-1", "dataflow.package-id": "bob.sums", "dataflow.owner": "bob"})
    write(load.folder / "b.csv", "n\n2\n")
    assert load("b.csv", "orders", "--replace", code=1).stderr == (
        "error: table alice_sandbox.orders belongs to package bob.sums of bob\n"
        "  → its workflow writes it: load into a table of another name\n"
    )


def test_json_lines_arrays_and_parquet_go_into_one_table(load, rows):
    write(load.folder / "a.jsonl", '{"id": 1, "tags": ["x"], "who": {"zip": "01067", "n": 1}}\n\n{"id": 2}\n')
    write(load.folder / "b.json", '[\n {"id": 3, "who": {"n": 2.5}},\n {"id": 4, "tags": []}\n]\n')
    pq.write_table(
        pa.table(
            {
                "id": pa.array([5], pa.int32()),
                "tags": pa.array([["p"]], pa.list_(pa.string())),
                "who": pa.array([None], pa.struct([("zip", pa.string()), ("n", pa.decimal128(3, 1))])),
            }
        ),
        load.folder / "c.parquet",
    )
    done = load("a.jsonl", "b.json", "c.parquet", "orders")
    assert "created alice_sandbox.orders: 5 rows\n" in done.stdout
    found = {row["id"]: row for row in rows()}
    assert found[1]["tags"] == ["x"]
    assert found[1]["who"]["zip"] == "01067"
    assert str(found[3]["who"]["n"]) == "2.5"
    assert found[2] == {"id": 2, "tags": None, "who": None}
    assert found[5]["tags"] == ["p"]


def test_json_that_is_not_json_is_named_by_its_line(load):
    write(load.folder / "a.jsonl", '{"n": 1}\n{"n": 2\n[3]\n{"n": NaN}\n{"n": 5, "n": 6}\n{"n": 7} {"n": 8}\n')
    assert load("a.jsonl", "t", code=2).stderr.splitlines()[1:-1] == [
        "  a.jsonl:2: is not JSON: Expecting ',' delimiter at column 8",
        "  a.jsonl:3: is not an object: a row is written {…}",
        "  a.jsonl:4: NaN is not JSON",
        "  a.jsonl:5: the key 'n' stands twice",
        "  a.jsonl:6: is not JSON: there is more after the object at column 9",
    ]
    write(load.folder / "b.json", '[{"n": 1},\n {"n": 2},\n {"n" 3}]\n')
    assert "  b.json:3: is not JSON: Expecting ':' delimiter\n" in load("b.json", "t", code=2).stderr
    write(load.folder / "c.json", '[{"n": 1}\n {"n": 2}]\n')
    assert "  c.json:2: the array goes on without a comma, or is never closed\n" in load("c.json", "t", code=2).stderr


def test_a_column_of_objects_and_numbers_is_refused_with_both_lines(load):
    write(load.folder / "a.jsonl", '{"v": 1}\n{"v": {"x": 1}}\n')
    assert load("a.jsonl", "t", code=2).stderr == (
        "error: a.jsonl:2: column 'v': '{\"x\": 1}' is struct<`x`:bigint>, and '1' on line 1 is bigint\n"
        "  → a column has one type; to take it as text: --type v=string\n"
    )
    load("a.jsonl", "t", "--type", "v=string")


def test_a_load_that_is_cut_off_leaves_the_table_as_it_was(load, rows, monkeypatch):
    from dataflow.loading import embedded_tables

    monkeypatch.setattr(embedded_tables, "ROWS_OF_A_BATCH", 20_000)
    load("a.csv", "orders", a_csv="n\n1\n")
    write(load.folder / "b.csv", "n\n" + "".join(f"{number}\n" for number in range(50_000)))
    append, calls = Transaction.append, []

    def failing(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return append(*arguments, **options)

    monkeypatch.setattr("pyiceberg.table.Transaction.append", failing)
    assert "No space left on device; nothing was loaded" in load("b.csv", "orders", "--append", code=1).stderr
    assert rows() == [{"n": 1}]
    monkeypatch.undo()


def test_names_of_columns_are_quoted_where_sql_needs_it(load, rows):
    load("a.csv", "orders", "--partition", "a.b", a_csv="Order ID,a.b,Größe,q`t\n1,x,2,3\n")
    assert (load.folder / "ddl/orders.sql").read_text(encoding="utf-8") == (
        "CREATE TABLE IF NOT EXISTS alice_sandbox.orders (\n"
        "  `Order ID` BIGINT,\n  `a.b` STRING,\n  `Größe` BIGINT,\n  `q``t` BIGINT\n)\n"
        "USING iceberg\nPARTITIONED BY (`a.b`);\n"
    )
    write(load.folder / "b.csv", "a.b,order id\ny,2\n")
    load("b.csv", "orders", "--append")
    assert sorted(row["Order ID"] for row in rows()) == [1, 2]


def test_a_file_that_is_damaged_is_named(load):
    write(load.folder / "a.csv.gz", "n\n1\n")
    assert load("a.csv.gz", "t", code=2).stderr == (
        "error: a.csv.gz is not a whole gzip file: Not a gzipped file (b'n\\n')\n"
    )
    write(load.folder / "b.csv.gz", gzip.compress(b"n\n1\n")[:15])
    assert "b.csv.gz is not a whole gzip file: " in load("b.csv.gz", "t", code=2).stderr
    pq.write_table(pa.table({"n": list(range(10_000))}), load.folder / "c.parquet")
    content = (load.folder / "c.parquet").read_bytes()
    write(load.folder / "c.parquet", content[:100] + b"x" * 4_000 + content[4_100:])
    assert load("c.parquet", "t", code=2).stderr.startswith("error: c.parquet is damaged: ")
    pq.write_table(pa.table({"t": pa.array([1], pa.time64("us"))}), load.folder / "d.parquet")
    assert load("d.parquet", "t", code=2).stderr == (
        "error: d.parquet: column 't': a table has no type for Parquet's time64[us]\n"
    )


def test_help_is_one_page_with_an_example(load):
    assert "dataflow table load orders.csv orders --partition day" in load("--help").stdout
    assert json.dumps(load.command("--help").stdout).count("table ") >= 1
