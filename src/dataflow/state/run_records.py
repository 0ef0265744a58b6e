"""The run records: what ran, with which parameters and versions, how long, and what its audits found.

They live at the environment's state address: SQLite in the Dataflow home for one person, PostgreSQL for a team.
A row is written before the success it stands for is reported.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from dataflow.errors import DataflowError, UsageError, did_you_mean
from dataflow.home import home, private_file, subfolder
from dataflow.secret import learn_address, masked_data, without_credentials
from dataflow.trouble import LOCK_PATIENCE, way_out
from dataflow.workflow.parameters import resolve_secrets

metadata = sa.MetaData()
_moment = sa.DateTime(timezone=True)
_CREATE_ATTEMPTS = 20
_FILE = "state.db"
_STATE = (
    "check 'state:' of the environment in dataflow.yaml; "
    "PostgreSQL needs `pip install 'dataflow-recipes[postgresql]'` and postgresql+psycopg://…"
)

runs = sa.Table(
    "dataflow_runs",
    metadata,
    sa.Column("run_id", sa.String(100), primary_key=True),
    sa.Column("parent_run_id", sa.String(100), index=True),
    sa.Column("workflow_id", sa.String(300), index=True, nullable=False),
    sa.Column("package", sa.String(100)),
    sa.Column("file", sa.Text),
    sa.Column("environment", sa.String(100)),
    sa.Column("user", sa.String(100)),
    sa.Column("host", sa.String(200)),
    sa.Column("process", sa.Integer),
    sa.Column("params", sa.JSON),
    sa.Column("versions", sa.JSON),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("started", _moment, index=True, nullable=False),
    sa.Column("ended", _moment),
    sa.Column("error", sa.Text),
    sa.Column("log", sa.Text),
    sa.Column("bundle", sa.String(64)),
    sa.Column("owner", sa.String(200)),
)
jobs = sa.Table(
    "dataflow_jobs",
    metadata,
    sa.Column("run_id", sa.String(100), sa.ForeignKey(runs.c.run_id), primary_key=True),
    sa.Column("job_id", sa.String(200), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("started", _moment),
    sa.Column("ended", _moment),
    sa.Column("detail", sa.Text),
    sa.Column("error", sa.Text),
)
publications = sa.Table(
    "dataflow_publications",
    metadata,
    sa.Column("run_id", sa.String(100), sa.ForeignKey(runs.c.run_id), primary_key=True),
    sa.Column("job_id", sa.String(200), primary_key=True),
    sa.Column("table_name", sa.String(500), index=True, nullable=False),
    sa.Column("partition", sa.String(500), nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("snapshot", sa.BigInteger),
)
audits = sa.Table(
    "dataflow_audits",
    metadata,
    sa.Column("run_id", sa.String(100), sa.ForeignKey(runs.c.run_id), primary_key=True),
    sa.Column("job_id", sa.String(200), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(300), nullable=False),
    sa.Column("function", sa.String(100), nullable=False),
    sa.Column("blocking", sa.Boolean, nullable=False),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("figure", sa.Float),
    sa.Column("expected", sa.Text),
    sa.Column("sample", sa.JSON),
)
reads = sa.Table(
    "dataflow_reads",
    metadata,
    sa.Column("run_id", sa.String(100), sa.ForeignKey(runs.c.run_id), primary_key=True),
    sa.Column("written", sa.String(500), primary_key=True),
    sa.Column("source", sa.String(500), primary_key=True),
    sa.Column("sequence", sa.BigInteger),
    sa.Column("snapshot", sa.BigInteger),
)


def now() -> dt.datetime:
    """Return this moment, in UTC."""
    return dt.datetime.now(dt.UTC)


def default_address() -> str:
    """Return the state address that everyone has without a `dataflow.yaml`."""
    return f"sqlite:///{home() / _FILE}"


class Records:
    """The run records at one address.

    Args:
        address: A SQLAlchemy URL; None is the SQLite file in the Dataflow home.

    Raises:
        DataflowError: The address can't be opened.
    """

    def __init__(self, address: str | None = None) -> None:
        url = learn_address(resolve_secrets(address)) if address else default_address()
        try:
            parsed = sa.make_url(url)
        except (sa.exc.ArgumentError, ValueError):  # it may hold a password, and nobody can tell where
            raise UsageError("'state:' of the environment is not the address of a database", _STATE) from None
        try:
            if parsed.get_backend_name() == "sqlite" and parsed.database:
                os.makedirs(os.path.dirname(parsed.database) or ".", exist_ok=True)  # noqa: PTH103, PTH120
            if not address:
                private_file(subfolder() / _FILE)  # SQLite's other files follow it
            self._engine = sa.create_engine(parsed, json_serializer=_json, **_options(parsed))
            sa.event.listen(self._engine, "before_cursor_execute", _masking, retval=True)
            _create_tables(self._engine)
            _add_columns(self._engine)
        except (sa.exc.SQLAlchemyError, ModuleNotFoundError, OSError) as error:
            cause = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            hint = way_out(cause) or (_STATE if address else "set DATAFLOW_HOME to a folder that you may write to")
            raise DataflowError(
                f"the run records at {without_credentials(url)} can't be opened: {cause}", hint
            ) from error

    def insert(self, table: sa.Table, rows: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Add rows, all of them or none."""
        if rows:
            with _plainly(), self._engine.begin() as connection:
                connection.execute(table.insert(), rows)

    def update_run(self, run_id: str, **values: object) -> None:
        """Change what a run's record says."""
        with _plainly(), self._engine.begin() as connection:
            connection.execute(runs.update().where(runs.c.run_id == run_id).values(**values))

    def recent(self, workflow: str | None, limit: int, *, children: bool = False) -> list[dict[str, Any]]:
        """Return the last runs, newest first.

        Args:
            workflow: Only runs whose workflow id contains this text.
            limit: At most so many.
            children: Whether runs that another run started are listed too.
        """
        query = sa.select(runs).order_by(runs.c.started.desc(), runs.c.run_id.desc()).limit(limit)
        if workflow:
            query = query.where(runs.c.workflow_id.contains(workflow, autoescape=True))
        if not children:
            query = query.where(runs.c.parent_run_id.is_(None))
        return [_with_truth(row) for row in self._rows(query)]

    def run(self, run_id: str) -> dict[str, Any]:
        """Return everything that is recorded of a run; a prefix of its id, or `last`, is enough.

        Raises:
            UsageError: There is no such run, or several.
        """
        found = self._one_run(run_id)
        own = found["run_id"]
        for key, table in (("jobs", jobs), ("publications", publications), ("audits", audits), ("reads", reads)):
            rows = self._rows(sa.select(table).where(table.c.run_id == own).order_by(*_order(table)))
            found[key] = [{k: v for k, v in row.items() if k != "run_id"} for row in rows]
        children = sa.select(runs).where(runs.c.parent_run_id == own).order_by(runs.c.started, runs.c.run_id)
        found["children"] = [_with_truth(row) for row in self._rows(children)]
        return found

    def sources_of(self, workflow_id: str, written: str) -> list[str]:
        """Return the tables that a workflow's last successful run read to write a table; names carry their catalog."""
        mine = sa.select(runs.c.run_id).join(reads, reads.c.run_id == runs.c.run_id)
        mine = mine.where(runs.c.workflow_id == workflow_id, runs.c.status == "succeeded", reads.c.written == written)
        last = self._rows(mine.order_by(runs.c.started.desc()).limit(1))
        if not last:
            return []
        own = (reads.c.run_id == last[0]["run_id"], reads.c.written == written, reads.c.source != written)
        return [row["source"] for row in self._rows(sa.select(reads.c.source).where(*own).order_by(reads.c.source))]

    def is_live(self, run_ids: Sequence[str]) -> bool:
        """Say whether the run with the longest of these ids may still be working; True when none is on record."""
        rows = self._rows(sa.select(runs).where(runs.c.run_id.in_(run_ids)))
        return not rows or _with_truth(max(rows, key=lambda row: len(row["run_id"])))["status"] == "running"

    @contextlib.contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Open a transaction, for what has tables of its own at the same address: lineage, campaigns.

        Whoever registers tables in `metadata` has to be imported before the records are opened.
        """
        with _plainly(), self._engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()

    def _rows(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        with _plainly(), self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _one_run(self, run_id: str) -> dict[str, Any]:
        if run_id == "last":
            found = self.recent(None, 1)
        else:
            found = self._rows(sa.select(runs).where(runs.c.run_id == run_id)) or self._rows(
                sa.select(runs).where(runs.c.run_id.startswith(run_id, autoescape=True)).limit(5)
            )
        if len(found) == 1:
            return _with_truth(found[0])
        if not found:
            known = [row["run_id"] for row in self.recent(None, 50)]
            raise UsageError(f"no run '{run_id}'{did_you_mean(run_id, known, limit=3)}", "see `dataflow workflow runs`")
        listed = ", ".join(row["run_id"] for row in found)
        raise UsageError(f"'{run_id}' could be any of {listed}")


def _create_tables(engine: sa.Engine) -> None:
    """Make the tables that are missing; another process may make the same ones at this moment."""
    for left in reversed(range(_CREATE_ATTEMPTS)):
        try:
            metadata.create_all(engine)
            return
        except (sa.exc.OperationalError, sa.exc.ProgrammingError, sa.exc.IntegrityError) as error:
            if "is locked" in str(error):  # it was waited for
                raise
            missing = {table.name for table in metadata.sorted_tables} - {*sa.inspect(engine).get_table_names()}
            if missing and not left:
                raise


def _add_columns(engine: sa.Engine) -> None:
    """Add the columns that a database of an earlier version lacks; all of them may be empty."""
    looker = sa.inspect(engine)
    for table in metadata.sorted_tables:
        there = {column["name"] for column in looker.get_columns(table.name)}
        for column in table.columns:
            if column.name in there:
                continue
            kind = column.type.compile(engine.dialect)
            name = engine.dialect.identifier_preparer.quote(column.name)
            try:
                with engine.begin() as connection:
                    connection.execute(sa.text(f"ALTER TABLE {table.name} ADD COLUMN {name} {kind}"))
            except sa.exc.SQLAlchemyError:  # another process may just have done it
                if column.name not in {it["name"] for it in sa.inspect(engine).get_columns(table.name)}:
                    raise


@contextlib.contextmanager
def _plainly() -> Iterator[None]:
    """Turn what a database says into one line."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        raise DataflowError(f"the run records can't be reached any more: {cause}", way_out(cause)) from error


def _json(data: object) -> str:
    """Write data as JSON, its secrets masked: not every driver hands it on as text."""
    return json.dumps(masked_data(data))


def _masking(_: sa.Connection, __: object, statement: str, parameters: Any, *___: object) -> tuple[str, Any]:
    """Mask the secrets in what is about to be written."""
    return statement, masked_data(parameters)


def _options(url: sa.URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": LOCK_PATIENCE}}
    return {"pool_pre_ping": True}


def _order(table: sa.Table) -> list[sa.Column[Any]]:
    if table is jobs:
        return [jobs.c.position, jobs.c.attempt]
    return list(table.primary_key.columns)


def _with_truth(row: Mapping[str, Any]) -> dict[str, Any]:
    """Call a run `killed` when its record says running, but its process on this machine is gone."""
    found = dict(row)
    for key in ("started", "ended"):
        if found[key] is not None and found[key].tzinfo is None:  # SQLite forgets the zone
            found[key] = found[key].replace(tzinfo=dt.UTC)
    ours = found["status"] == "running" and found["host"] == socket.gethostname()
    if ours and not is_alive(found["process"], found["started"]):
        found["status"] = "killed"
    return found


def is_alive(process: int, since: dt.datetime) -> bool:
    """Say whether the process of a run is there; one that began later only has its number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    began = _began(process)
    return began is None or began <= since


def _began(process: int) -> dt.datetime | None:
    """Return when a process began, where the system tells (Linux, proc(5): field 22, in ticks since the boot)."""
    try:
        ticks = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19])
        up = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return now() - dt.timedelta(seconds=up - ticks / os.sysconf("SC_CLK_TCK"))
