from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
import subprocess
import sys

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow.errors import DataflowError, UsageError
from dataflow.state.database import StateDatabase, UtcDateTime, metadata
from dataflow.state.run_records import runs
from dataflow.state.utc import as_utc, now

WRITE_AT_ONCE = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"

MOMENTS = st.datetimes(
    min_value=dt.datetime(1971, 1, 1),
    max_value=dt.datetime(2999, 1, 1),
    timezones=st.timezones(),
    allow_imaginary=False,
)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    address = f"sqlite:///{tmp_path / 'state.db'}"
    if request.param == "postgresql":
        address = request.getfixturevalue("postgresql")
    with StateDatabase(address) as found:
        yield found
        with found.begin() as connection:
            connection.execute(runs.delete())


def test_opening_the_records_again_gives_away_no_lock_that_this_process_holds(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path))
    StateDatabase().close()
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        StateDatabase().close()
        other = subprocess.run(
            [sys.executable, "-c", WRITE_AT_ONCE, tmp_path / "state.db"], capture_output=True, text=True, check=False
        )
    assert "database is locked" in other.stderr


def add(database, run_id, moment):
    row = {"run_id": run_id, "workflow_id": "alice.x.main", "status": "succeeded", "started": moment}
    database.insert(runs, row)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MOMENTS)
def test_a_moment_of_any_time_zone_comes_back_as_the_same_one_in_utc(database, moment):
    add(database, "r", moment)
    (row,) = database.rows(sa.select(runs.c.started))
    with database.begin() as connection:
        connection.execute(runs.delete())
    assert row["started"] == moment.astimezone(dt.UTC)
    assert row["started"].tzinfo is dt.UTC


def test_moments_are_ordered_and_compared_as_such_whatever_their_time_zones(database):
    oslo = dt.timezone(dt.timedelta(hours=2))
    noon = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
    add(database, "later", noon)
    add(database, "earlier", dt.datetime(2026, 6, 1, 13, tzinfo=oslo))
    ordered = database.rows(sa.select(runs.c.run_id).order_by(runs.c.started))
    before = database.rows(sa.select(runs.c.run_id).where(runs.c.started < noon.astimezone(oslo)))
    assert [row["run_id"] for row in ordered] == ["earlier", "later"]
    assert [row["run_id"] for row in before] == ["earlier"]


def test_what_an_earlier_version_wrote_is_read_as_utc(tmp_path):
    with StateDatabase(f"sqlite:///{tmp_path / 'state.db'}") as database:
        add(database, "r", now())
        with database.begin() as connection:
            connection.execute(sa.text("UPDATE dataflow_runs SET started = '2026-01-01 10:00:00.000000'"))
        (row,) = database.rows(sa.select(runs.c.started, runs.c.ended))
    assert row == {"started": dt.datetime(2026, 1, 1, 10, tzinfo=dt.UTC), "ended": None}


def test_every_moment_in_the_database_is_in_utc():
    plain = [
        column
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, sa.DateTime) and not isinstance(column.type, UtcDateTime)
    ]
    assert plain == []
    assert runs.c.started.type.compile(sa.create_engine("sqlite://").dialect) == "DATETIME"


def test_a_moment_without_a_time_zone_is_in_utc():
    assert as_utc(dt.datetime(2026, 1, 1)) == dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def test_an_address_that_can_t_be_opened_is_told_without_its_password():
    with pytest.raises(DataflowError) as caught:
        StateDatabase("postgresql+psycopg://me:geheim@127.0.0.1:1/none")
    assert "can't be opened" in caught.value.message
    assert "geheim" not in caught.value.message


@pytest.mark.parametrize(
    "address", ["nonsense", "postgresql+psycopg:/me:geheim@127.0.0.1/none", "://me:geheim@x", "x://me:geheim@h:port/d"]
)
def test_an_address_that_is_none_is_not_shown_at_all(address):
    with pytest.raises(UsageError, match="is not the address of a database") as caught:
        StateDatabase(address)
    assert "geheim" not in f"{caught.value.message}{caught.value.hint}"


def test_records_of_an_earlier_version_get_the_columns_that_they_lack(tmp_path):
    address = f"sqlite:///{tmp_path / 'state.db'}"
    StateDatabase(address).close()
    engine = sa.create_engine(address)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE dataflow_runs DROP COLUMN bundle"))
    engine.dispose()
    database = StateDatabase(address)
    assert "bundle" in {column["name"] for column in sa.inspect(database.engine).get_columns("dataflow_runs")}
    database.close()
