"""`docs/engines.md`: which engine answers what, written from what was compared."""

from __future__ import annotations

from dataflow.sail import compared

_HEAD = """# Two engines

Spark is what decides: it writes, and it runs all that is deployed. Sail, an engine in Rust that starts within the
command, answers first where somebody waits:

- `dataflow query`, and `mock create --where` with conditions beyond Iceberg's own: what both engines are known to
  answer alike; all else goes to Spark, and a line on standard error says why.
- `dataflow workflow preview`: the same, for the query of a SQL script, the audits and the comparison; and for scripts
  in Python, whose data frames are written as SQL and judged as queries are (with the extra `pandas`, which PySpark's
  own client needs).
- `dataflow project test --watch`, and `--engine sail | both`: whatever Sail can run, as Spark runs the same test a
  moment later, or CI does; where the two differ, the difference is the message. What Sail can't run is Spark's, each
  reason in one line.

`--engine spark` and `--engine sail` leave the choice to nobody.

This page is written from `src/dataflow/sail/compared.py` by `python -m tests.generated`; the tests in `tests/sail` hold
both engines to it. What is in neither list was not compared, and is Spark's.

## What Sail answers

A `SELECT` with joins, groups, windows, unions, subqueries and CTEs, over the catalog's tables, by the metadata file to
which it points; branches, tags, snapshots and moments as long as the table has the same columns. Files on this machine
are read by Sail; those elsewhere, and those in folders whose names have other characters than ASCII letters, digits and
`. _ - = + , @ : ~`, by PyIceberg, of tables up to 64 MB. Of functions these, for the kinds of arguments that stand
behind them:

| function | of |
|---|---|
"""

_REST = """
And these conversions:

| to | from |
|---|---|
{casts}

## Sums of doubles

The last digits of a sum or an average of doubles depend on the order in which they are added: they **may differ in
the last digits, as they do between two runs of Spark**, whose tasks end in another order each time. Two orders of n
additions differ by no more than n · 2⁻⁵² times the sum of the absolute values; that, and no more, is what the tests
let pass. What is computed of such a sum, and shown or sorted, is so too: of rows whose sums are equal but for that,
either may come first, or be the last that a LIMIT takes. Where the last digit decides which rows there are (a
comparison, a join, a group, `DISTINCT`, a rank), Spark answers, unless the sum is rounded first, as in
`ROUND(SUM(hours), 6)`: rounding makes equal sums equal, so that ties stay ties. Of such a rounded sum Sail answers up
to thirteen digits in all; the order of additions does not reach them, but for a sum that lies in the middle between
two of them by chance, which two runs of Spark may round differently as well. `ROUND` itself is written for Sail as
Java rounds: by decimal digits, half up.

## What differs, and is Spark's

| function | because |
|---|---|
{functions}

Beyond functions:

- **Whole numbers that overflow.** Spark fails; Sail goes on with a wrong number. Sums and products of whole numbers are
  Sail's only where the extremes of the columns and the number of rows prove that nothing can overflow.
- **Doubles.** Sail sorts `-0.0` before `0.0`, which Spark takes for one; a column that has one, or `NaN`, is looked for
  first, as is one beyond 1e60 (and one below 1e-60 where something is divided).
- **Decimals beside doubles**, as in `hours > 0.5`, are doubles to Spark and decimals to Sail. A number or a column is
  written for Sail as a double then.
- **Decimals.** Sail has other digits for quotients, remainders and what is rounded, and cuts quotients and averages off
  where Spark rounds them half up. Where the text shows how many digits Spark has, they are written for Sail; what has
  more than 38 digits, or digits that are not clear, is Spark's.
- **Decimals that are rounded and then compared**, as in `price / 3 = 0.416667`, `CAST(price AS DECIMAL(10, 1)) > 1.2`
  or `HAVING avg(price) > 1`: Sail takes the rounding away, and compares what was there before.
- **Floats** (of 32 bits) in arithmetic: Spark computes with doubles.
- **Fields of structs** that are computed, or elements: Sail has values where the struct is null.
- **Patterns.** Regular expressions of plain characters and classes such as `[a-z]` mean the same in both, and so do
  patterns of dates made of `yyyy MM dd HH mm ss SSS MMM EEE a` and the like; all others are Spark's.
- **Sets of rows** without `ORDER BY` come in whatever order an engine has, as `LIMIT` takes whichever rows come first.
- **Names.** A column of the result that is an expression needs a name (`… AS name`), unless it is `count(*)` or the
  like: each engine has names of its own.
- **Tables** of version 3 of Iceberg's format; views; Iceberg's own tables such as `table.snapshots`; catalogs to which
  PyIceberg has no way, and what it can't read, such as deletes by values.
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
    words = {"ntz": "timestamp_ntz", "long": "bigint", "wide": "computed decimal", "near": "sum of doubles"}
    shown = kinds - {"null", "-0.0", "odd"}
    return ", ".join(words.get(it, it) for it in sorted(shown))
