"""The tables that a Python, Scala or R program references, found in its text.

A program can compute the name of a table; what it really read is recorded when it runs. Found here
are parameters whose values are tables, literals where a table is opened, and tables in SQL texts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dataflow.lineage.sql.tables import Tables, tables_of
from dataflow.lineage.table_parameters import TABLE, TableRole, is_table, source_tables, table_role

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_CALL = r"\s*\((?:\s*\w+\s*,)?\s*(?:I\()?\s*"  # R names the connection first: tbl(spark, "a.b")
_INVOKED = r"""["']\s*,\s*"""  # and calls Spark's own methods by name: invoke(rows, "writeTo", "a.b")
_READS = re.compile(rf"""\b(?:table|tbl|I|in_catalog|spark_read_table|read_table){_CALL}["'](?P<name>{TABLE})["']""")
_WRITES = re.compile(
    r"\b(?:writeTo|insertInto|saveAsTable|spark_write_table|spark_insert_table)"
    rf"""(?:{_CALL}|{_INVOKED})["'](?P<name>{TABLE})["']"""
)
_SQL = re.compile(
    r'\b(?:sql|dbGetQuery|sdf_sql)\s*\((?:\s*\w+\s*,)?\s*[fsr]?("""(?P<long>.*?)"""|"(?P<short>[^"\n]*)")', re.S
)
_COMMENTS = {
    ".py": re.compile(r"(?m)^\s*#.*$"),
    ".R": re.compile(r"(?m)^\s*#.*$"),
    ".scala": re.compile(r"(?m)//.*$|/\*.*?\*/", re.S),
}


def tables_in_program(
    text: str, suffix: str, params: Mapping[str, str], known: Collection[str] = (), writes: Collection[str] = ()
) -> Tables:
    """Find the tables of a program.

    Args:
        text: Its source.
        suffix: Its language: `.py`, `.scala` or `.R`.
        params: What it gets, by name.
        known: Tables that there are: a parameter that holds one is a table, whatever it is called.
        writes: Tables that are known to be written by it.

    Returns:
        The tables; `complete` is always False.
    """
    comments = _COMMENTS.get(suffix)
    code = comments.sub("", text) if comments else text
    reads = dict.fromkeys(match["name"] for match in _READS.finditer(code))
    written = dict.fromkeys([*writes, *(match["name"] for match in _WRITES.finditer(code))])
    for query in _queries(code, params):
        found = tables_of(query)
        reads.update(dict.fromkeys(found.reads))
        written.update(dict.fromkeys(found.writes))
    for name, value in params.items():
        role = table_role(name)
        if _is_requested(name, code) and is_table(value) and (value in known or role is not None):
            (written if role is TableRole.TARGET else reads)[value] = None
    return Tables(tuple(table for table in reads if table not in written), tuple(written), complete=False)


def tables_in_params(params: Mapping[str, str]) -> Tables:
    """Find the tables of a program whose source is not here: parameters that are called so are all there is."""
    return Tables(source_tables(params), complete=False)


def _is_requested(name: str, code: str) -> bool:
    """Return whether a program references a parameter by name."""
    return re.search(rf"""["'$`]{re.escape(name)}\b""", code) is not None


def _queries(code: str, params: Mapping[str, str]) -> Iterator[str]:
    """Yield the SQL texts in a program, the parameters that stand in them put in."""

    def value(match: re.Match[str]) -> str:
        name = re.search(r"[A-Z][A-Z0-9_]*", match[0])
        return params.get(name[0], "_") if name else "_"

    for match in _SQL.finditer(code):
        query = match["long"] if match["long"] is not None else match["short"]
        yield re.sub(r"\$?\{[^{}]*\}|\$[A-Za-z_]\w*", value, query or "")
