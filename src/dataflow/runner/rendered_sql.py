"""The SQL of a workflow as a run would execute it: its scripts with their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.errors import UsageError, did_you_mean, display_path
from dataflow.workflow.parameters import substitute
from dataflow.workflow.yamlfile import read_text

if TYPE_CHECKING:
    from pathlib import Path

    from dataflow.workflow.resolved import Workflow


@dataclass(frozen=True)
class RenderedScript:
    """A script with its parameters substituted.

    Attributes:
        job: The id of the job that runs it, after the ids of the steps around it.
        script: The script.
        sql: Its text.
    """

    job: str
    script: Path
    sql: str


def rendered_scripts(workflow: Workflow, job: str | None = None) -> list[RenderedScript]:
    """Return the SQL scripts of a workflow, and of those that it contains, in running order.

    Of a foreach, they are those of its first date.

    Args:
        workflow: The workflow, its parameters resolved.
        job: Only the scripts of this job, or of all jobs of this step.

    Raises:
        DefinitionError: A script can't be read, or uses a parameter without a value.
        UsageError: There is no such script.
    """
    scripts = list(workflow.spark_specs(contained=True))
    if job is not None and not any(_is_of(script.job, job) for script in scripts):
        ids = [script.job for script in scripts]
        raise UsageError(f"{display_path(workflow.file)} has no job '{job}' with a script{did_you_mean(job, ids)}")
    found = []
    for script in scripts:
        if script.is_sql and (job is None or _is_of(script.job, job)):
            sql = substitute(read_text(script.path), script.params, where=script.path)
            found.append(RenderedScript(script.job, script.path, sql))
    if not found:
        raise UsageError(f"{display_path(workflow.file)} runs no SQL script{f' in {job}' if job else ''}")
    return found


def as_text(scripts: Sequence[RenderedScript]) -> str:
    """Return scripts one below the other, each under the name of its job; it is SQL as a whole."""
    return "\n".join(f"-- {it.job}: {display_path(it.script)}\n{_closed(it.sql)}" for it in scripts)


def _closed(sql: str) -> str:
    """Return a script with a semicolon behind its last statement, and a line break behind that."""
    from dataflow.workflow.parameters import ends_open

    text = sql.rstrip()
    return f"{text}\n;\n" if ends_open(text) else f"{text}\n"


def _is_of(name: str, job: str) -> bool:
    return name == job or name.startswith(f"{job}.") or name.endswith(f".{job}")
