"""`docs/engines.md`: which engine answers what, written from what was compared."""

from __future__ import annotations

from dataflow.sail import compared

_HEAD = """# Two engines

Spark is what decides: it writes, and it runs all that is deployed. `dataflow query` asks Sail first, an engine in Rust
that starts within the command, where both are known to answer the same; all else goes to Spark, and a line on standard
error says why. `--engine spark` and `--engine sail` leave the choice to nobody.

This page is written from `src/dataflow/sail/compared.py` by `python -m tests.generated`; the tests in `tests/sail` hold
both engines to it. What is in neither list was not compared, and is Spark's.

## What Sail answers

A `SELECT` with joins, groups, windows, unions, subqueries and CTEs, over tables whose Parquet files are on this
machine, by the metadata file to which the catalog points; branches, tags, snapshots and moments as long as the table
has the same columns. Of functions these, for the kinds of arguments that stand behind them:

| function | of |
|---|---|
"""

_REST = """
And these conversions:

| to | from |
|---|---|
{casts}

## What differs, and is Spark's

| function | because |
|---|---|
{functions}

Beyond functions:

- **Whole numbers that overflow.** Spark fails; Sail goes on with a wrong number. Sums and products of whole numbers are
  Sail's only where the extremes of the columns and the number of rows prove that nothing can overflow.
- **Doubles.** Sail sorts `-0.0` before `0.0`, which Spark takes for one; a column that has one, or `NaN`, is looked for
  first, as is one beyond 1e60. Sums of doubles depend on the order in which they are added, and are Spark's.
- **Doubles beside decimals**, as in `hours > 0.5`: Sail compares them as decimals of 15 places, Spark as doubles.
- **Decimals** of more than eighteen digits, divisions and remainders: results have other types.
- **Floats** (of 32 bits) in arithmetic: Spark computes with doubles.
- **Fields of structs**: Sail has values where the struct is null.
- **Sets of rows** without `ORDER BY` come in whatever order an engine has, as `LIMIT` takes whichever rows come first.
- **Names.** A column of the result that is an expression needs a name (`… AS name`), unless it is `count(*)` or the
  like: each engine has names of its own.
- **Tables** of version 3 of Iceberg's format, or with files elsewhere than on this machine; views; Iceberg's own tables
  such as `table.snapshots`.
- **Settings.** An environment that sets `spark.sql.*` has Spark for all queries.
"""


def render() -> str:
    """Return the page."""
    functions = "\n".join(
        f"| `{name}` | {_kinds(given)} |" for name, (given, _) in sorted(compared.FUNCTIONS.items()) if given
    )
    casts = "\n".join(f"| {name} | {_kinds(given)} |" for name, given in sorted(compared.CASTS.items()))
    different = "\n".join(f"| `{name}` | {reason} |" for name, reason in sorted(compared.DIFFERENT.items()))
    return f"{_HEAD}{functions}\n{_REST.format(casts=casts, functions=different)}"


def _kinds(kinds: frozenset[str]) -> str:
    if kinds == compared.ANY:
        return "anything"
    words = {"ntz": "timestamp_ntz", "long": "bigint", "wide": "computed decimal"}
    return ", ".join(words.get(it, it) for it in sorted(kinds - {"null"}))
