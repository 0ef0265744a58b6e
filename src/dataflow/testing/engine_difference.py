"""Where Sail and Spark differ in a test: which rows, and which expression of the script has the values that differ."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.errors import display_path
from dataflow.testing.diff_report import DiffReport, describe
from dataflow.testing.row_diff import RowSet
from dataflow.testing.row_matching import Tolerance, equal, match

if TYPE_CHECKING:
    import pytest

    from dataflow.testing.engines import Verdict

_SHOWN = 60


def difference_of(item: pytest.Item, sail: Verdict, spark: Verdict) -> str:
    """Return how Sail's run of a test differs from Spark's; empty where it is confirmed."""
    for ours, theirs in itertools.zip_longest(sail.rows, spark.rows):
        if ours is None or theirs is None:
            break
        if text := rows_differ(ours, theirs, _scripts(item)):
            return text
    if sail.outcome == spark.outcome:
        return ""
    why = sail.text.strip().splitlines()
    said = f": {why[-1].strip()[:200]}" if why else ""
    return f"{sail.outcome} by Sail, {spark.outcome} by Spark, which decides{said}"


def rows_differ(sail: RowSet, spark: RowSet, scripts: list[Path]) -> str:
    """Return how the rows of the two differ; empty where they do not."""
    if [it.lower() for it in sail.columns] != [it.lower() for it in spark.columns]:
        return f"{spark.title} has columns {', '.join(sail.columns)} by Sail, {', '.join(spark.columns)} by Spark"
    types = [
        f"{name} is {ours} by Sail, {theirs} by Spark{_expression(name, scripts)}"
        for name, ours, theirs in zip(spark.columns, sail.types, spark.types, strict=False)
        if ours != theirs
    ]
    if types:
        return "; ".join(types)
    tolerance = Tolerance(1e-9, 0.0)
    same = match(spark.rows, sail.rows, tolerance)
    paired = {i for i, _ in same.pairs}, {j for _, j in same.pairs}
    theirs = [row for i, row in enumerate(spark.rows) if i not in paired[0]]
    ours = [row for j, row in enumerate(sail.rows) if j not in paired[1]]
    if not theirs and not ours:
        return ""
    return _described(sail, spark, ours, theirs, scripts)


def _described(
    sail: RowSet, spark: RowSet, ours: list[tuple[Any, ...]], theirs: list[tuple[Any, ...]], scripts: list[Path]
) -> str:
    """Describe rows of one engine alone: those that are alike beside each other, with the cells that differ."""
    tolerance = Tolerance(1e-9, 0.0)
    pairs, rest, columns = [], list(ours), set[str]()
    missing = []
    for row in theirs:
        near = max(rest, key=lambda it: sum(equal(a, b, tolerance) for a, b in zip(row, it, strict=True)), default=None)
        if near is None or not any(equal(a, b, tolerance) for a, b in zip(row, near, strict=True)):
            missing.append(row)
            continue
        rest.remove(near)
        cells = [(a, b, equal(a, b, tolerance)) for a, b in zip(row, near, strict=True)]
        columns |= {name for name, (_, _, alike) in zip(spark.columns, cells, strict=True) if not alike}
        pairs.append(tuple(cells))
    names = [it for it in spark.columns if it in columns]
    remarks = [f"{name}{found}" for name in names if (found := _expression(name, scripts))]
    report = DiffReport(
        f"{spark.title} by Sail",
        "that by Spark",
        spark.columns,
        (len(sail.rows), len(spark.rows)),
        pairs,
        missing,
        rest,
        remarks=remarks,
    )
    return describe(report).replace("expected -> actual", "Spark -> Sail", 1)


def _expression(column: str, scripts: list[Path]) -> str:
    """Return the expression that a script has for a column, and its line."""
    from dataflow.testing.column_expression import expression_of

    for script in scripts:
        with contextlib.suppress(OSError, ValueError):
            if found := expression_of(script.read_text("utf-8"), column):
                line, text = found
                return f" is {text[:_SHOWN]} ({display_path(script)}:{line})"
    return ""


def _scripts(item: pytest.Item) -> list[Path]:
    """Return the SQL scripts that a test is about: of a test in YAML its own, else those beside it that it names."""
    test = getattr(item, "_test", None)
    if test is not None:
        return [test.script] if test.script.suffix == ".sql" else []
    text = item.path.read_text("utf-8", errors="replace")
    return [it for it in sorted(item.path.parent.glob("*.sql")) if it.name in text]
