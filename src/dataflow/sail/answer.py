"""An answer by Sail: the query judged, its tables pinned, its numbers bounded, its rows taken over as Spark's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dataflow.sail.bounds import Limits, columns_of, numbers_added
from dataflow.sail.checks import Checks
from dataflow.sail.decimals import Decimals
from dataflow.sail.judgement import VIEW, Judged, SparkDecides, judge
from dataflow.sail.kinds import KindsOf
from dataflow.sail.mends import Mend, mended, mends
from dataflow.sail.names import Names, Schema
from dataflow.sail.server import Sail, SailError, why_missing
from dataflow.tables.quoting import column_name

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlglot.expressions import Expr

    from dataflow.workflow.project import Environment

_HARMLESS = (
    "spark.app.", "spark.driver.", "spark.dynamicAllocation.", "spark.eventLog.", "spark.executor.", "spark.hadoop.",
    "spark.kubernetes.", "spark.master", "spark.pyspark.", "spark.submit.", "spark.ui.", "spark.yarn.",
)  # fmt: skip
"""Settings of an environment that change no answer."""
_COMPARED = {"spark.sql.session.timeZone": "UTC", "spark.sql.ansi.enabled": "true"}
"""Settings that change answers, each with the value for which both engines were compared."""
_LARGE, _SMALL_DOUBLE, _PRODUCTS = "1e60", "1e-60", 4  # so many products of such doubles are no infinity, nor NaN then
_OF_RANGE = {"id": "long"}
_SMALL = 64_000_000  # bytes that one thread reads in order as fast as several


def ask(environment: Environment, sql: str, limit: int | None) -> tuple[pa.Table, int]:
    """Return a query's rows with Spark's types, and how many there are with those that are cut off.

    Args:
        environment: Where the tables are.
        sql: The query, without a semicolon.
        limit: How many rows to return at most; None for all.

    Raises:
        SparkDecides: It is not known whether Sail answers as Spark does.
        SailError: Sail fails.
    """
    from dataflow.sail.tables import Pins

    if reason := why_missing():
        raise SparkDecides(reason)
    require_settings(environment)
    judged = judge(sql)
    pins = Pins(environment)
    tables = [pins.pin(use) for use in judged.tables]
    schemas = with_ranges(judged, [table.schema for table in tables])
    around = require_types(judged, schemas)
    threads = 1 if all(it.size is not None and it.size <= _SMALL for it in tables) else None
    with Sail(threads=threads) as sail:
        views = [f"{VIEW}{number}" for number in range(len(tables))]
        for view, table in zip(views, tables, strict=True):
            pins.show(sail, view, table, _read_columns(judged))
        require_values(sail, judged, schemas, views)
        found, total = _rows(sail, mended(judged, views, around), limit)
        return (found.rename_columns(names_of(sail, judged, views)) if around and judged.has_unnamed else found), total


def require_settings(environment: Environment) -> None:
    """Check that an environment sets nothing that changes answers.

    Raises:
        SparkDecides: It does.
    """
    for key, value in environment.spark.items():
        if not key.startswith(_HARMLESS) and _COMPARED.get(key) != value:
            raise SparkDecides(f"the environment sets {key}")


def with_ranges(judged: Judged, schemas: Sequence[Schema]) -> list[Schema]:
    """Return the schemas of a query's tables, and behind them those of its tables of numbers."""
    return [*schemas, *(dict(_OF_RANGE) for _ in judged.ranges)]


def require_types(judged: Judged, schemas: Sequence[Schema]) -> list[Mend]:
    """Check what a query does to its columns, by their types; return what has to be written around its parts.

    Raises:
        SparkDecides: It was not compared for them.
    """
    names = Names(judged.tree, schemas)
    kinds = KindsOf(names, judged.functions)
    decimals = Decimals(names, kinds)
    Checks(judged, names, kinds, decimals).require(judged.tree)
    return mends(judged, kinds, decimals)


def require_values(sail: Sail, judged: Judged, schemas: Sequence[Schema], views: Sequence[str]) -> None:
    """Check what a query does to its columns by the values that they have: negative zeros, and large whole numbers.

    Raises:
        SparkDecides: Sail may answer otherwise for them.
    """
    from sqlglot import exp

    names = Names(judged.tree, schemas)
    added = numbers_added(judged.tree, KindsOf(names, judged.functions))
    counted = columns_of(added, names)
    mentioned = _mentioned(judged)
    divides = judged.tree.find(exp.Div) is not None
    rows, bounds, zeros = [], [], []
    for number, (schema, view) in enumerate(zip(schemas, views, strict=False)):  # ranges have no view
        whole = [it for it in schema if (number, it.lower()) in counted]
        doubles = [
            it for it, kind in schema.items() if kind == "double" and (mentioned is None or it.lower() in mentioned)
        ]
        facts = _facts(sail, view, whole, doubles, divides=divides) if added or doubles else {"n": 0}
        rows.append(facts["n"])
        bounds.append({it.lower(): max(abs(facts[f"a{i}"]), abs(facts[f"z{i}"])) for i, it in enumerate(whole)})
        zeros.append({it for i, it in enumerate(doubles) if facts[f"d{i}"]})
    for size, largest in judged.ranges:
        rows.append(size)
        bounds.append({"id": largest})
        zeros.append(set())
    has_doubles = any(kind == "double" for schema in schemas for kind in schema.values())
    if has_doubles and len(list(judged.tree.find_all(exp.Mul, exp.Div))) > _PRODUCTS:
        raise SparkDecides("so many products of doubles were not compared")
    if any(zeros):
        signed = [
            {it: "odd" if it in zero else kind for it, kind in schema.items()}
            for schema, zero in zip(schemas, zeros, strict=True)
        ]
        require_types(judged, signed)
    if added:
        kinds = KindsOf(names, judged.functions)
        Limits(names, kinds, judged.functions, bounds).require(added, _most_rows(judged, rows))


def _read_columns(judged: Judged) -> set[str] | None:
    """Return the columns of tables that a query reads, and other names; None where it reads all."""
    from sqlglot import exp

    if any(not isinstance(it.parent, exp.Count) for it in judged.tree.find_all(exp.Star)):
        return None
    columns = list(judged.tree.find_all(exp.Column))
    joined = {key.name.lower() for it in judged.tree.find_all(exp.Join) for key in it.args.get("using") or ()}
    return joined | {part.name.lower() for it in columns for part in it.parts}


def _mentioned(judged: Judged) -> set[str] | None:
    """Return the names of columns that a query does something to; None where it may be any."""
    from sqlglot import exp

    tree = judged.tree
    apart = any(it.args.get("distinct") for it in tree.find_all(exp.Select)) or tree.find(exp.SetOperation)
    numbered = any(key.is_int for it in tree.find_all(exp.Order, exp.Group) for key in _keys(it))
    if tree.find(exp.Star) and (apart or numbered):
        return None
    joined = {key.name.lower() for it in tree.find_all(exp.Join) for key in it.args.get("using") or ()}
    return joined | {it.name.lower() for it in tree.find_all(exp.Column)}


def _keys(node: Expr) -> list[Expr]:
    from sqlglot import exp

    return [it.this if isinstance(it, exp.Ordered) else it for it in node.expressions]


def _facts(sail: Sail, view: str, whole: Sequence[str], doubles: Sequence[str], *, divides: bool) -> Mapping[str, int]:
    """Ask for the extremes of columns of whole numbers, and for the odd values of doubles: -0.0, NaN, large ones."""
    wanted = ["count(*) AS n"]
    for i, name in enumerate(map(column_name, whole)):
        wanted += [f"coalesce(min({name}), 0) AS a{i}", f"coalesce(max({name}), 0) AS z{i}"]
    for i, name in enumerate(map(column_name, doubles)):
        small = f" OR {name} <> 0 AND abs({name}) < {_SMALL_DOUBLE}" if divides else ""
        wanted.append(
            f"count_if(NOT abs({name}) <= {_LARGE} OR {name} = 0 AND CAST({name} AS STRING) = '-0.0'{small}) AS d{i}"
        )
    return dict(sail.query(f"SELECT {', '.join(wanted)} FROM {view}").to_pylist()[0])


def _most_rows(judged: Judged, tables: Sequence[int]) -> int:
    """Return how many rows any part of a query can have at most: all its tables crossed, as often as they are read."""
    from sqlglot import exp

    tree = judged.tree
    sizes = [*tables, *(len(it.expressions) for it in tree.find_all(exp.Values))]
    most = math.prod(size + 1 for size in sizes) + 1
    read = [it.name.lower() for it in tree.find_all(exp.Table)]
    again = math.prod(max(1, read.count(it.alias_or_name.lower())) for it in tree.find_all(exp.CTE))
    taken = len(list(tree.find_all(exp.Explode)))  # how many an array has, nobody knows
    return int(most ** min(again, 64)) << 31 * taken


def names_of(sail: Sail, judged: Judged, views: Sequence[str]) -> list[str]:
    """Return the names of the result's columns as the query has them, without what is written for Sail around them."""
    return list(sail.query(mended(judged, views, []), 0).schema.names)


def _rows(sail: Sail, sql: str, limit: int | None) -> tuple[pa.Table, int]:
    """Take a query's rows; where they are cut off, all are counted by a second query."""
    from dataflow.sail.rows import spark_table

    found = sail.query(sql, None if limit is None else limit + 1)
    try:
        table = spark_table(found)
    except (ValueError, NotImplementedError) as error:
        raise SailError(f"Sail's rows can't be taken over: {error}") from error
    total = int(table.num_rows)
    if limit is None or total <= limit:
        return table, total
    counted = sail.query(f"SELECT count(*) AS n FROM (\n{sql}\n)").column("n")[0].as_py()
    return table.slice(0, limit), max(total, int(counted))
