"""The Spark job: runs a script or a program by its kind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from dataflow.errors import DataflowError, display_path
from dataflow.jobs.context import JobContext, JobResult
from dataflow.lineage.model import plain_name
from dataflow.spark.errors import short_message
from dataflow.spark.guard import EVERYTHING, WriteScope, open_session, scoped_variables
from dataflow.workflow.models import SparkSpec
from dataflow.workflow.program_kind import Kind, program_kind, sbt_project
from dataflow.workflow.resolved import WapStep


def run_spark_job(spec: SparkSpec, context: JobContext) -> JobResult:
    """Run a Spark job outside of `wap`.

    Raises:
        DataflowError: It failed.
    """
    run_spark(spec, context, context.scope)
    _fill_migrated_columns(context)
    return JobResult()


def run_spark(spec: SparkSpec, context: JobContext, scope: WriteScope) -> None:
    """Run a Spark job's script or program, held to a scope.

    Raises:
        DataflowError: It failed.
    """
    path = context.workflow.folder / spec.script
    params = {**context.workflow.script_params, **spec.params}
    match program_kind(path):
        case Kind.JAR:
            _run_jar(spec, path, params, context, scope)
        case Kind.R:
            _run_r(path, params, context, scope)
        case _:
            from dataflow.jobs.spark.script import run_script

            with context.services.session(scope) as spark:
                run_script(spark, path, params, context.services)


def _run_jar(spec: SparkSpec, path: Path, params: Mapping[str, str], context: JobContext, scope: WriteScope) -> None:
    from dataflow.jobs.spark.jar import ProgramJar, run_jar

    project = sbt_project(path)
    jar = ProgramJar(context.services.jar_of(path), project / "src" if project else None)
    entry = jar.entry(spec.class_)
    with context.services.session(scope) as spark:
        called = run_jar(spark, jar, entry, params, context.services)
    if not called:
        _submit(spec, jar.path, entry, params, context, scope)


def _submit(
    spec: SparkSpec, jar: Path, entry: str, params: Mapping[str, str], context: JobContext, scope: WriteScope
) -> None:
    """Run a jar's `main` by spark-submit, in a Spark of its own."""
    from dataflow.jobs.spark.jar import command_line
    from dataflow.process import run_process
    from dataflow.spark.errors import last_log_line

    services, lines = context.services, list[str]()

    def output(line: str) -> None:
        lines.append(line)
        services.print_line(line)

    submit = services.launch().spark_home / "bin" / "spark-submit"
    command = [str(submit), "--class", entry, str(jar), *command_line(params, spec.args)]
    with _own_spark(context, scope) as variables:
        folder = context.workflow.folder
        code = run_process(command, cwd=folder, env=variables, output=output, stopped=services.is_cancelled)
        if code != 0:
            raise DataflowError(f"{display_path(jar)}: main of {entry} failed: {last_log_line(lines)}")


def _run_r(path: Path, params: Mapping[str, str], context: JobContext, scope: WriteScope) -> None:
    from dataflow.jobs.spark.r_script import run_r

    master = context.services.launch().master
    with _own_spark(context, scope) as variables:
        run_r(path, params, context.services, master=master, variables=variables)


@contextlib.contextmanager
def _own_spark(context: JobContext, scope: WriteScope) -> Iterator[dict[str, str]]:
    """Lend the environment variables of a program that starts a Spark of its own, held to a scope."""
    services = context.services
    launch = services.launch()
    with launch.conf_folder(services.collect_lineage) as conf, scoped_variables(scope, conf) as variables:
        yield launch.variables(conf) | variables


def _fill_migrated_columns(context: JobContext) -> None:
    """Fill the columns of a migration that a job outside of `wap` left out, as the publication does within it.

    Which rows are the job's is not known here, so no value that is there changes; the contract finds differences.
    """
    from dataflow.tables import column_migration
    from dataflow.tables.iceberg import quoted

    workflow = context.workflow
    catalog = workflow.environment.catalog_name
    wap = {plain_name(it.template.table, catalog).lower() for it in workflow.steps if isinstance(it, WapStep)}
    for write in context.services.observed_writes():
        if write.target.lower() in wap:
            continue
        table, pairs = quoted(write.target), []
        with contextlib.suppress(Exception):  # only Iceberg tables have columns in migration
            pairs = column_migration.pairs(context.spark, table)
        try:
            if pairs:
                own = open_session(context.spark, EVERYTHING)
                column_migration.fill(own, table, pairs, {column.lower() for column in write.given})
        except Exception as error:  # its rows are there, and the contract fills them as well
            why = short_message(error)
            context.services.note(f"columns of {write.target} that a migration moves are not filled yet: {why}")
