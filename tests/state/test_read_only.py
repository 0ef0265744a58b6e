"""Looking at a state address makes nothing, changes nothing, and says what an earlier version lacks."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from dataflow.errors import DataflowError
from dataflow.state.database import StateDatabase
from dataflow.state.read_only import ReadOnlyDatabase
from dataflow.state.run_records import RunRecords, runs
from dataflow.state.utc import now


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.db'}"
    found = request.getfixturevalue("postgresql")
    engine = sa.create_engine(found)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
    return found


def tables(address):
    engine = sa.create_engine(address)
    found = sa.inspect(engine).get_table_names()
    engine.dispose()
    return found


def test_tables_that_nobody_has_made_have_no_rows_and_are_not_made(address):
    with ReadOnlyDatabase(address) as database:
        assert database.rows(sa.select(runs)) == []
        assert RunRecords(database).recent(None, 5) == []
    if address.startswith("postgresql"):
        assert tables(address) == []


def test_what_is_there_is_read_and_can_not_be_written(address):
    row = {"run_id": "r", "workflow_id": "w", "status": "succeeded", "started": now()}
    with StateDatabase(address) as database:
        database.insert(runs, row)
    with ReadOnlyDatabase(address) as database:
        assert [it["run_id"] for it in database.rows(sa.select(runs))] == ["r"]
        with pytest.raises(DataflowError, match=r"read-?only"):
            database.insert(runs, {**row, "run_id": "s"})
        assert len(database.rows(sa.select(runs))) == 1


def test_tables_that_are_made_meanwhile_are_seen_when_it_looks_again(address, tmp_path):
    if address.startswith("sqlite"):
        (tmp_path / "state.db").touch()
    with ReadOnlyDatabase(address) as database:
        assert not database.has(runs)
        StateDatabase(address).close()
        database.look()
        assert database.has(runs)


def test_records_of_an_earlier_version_are_named_and_left(address):
    with StateDatabase(address) as database, database.begin() as connection:
        connection.execute(sa.text("ALTER TABLE dataflow_runs DROP COLUMN definitions"))
    with pytest.raises(DataflowError, match="dataflow_runs has no column 'definitions'"):
        ReadOnlyDatabase(address)
    engine = sa.create_engine(address)
    assert "definitions" not in {it["name"] for it in sa.inspect(engine).get_columns("dataflow_runs")}
    engine.dispose()
