"""What is asked of a preview, and what it shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dataflow.report import Report, silent
from dataflow.runner.engine_choice import QueryEngine

if TYPE_CHECKING:
    from pyspark.sql import Row, SparkSession

    from dataflow.jobs.audit import AuditResult
    from dataflow.workflow.project import Environment

ROWS = 20
"""How many rows are shown where nobody says how many."""

Sessions = Callable[["Environment"], AbstractContextManager["SparkSession"]]
"""Opens Spark on an environment, where it is needed."""


@dataclass(frozen=True)
class PreviewRequest:
    """What is asked of a preview.

    Attributes:
        limit: How many rows to show at most.
        step: The CTE whose rows are wanted; None for what the write brings.
        job: The only template, or job of one, that is wanted; None for all.
        engine: The only engine that may answer.
        report: Receives lines on the way, such as why Spark answers.
    """

    limit: int = ROWS
    step: str | None = None
    job: str | None = None
    engine: QueryEngine = QueryEngine.AUTO
    report: Report = silent


@dataclass(frozen=True)
class ChangedColumn:
    """A column with other values than are published.

    Attributes:
        name: The column.
        rows: In how many rows.
        samples: Some of them: the key, and both values.
    """

    name: str
    rows: int
    samples: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Difference:
    """How the rows differ from those that are published.

    Attributes:
        key: The columns by which rows belong together; empty where there is no key, and whole rows are compared.
        published: How many rows stand published.
        new: How many would come.
        gone: How many would go.
        changed: How many would have other values.
        columns: The columns with other values.
        samples_new: The keys of some rows that would come.
        samples_gone: The keys of some rows that would go.
        columns_added: Columns that what is published has not.
    """

    key: tuple[str, ...]
    published: int
    new: int
    gone: int
    changed: int
    columns: Sequence[ChangedColumn] = ()
    samples_new: Sequence[Mapping[str, Any]] = ()
    samples_gone: Sequence[Mapping[str, Any]] = ()
    columns_added: Sequence[str] = ()

    @property
    def same(self) -> bool:
        """Whether readers would see what they see now."""
        return not (self.new or self.gone or self.changed or self.columns_added)


@dataclass(frozen=True)
class Preview:
    """What a write would bring, or the rows of a step of it.

    Attributes:
        job: The template's id, behind those of the steps around it; with a step the job's.
        script: The script.
        engine: Which engine answered: `sail` or `spark`.
        columns: The columns of the rows.
        rows: Some of the rows.
        total: How many there are.
        step: The CTE that is shown; None for what is written.
        table: The table that would be written; None for a step.
        partition: The part of it that would be replaced.
        outside: How many rows lie outside of that part: the run refuses them.
        audits: What the audits find.
        difference: How the rows differ from those that are published; None where nothing is, or for a step.
    """

    job: str
    script: Path
    engine: str
    columns: Sequence[str]
    rows: Sequence[Row]
    total: int
    step: str | None = None
    table: str | None = None
    partition: str = ""
    outside: int = 0
    audits: Sequence[AuditResult] = ()
    difference: Difference | None = None

    @property
    def would_fail(self) -> bool:
        """Whether a run would publish nothing, by what is seen here."""
        return bool(self.outside) or any(it.blocking and not it.passed for it in self.audits)


class Rows(Protocol):
    """What a query returns, of either engine."""

    def collect(self) -> list[Row]:
        """Return the rows."""


class Queries(Protocol):
    """What answers queries: Spark's session, or Sail's."""

    def sql(self, query: str, /) -> Rows:
        """Run a query."""
