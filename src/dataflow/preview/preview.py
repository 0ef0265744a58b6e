"""A preview by whichever engine is known to answer: Sail at once where it answers as Spark does, else Spark."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from dataflow.errors import UsageError, display_path
from dataflow.preview import by_spark
from dataflow.preview.model import Preview, PreviewRequest, Sessions
from dataflow.preview.target import PreviewedWrite, writes_of
from dataflow.runner.engine_choice import QueryEngine
from dataflow.workflow.program_kind import Kind, program_kind
from dataflow.workflow.yamlfile import read_text

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.sail.server import Sail
    from dataflow.workflow.resolved import DeclaredScript, Workflow


class Previewer:
    """Makes previews, with engines that are started when they are first needed and end with the block.

    Args:
        sessions: Opens Spark on an environment.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._open = contextlib.ExitStack()
        self._sail: Sail | None = None
        self._spark: SparkSession | None = None

    def __enter__(self) -> Previewer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def previews(self, workflow: Workflow, wanted: PreviewRequest) -> Iterator[Preview]:
        """Yield what each template of a workflow would bring; with a step, the rows of that CTE alone.

        Raises:
            UsageError: There is none, or a script of it can't be previewed.
            DataflowError: A script fails.
        """
        writes = writes_of(workflow, wanted.job)
        if wanted.step is not None:
            yield self._step(writes, wanted)
            return
        for write in writes:
            _require_previewable(write)
            yield self._write(write, wanted)

    def _write(self, write: PreviewedWrite, wanted: PreviewRequest) -> Preview:
        def by_sail(sail: Sail) -> Preview:
            from dataflow.preview.by_sail import preview_write

            return preview_write(sail, write, wanted)

        return self._chosen(write, wanted, by_sail, lambda spark: by_spark.preview_write(spark, write, wanted))

    def _step(self, writes: Sequence[PreviewedWrite], wanted: PreviewRequest) -> Preview:
        from dataflow.testing.ctes import find_cte, has_cte

        scripts = [(write, script) for write in writes for script in write.scripts if script.is_sql]
        if not scripts:
            name = display_path(writes[0].scripts[0].path)
            raise UsageError(f"{name} has no CTE: only a .sql script has", "without --step the preview is of its rows")
        step = str(wanted.step)
        having = [it for it in scripts if has_cte(read_text(it[1].path), step)]
        if len(having) > 1:
            jobs = ", ".join(script.job for _, script in having)
            raise UsageError(f"{len(having)} scripts have a CTE '{step}': {jobs}", "choose one by --job")
        write, script = having[0] if having else scripts[0]
        find_cte(read_text(script.path), step, script.path)

        def by_sail(sail: Sail) -> Preview:
            from dataflow.preview.by_sail import preview_step

            return preview_step(sail, write, script, wanted)

        return self._chosen(write, wanted, by_sail, lambda spark: by_spark.preview_step(spark, script, wanted, write))

    def _chosen(
        self,
        write: PreviewedWrite,
        wanted: PreviewRequest,
        sail: Callable[[Sail], Preview],
        spark: Callable[[SparkSession], Preview],
    ) -> Preview:
        """Ask Sail where it is known to answer as Spark does, else Spark."""
        if wanted.engine is not QueryEngine.SPARK:
            found = self._by_sail(write, sail)
            if isinstance(found, Preview):
                return found
            if wanted.engine is QueryEngine.SAIL:
                raise UsageError(f"Sail can't answer as Spark does: {found}", "without --engine Spark answers")
            wanted.report(f"Spark answers: {found}")
        if self._spark is None:
            environment = by_spark.environment_of(write.workflow.environment)
            self._spark = self._open.enter_context(self._sessions(environment))
        return spark(self._spark)

    def _by_sail(self, write: PreviewedWrite, preview: Callable[[Sail], Preview]) -> Preview | str:
        from dataflow.sail.answer import require_settings
        from dataflow.sail.judgement import SparkDecides
        from dataflow.sail.server import Sail, SailError, why_missing

        if reason := why_missing():
            return reason
        try:
            require_settings(write.workflow.environment)
            if self._sail is None:
                self._sail = self._open.enter_context(Sail())
            return preview(self._sail)
        except SparkDecides as reason:
            return str(reason)
        except SailError as error:
            return error.message


def _require_previewable(write: PreviewedWrite) -> None:
    """Refuse scripts whose write can't be caught: a jar's and R's.

    Raises:
        UsageError: There is one.
    """
    for script in write.scripts:
        kind = None if script.is_asset else program_kind(script.path)
        if kind not in (Kind.SQL, Kind.PYTHON):
            raise UsageError(
                f"{_shown(script)} can't be previewed: only SQL and Python scripts can",
                f"run it in your sandbox: dataflow workflow run {display_path(write.workflow.file)}",
            )


def _shown(script: DeclaredScript) -> str:
    return script.spec.script if script.is_asset else display_path(script.path)
