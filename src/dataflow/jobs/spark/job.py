"""The Spark job: runs a script or a program by its kind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from dataflow.errors import DataflowError, display_path
from dataflow.jobs.context import JobContext, JobResult
from dataflow.jobs.spark.migrating_columns import fill_migrating_columns
from dataflow.spark.guard import WriteScope, scoped_variables
from dataflow.workflow.models import SparkSpec
from dataflow.workflow.program_kind import Kind, program_kind, sbt_project


def run_spark_job(spec: SparkSpec, context: JobContext) -> JobResult:
    """Run a Spark job outside of `wap`.

    Raises:
        DataflowError: It failed.
    """
    run_spark(spec, context, context.scope)
    fill_migrating_columns(context)
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
    from dataflow.jobs.spark import cluster_mode
    from dataflow.jobs.spark.jar import command_line
    from dataflow.process import CollectedOutput, run_process
    from dataflow.spark.errors import last_log_line

    services, environment = context.services, context.workflow.environment
    launch, output = services.launch(), CollectedOutput(services.print_line)
    program = [str(launch.spark_home / "bin" / "spark-submit"), "--class", entry]
    arguments = [str(jar.resolve()), *command_line(params, spec.args)]
    folder = context.workflow.folder
    if cluster_mode.is_asked_for(environment):
        cluster_mode.require_no_secrets(environment)
        driver = cluster_mode.ClusterDriver(launch, services.log_line)
        command = [*program, *cluster_mode.OPTIONS, *arguments]
        with _own_spark(context, scope, elsewhere=True) as variables, driver.ended(variables, services.is_cancelled):
            code = run_process(command, cwd=folder, env=variables, output=driver, stopped=services.is_cancelled)
            if driver.has_failed(code):
                raise DataflowError(f"{display_path(jar)}: main of {entry} failed on the cluster", driver.where())
        return
    with _own_spark(context, scope) as variables:
        code = run_process(
            [*program, *arguments], cwd=folder, env=variables, output=output, stopped=services.is_cancelled
        )
        if code != 0:
            raise DataflowError(f"{display_path(jar)}: main of {entry} failed: {last_log_line(output.lines)}")


def _run_r(path: Path, params: Mapping[str, str], context: JobContext, scope: WriteScope) -> None:
    from dataflow.jobs.spark.r_script import run_r

    master = context.services.launch().master
    with _own_spark(context, scope) as variables:
        run_r(path, params, context.services, master=master, variables=variables)


@contextlib.contextmanager
def _own_spark(context: JobContext, scope: WriteScope, *, elsewhere: bool = False) -> Iterator[dict[str, str]]:
    """Lend the environment variables of a program that starts a Spark of its own, held to a scope."""
    services = context.services
    launch = services.launch()
    with (
        launch.conf_folder(services.collect_lineage, elsewhere=elsewhere) as conf,
        scoped_variables(scope, conf) as variables,
    ):
        yield launch.variables(conf) | variables
