"""Rows of a table as Arrow: the same as PyIceberg's, whatever the table's files have been through, and its states."""

from __future__ import annotations

import itertools
import warnings

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.expressions import And, GreaterThan, IsNull, NotNull
from pyiceberg.types import DoubleType, LongType, StringType

from dataflow.errors import DataflowError
from dataflow.tables.catalog import catalog_file, open_catalog
from dataflow.tables.reader.catalog_tables import FoundTable, TableReader
from dataflow.tables.reader.rows import FilePart, RowReader, SparkRequiredError
from dataflow.tables.reader.state import NoStateError, current_state, state_of
from dataflow.workflow.project import Environment

SANDBOX = Environment("sandbox")
_numbers = itertools.count(1)
COLUMNS = {
    "id": pa.int32(),
    "text": pa.string(),
    "x.y": pa.float32(),
    "place": pa.struct([("city", pa.string()), ("a b", pa.int32())]),
}
_rows = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.none() | st.integers(-5, 5),
            "text": st.none() | st.sampled_from(["", "a", "ö", "x%"]),
            "x.y": st.none() | st.sampled_from([0.0, 1.5, -2.25]),
            "place": st.fixed_dictionaries({"city": st.none() | st.just("Oslo"), "a b": st.none() | st.integers(0, 3)}),
        }
    ),
    max_size=4,
)
_steps = st.one_of(
    st.tuples(st.just("append"), _rows),
    st.tuples(st.just("delete"), st.integers(-5, 5)),
    st.tuples(st.sampled_from(["rename", "add", "drop", "widen", "first"]), st.none()),
)
WHERE = And(NotNull("id"), GreaterThan("id", -2))


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAFLOW_HOME", str(home))
        found = open_catalog(SANDBOX)
        found.create_namespace("db")
        yield found


def made(catalog, columns=COLUMNS, rows=()):
    name = f"db.t{next(_numbers)}"
    table = catalog.create_table(name, pa.schema(list(columns.items())), location=f"{catalog_file().parent}/{name}")
    if rows:
        table.append(pa.Table.from_pylist(list(rows), pa.schema(list(columns.items()))))
    return table


def found(table):
    return TableReader(SANDBOX).get(".".join(table.name()))


def do(table, step, value):
    """Change a table; what does not apply any more is left out."""
    names = table.schema().column_names
    arrow = table.schema().as_arrow()
    if step == "append":
        plain = [{name: row.get(name) for name in arrow.names} for row in value]
        table.append(pa.Table.from_pylist(plain, arrow))
    elif step == "delete":
        with warnings.catch_warnings(action="ignore"):  # that no row matches
            table.delete(f"id > {value}")
    with table.update_schema() as change:
        if step == "rename" and "text" in names:
            change.rename_column("text", "words")
        elif step == "add" and "text" not in names:
            change.add_column("text", StringType())
        elif step == "drop" and "x.y" in names:
            change.delete_column("x.y")
        elif step == "widen":
            change.update_column("id", field_type=LongType())
            if "x.y" in names:
                change.update_column("x.y", field_type=DoubleType())
        elif step == "first":
            change.move_first(table.schema().fields[-1].name)


def texts(rows):
    return sorted(map(repr, rows.to_pylist()))


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(_steps, max_size=5))
def test_rows_are_those_that_pyiceberg_reads_whatever_became_of_the_table(catalog, history):
    table = made(catalog)
    for step, value in history:
        do(table, step, value)
    names = [field.name for field in table.schema().fields]
    state = current_state(found(table))
    for where in (None, WHERE, IsNull("id")):
        expected = table.scan(row_filter=where) if where else table.scan()
        read = RowReader(state, names, where).rows()
        assert read.schema.names == names
        assert texts(read) == texts(expected.to_arrow().select(names))
    assert RowReader(state, names[:1], WHERE).rows().num_rows == table.scan(row_filter=WHERE).to_arrow().num_rows


def test_an_older_state_is_read_with_its_own_columns(catalog):
    table = made(catalog, {"id": pa.int32()}, [{"id": 1}])
    first = table.current_snapshot().snapshot_id
    table.manage_snapshots().create_branch(first, "b").create_tag(first, "t").commit()
    with table.update_schema() as change:
        change.add_column("more", StringType())
    table.append(pa.table({"id": pa.array([2], pa.int32()), "more": ["x"]}))
    live = found(table)
    for version in ("b", "t", str(first)):
        state = state_of(live, version)
        assert (state.snapshot_id, state.has_other_columns, state.schema.column_names) == (first, True, ["id"])
        assert RowReader(state, ["id"]).rows().to_pylist() == [{"id": 1}]
    assert texts(RowReader(state_of(live, None), ["id", "more"]).rows()) == [
        "{'id': 1, 'more': None}",
        "{'id': 2, 'more': 'x'}",
    ]
    moment = live.metadata["snapshot-log"][0]["timestamp-ms"] / 1000
    import datetime as dt

    then = dt.datetime.fromtimestamp(moment, dt.UTC) + dt.timedelta(milliseconds=1)
    later = state_of(live, f"{then:%Y-%m-%d %H:%M:%S}.{then.microsecond:06d}", is_moment=True)
    assert later.snapshot_id in {first, live.metadata["current-snapshot-id"]}
    for version, is_moment in (("nope", False), ("5", False), ("yesterday", True), ("1999-01-01", True)):
        with pytest.raises(NoStateError):
            state_of(live, version, is_moment=is_moment)


def test_null_lists_of_files_as_they_were_written_stay_null_and_changed_ones_are_sparks(catalog):
    kind = pa.list_(pa.string())
    rows = [{"id": 1, "tags": None}, {"id": 2, "tags": []}, {"id": 3, "tags": ["x", None]}]
    table = made(catalog, {"id": pa.int32(), "tags": kind}, rows)
    assert RowReader(current_state(found(table)), ["id", "tags"]).rows().to_pylist() == rows
    with table.update_schema() as change:
        change.add_column("later", StringType())
    state = current_state(found(table))
    assert RowReader(state, ["id", "tags"]).rows().to_pylist() == rows
    with pytest.raises(SparkRequiredError, match=r"^PyIceberg can't tell null from empty in 'tags' of changed files$"):
        RowReader(state, ["tags", "later"]).rows()


def test_a_table_without_rows_has_its_columns(catalog):
    read = RowReader(current_state(found(made(catalog))), ["id", "x.y"]).rows()
    assert (read.num_rows, read.schema.names) == (0, ["id", "x.y"])


def test_a_file_that_is_gone_is_named(catalog):
    table = made(catalog, {"id": pa.int32()}, [{"id": 1}])
    reader = RowReader(current_state(found(table)), ["id"])
    (task,) = reader.files()
    from pathlib import Path

    Path(task.file.file_path.removeprefix("file://")).unlink()
    with pytest.raises(DataflowError, match=r"^can't read .*\.parquet: "):
        reader.rows()
    with pytest.raises(DataflowError, match=r"^can't read .*\.parquet: "):
        list(reader.pieces(FilePart(task)))


def test_a_table_is_read_as_it_was_when_it_was_found(catalog):
    table = made(catalog, {"id": pa.int32()}, [{"id": 1}])
    before = found(table)
    table.append(pa.table({"id": pa.array([2], pa.int32())}))
    assert isinstance(before, FoundTable)
    assert RowReader(current_state(before), ["id"]).rows().to_pylist() == [{"id": 1}]
    assert RowReader(current_state(found(table)), ["id"]).rows().num_rows == 2
