"""Names of tables in a query's text, replaced by those of views; what is not a table's name stays as it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dataflow.sail.judgement import SparkDecides
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from sqlglot.expressions import Table


def rewritten(sql: str, views: Mapping[tuple[str, ...], str]) -> str:
    """Return a query that reads views in place of tables.

    Args:
        sql: The query.
        views: The views, by the parts of the tables' names in lower case.

    Raises:
        SparkDecides: The query can't be read here.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        found = [it for it in sqlglot.parse(sql, read="spark") if it is not None]
    except (SqlglotError, RecursionError) as error:
        raise SparkDecides("its text is Spark's alone to read") from error
    if len(found) != 1:
        raise SparkDecides("it is not one query")
    shared = {it.alias_or_name.lower() for it in found[0].find_all(exp.CTE)}
    text, at = [], 0
    for table in sorted((it for it in found[0].find_all(exp.Table) if _has_place(it)), key=_start):
        parts = tuple(part.name.lower() for part in table.parts)
        if (len(parts) == 1 and parts[0] in shared) or parts not in views:
            continue
        if table.args.get("version"):
            raise SparkDecides("versions of tables are Spark's alone")
        alias = "" if table.alias else f" AS {table_names.quote(table.parts[-1].name)}"
        text += [sql[at : _start(table)], views[parts], alias]
        at = max(int(part.meta["end"]) for part in table.parts) + 1
    return "".join([*text, sql[at:]])


def _has_place(table: Table) -> bool:
    return all("start" in part.meta and "end" in part.meta for part in table.parts)


def _start(table: Table) -> int:
    return min(int(part.meta["start"]) for part in table.parts)
