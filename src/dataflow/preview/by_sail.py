"""A preview by Sail: the query of the script's INSERT over the catalog's tables, audited and compared in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dataflow.jobs.audit import AuditedRows, run_audits
from dataflow.preview.difference import compare
from dataflow.preview.model import Preview, PreviewRequest
from dataflow.preview.target import KnownTable, PreviewedWrite, known_table
from dataflow.sail.insert import insert_of, statements, view_of
from dataflow.sail.judgement import SparkDecides
from dataflow.sail.session import SailFrame, SailSession
from dataflow.sail.tables import Pins
from dataflow.sail.target import Target, columns_of
from dataflow.tables.column_migration import migrating_columns
from dataflow.tables.partition import partition_sql
from dataflow.tables.publications import row_history_of
from dataflow.workflow import table_names
from dataflow.workflow.parameters import resolve_secrets, substitute
from dataflow.workflow.yamlfile import read_text

if TYPE_CHECKING:
    import pyarrow as pa

    from dataflow.preview.model import Difference
    from dataflow.sail.insert import Insert
    from dataflow.sail.server import Sail
    from dataflow.workflow.resolved import DeclaredScript

_BROUGHT = "dataflow_preview_rows"


def preview_write(sail: Sail, write: PreviewedWrite, wanted: PreviewRequest) -> Preview:
    """Preview what a template's write would bring.

    Raises:
        SparkDecides: It is not known whether Sail answers as Spark does.
        SailError: Sail fails.
        DataflowError: A script can't be read, or the partition is not one of the table's.
    """
    script = _only_script(write)
    pins = Pins(write.workflow.environment)
    session = SailSession(sail, pins)
    known = _known(write, pins)
    label, where = partition_sql(write.table, known.partitioned_by, write.template.partition)
    columns = columns_of([(it.name, it.full_type, it.nullable) for it in known.columns])
    target = Target(write.table, columns, known.partition)
    session.hold(_BROUGHT, _brought(session, script, write, target))
    history = _history(write, known, label)
    inside = int(session.sql(f"SELECT count(*) AS n FROM {_BROUGHT} WHERE true AND ({where})").collect()[0].n)

    @contextlib.contextmanager
    def reader(_: object) -> Iterator[SailSession]:
        yield session

    audits = run_audits(
        session,  # type: ignore[arg-type]  # what audits ask of a session it can
        AuditedRows(_BROUGHT, where),
        write.template.audits,
        folder=write.workflow.folder,
        params=write.workflow.script_params,
        history=history,
        session=reader,  # type: ignore[arg-type]  # as above
    )
    frame = session.table(_BROUGHT)
    return Preview(
        write.job,
        script.path,
        "sail",
        frame.columns,
        _first(frame, write.key, wanted.limit).collect(),
        frame.count(),
        table=write.table,
        partition=label,
        outside=frame.count() - inside,
        audits=tuple(audits),
        difference=_difference(session, write, known, where),
    )


def preview_step(sail: Sail, write: PreviewedWrite, script: DeclaredScript, wanted: PreviewRequest) -> Preview:
    """Show the rows of a CTE; raises as `preview_write` does."""
    from dataflow.testing.ctes import find_cte, query_of

    source, step = read_text(script.path), str(wanted.step)
    cte = find_cte(source, step, script.path)
    session = SailSession(sail, Pins(write.workflow.environment))
    for statement in statements(_text(source[: cte.statement], script)):
        _take_view(session, statement.text)
    frame = session.sql(_text(query_of(source, cte, {}, script.path), script).rstrip().removesuffix(";"))
    rows = _first(frame, (), wanted.limit).collect()
    return Preview(script.job, script.path, "sail", frame.columns, rows, frame.count(), step=step)


def _only_script(write: PreviewedWrite) -> DeclaredScript:
    if len(write.scripts) != 1:
        raise SparkDecides("several scripts write")
    if write.template.existing == "keep":
        raise SparkDecides("the rows that are there are changed (existing: keep)")
    return write.scripts[0]


def _known(write: PreviewedWrite, pins: Pins) -> KnownTable:
    found = pins.found(write.table)  # as the query and the comparison see it
    known = known_table(write, None if found is None else found.metadata)
    if known is None:
        raise SparkDecides(f"the columns of {write.table} are not known")
    if known.metadata is not None and migrating_columns(known.metadata.get("properties") or {}):
        raise SparkDecides(f"a migration moves columns of {write.table}")
    if known.is_to_change:
        raise SparkDecides(f"{write.table} differs from its DDL in a column")
    return known


def _brought(session: SailSession, script: DeclaredScript, write: PreviewedWrite, target: Target) -> pa.Table:
    """Return the rows that a script would bring into the table."""
    if not script.is_sql:
        from dataflow.preview.python_by_sail import rows_of_script

        return rows_of_script(session, script, write, target)
    insert = _insert(session, script, write)
    values = {name.lower(): _static(session, target, name, value) for name, value in insert.static.items()}
    return target.brought(insert, session.sql(insert.query).toArrow(), values)


def _text(text: str, script: DeclaredScript) -> str:
    return resolve_secrets(substitute(text, script.params, where=script.path))


def _insert(session: SailSession, script: DeclaredScript, write: PreviewedWrite) -> Insert:
    """Return the script's only INSERT; the views before it are made."""
    found: list[Insert] = []
    for statement in statements(_text(read_text(script.path), script)):
        if found:
            raise SparkDecides("the script goes on behind its INSERT")
        if insert := insert_of(statement.text):
            found.append(insert)
        else:
            _take_view(session, statement.text)
    catalog = write.workflow.environment.catalog_name
    if not found or table_names.joined(table_names.without_catalog(table_names.joined(found[0].table), catalog)) != (
        write.table
    ):
        raise SparkDecides(f"the script has no INSERT into {write.table}")
    return found[0]


def _take_view(session: SailSession, statement: str) -> None:
    view = view_of(statement)
    if view is None:
        raise SparkDecides("the script has a statement that is neither an INSERT nor a temporary view")
    session.hold(view[0], session.sql(view[1]).toArrow())


def _static(session: SailSession, target: Target, name: str, value: str) -> pa.ChunkedArray:
    type_ = next((it.type for it in target.columns if it.name.lower() == name.lower()), None)
    if type_ is None:
        raise SparkDecides(f"{target.name} has no column {name}")
    return session.sql(f"SELECT CAST({value} AS {type_}) AS v").toArrow().column("v")


def _history(write: PreviewedWrite, known: KnownTable, label: str) -> list[int]:
    longest = max((audit.history_runs for audit in write.template.audits), default=0)
    return row_history_of(known.metadata, label, longest) if known.metadata is not None and longest else []


def _difference(session: SailSession, write: PreviewedWrite, known: KnownTable, where: str) -> Difference | None:
    if known.metadata is None:
        return None
    have = {it.lower() for it in known.published_columns}
    columns = [it.name for it in known.columns if it.name.lower() in have]
    added = [it.name for it in known.columns if it.name.lower() not in have]
    return compare(session, _BROUGHT, table_names.quoted(write.table), where, write.key, columns, added)


def _first(frame: SailFrame, key: tuple[str, ...], limit: int) -> SailFrame:
    """Return the first rows, by the key where that can be sorted."""
    import pyarrow as pa

    own = {it.lower(): it for it in frame.columns}
    order = [(own[it.lower()], "ascending") for it in key if it.lower() in own]
    rows = frame.toArrow()
    if order:
        with contextlib.suppress(pa.ArrowException, TypeError):
            rows = rows.sort_by(order)
    return SailFrame(frame.session, rows.slice(0, limit))
