"""SQL with known lineage, kept as data: Spark's own plans and the reading of the text are held to the same answers.

`tests/lineage/corpus/*.yaml` are lists of statements, a file per theme, with these fields:

- `name`: a sentence about what is shown.
- `before`: statements that stand before it, such as temporary views; a list, may be left out.
- `statement`: the statement, or several with semicolons between.
- `tables`: tables that it needs beside those of `tables.yaml`, each with its columns as DDL has them.
- `into`: for each table written, for each column, the columns whose values go there.
- `deciding`: the columns that decide which rows there are, or which of several values goes in.
- `within`: for a column, those of `deciding` that decide its value alone, such as the order of a window.
- `named`: the columns that are named, and nothing depends on; checked where it is given.
- `constants`: the columns that get values of no table; checked where it is given.
- `unknown`: the tables whose columns nobody can tell, where it is so.
- `reads`, `writes`: tables, where what stands above does not say it already.
- `recorded`, `static`: false where one of the two can't be asked; `source` says why.
- `source`: where the fact comes from: a page of Spark's documentation, a suite's test, a reasoning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlglot
import yaml

from dataflow.lineage.model import Flow, TableWrite, with_references
from tests.support.places import ROOT

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FOLDER = ROOT / "tests" / "lineage"
TABLES: dict[str, str] = yaml.safe_load((FOLDER / "tables.yaml").read_text("utf-8"))
Pair = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Case:
    """A statement and what is true of it."""

    name: str
    statement: str
    into: Mapping[str, Mapping[str, list[str]]]
    deciding: frozenset[str]
    within: Mapping[str, frozenset[str]] = field(default_factory=dict)
    named: frozenset[str] | None = None
    constants: frozenset[str] | None = None
    unknown: frozenset[str] = frozenset()
    reads: frozenset[str] | None = None
    writes: frozenset[str] | None = None
    before: tuple[str, ...] = ()
    tables: Mapping[str, str] = field(default_factory=dict)
    recorded: bool = True
    static: bool = True
    source: str = ""
    theme: str = ""

    @property
    def all_tables(self) -> dict[str, str]:
        """Each table that has to be there, with its columns as DDL has them."""
        return {**TABLES, **self.tables}

    @property
    def schema(self) -> dict[str, list[str]]:
        """The same by the names of columns."""
        return {name: names_of(columns) for name, columns in self.all_tables.items()}

    @property
    def script(self) -> str:
        """What stands before it and the statement, as one script."""
        return ";\n".join([*self.before, self.statement])

    @property
    def direct(self) -> frozenset[tuple[str, str]]:
        """Each column that goes into one, as `table.column` both times."""
        return frozenset(
            (source, f"{table}.{column}")
            for table, columns in self.into.items()
            for column, sources in columns.items()
            for source in sources
        )

    @property
    def deciders(self) -> frozenset[str]:
        """Each column that decides, of rows or of one column's value."""
        return self.deciding.union(*self.within.values())


@dataclass
class Score:
    """How many pairs were to be found, and how many were."""

    expected: int = 0
    found: int = 0
    right: int = 0

    def add(self, expected: frozenset[Any], found: frozenset[Any]) -> None:
        """Count one statement's."""
        self.expected += len(expected)
        self.found += len(found)
        self.right += len(expected & found)

    @property
    def recall(self) -> float:
        """How much of what is true was found."""
        return self.right / self.expected if self.expected else 1.0

    @property
    def precision(self) -> float:
        """How much of what was found is true."""
        return self.right / self.found if self.found else 1.0


def cases(*themes: str) -> list[Case]:
    """Return the statements of some files, or of all."""
    files = sorted((FOLDER / "corpus").glob("*.yaml"))
    return [case for file in files if not themes or file.stem in themes for case in _cases_of(file)]


def _cases_of(file: Path) -> Iterator[Case]:
    for found in yaml.safe_load(file.read_text("utf-8")):
        sets = {
            key: frozenset(found.pop(key))
            for key in ("named", "constants", "unknown", "reads", "writes")
            if key in found
        }
        yield Case(
            **{
                **found,
                **sets,
                "deciding": frozenset(found.get("deciding", ())),
                "within": {column: frozenset(sources) for column, sources in found.get("within", {}).items()},
                "before": tuple(found.get("before", ())),
                "theme": file.stem,
            }
        )


def make_tables(spark: SparkSession) -> None:
    """Make the tables of the corpus, with rows where a statement is worth more with some."""
    spark.sql("CREATE NAMESPACE IF NOT EXISTS li")
    for name, columns in TABLES.items():
        spark.sql(f"CREATE TABLE {name} ({columns}) USING iceberg")
    spark.sql("INSERT INTO li.plays VALUES (1, 2.0, 'US', DATE'2026-01-01', array('a'))")
    spark.sql("INSERT INTO li.titles VALUES (1, 'One', struct('me', DATE'2020-01-01'))")


def recorded(spark: SparkSession, case: Case) -> dict[str, TableWrite]:
    """Run a case in a session of its own, and return what its plans tell that it wrote.

    Raises:
        AssertionError: The listener had something to complain of.
    """
    from dataflow.lineage.spark_plan.listener import LineageListener

    own, lineage = spark.newSession(), LineageListener()
    for name, columns in {**case.tables, "li.out": TABLES["li.out"]}.items():
        own.sql(f"DROP TABLE IF EXISTS {name}")
        own.sql(f"CREATE TABLE {name} ({columns}) USING iceberg")
    lineage.watch(own)
    try:
        for statement in [*case.before, case.statement]:
            own.sql(statement)
    finally:
        lineage.unwatch(own)
        own.catalog.clearCache()
    if lineage.errors():
        raise AssertionError(lineage.errors())
    return {write.target: write for write in lineage.flows()}


def static(case: Case) -> dict[str, TableWrite]:
    """Return what a case writes by its text alone, where the columns of its tables are known."""
    from dataflow.lineage.sql.column_lineage import sql_lineage

    script = sql_lineage(case.script, case.schema)
    return {write.target: write for write in with_references(script.writes, script.referenced_columns)}


def all_direct(writes: Mapping[str, TableWrite]) -> frozenset[tuple[str, str]]:
    """Return each column that goes into one, as a case spells it, of several writes."""
    return frozenset(pair for target, write in writes.items() for pair in direct_of(target, write.flows))


def all_deciders(writes: Mapping[str, TableWrite]) -> frozenset[str]:
    """Return each column that decides, of several writes."""
    return frozenset(column for write in writes.values() for column in deciders_of(write.flows))


def names_of(columns: str) -> list[str]:
    """Return the names of a DDL's columns."""
    table = sqlglot.parse_one(f"CREATE TABLE t ({columns})", dialect="spark")
    return [column.name for column in table.find_all(sqlglot.exp.ColumnDef) if column.parent is table.this]


def direct_of(target: str, flows: Iterable[Flow]) -> frozenset[tuple[str, str]]:
    """Return each column that goes into one of a target's, as a case spells it."""
    return frozenset(
        (f"{flow.source}.{flow.source_column}", f"{target}.{flow.target_column}")
        for flow in flows
        if flow.source_column and flow.target_column and not flow.indirect
    )


def deciders_of(flows: Iterable[Flow]) -> frozenset[str]:
    """Return each column that decides, of rows or of one column's value."""
    return frozenset(f"{flow.source}.{flow.source_column}" for flow in flows if flow.source_column and flow.indirect)


def named_of(flows: Iterable[Flow]) -> frozenset[str]:
    """Return each column that is only named."""
    return frozenset(f"{flow.source}.{flow.source_column}" for flow in flows if flow.is_reference_only)


def shown(flows: Iterable[Flow]) -> set[str]:
    """Spell flows as `table.column -> column`, `~>` where they only decide, `..` where a column is only named."""

    def arrow(flow: Flow) -> str:
        return "~>" if flow.indirect else ".." if flow.is_reference_only else "->"

    return {f"{f.source}.{f.source_column} {arrow(f)} {f.target_column}" for f in flows if f.source_column}
