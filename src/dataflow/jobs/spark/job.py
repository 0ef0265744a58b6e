"""The Spark job: one place that knows what runs which kind of program."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dataflow.errors import DataflowError, display_path
from dataflow.jobs.context import JobContext, Outcome
from dataflow.jobs.spark.migrating_columns import fill_migrating_columns
from dataflow.spark.guard import Scope, scoped_apart
from dataflow.workflow.models import SparkSpec
from dataflow.workflow.program_kind import Kind, program_kind, sbt_project


def run_spark_job(spec: SparkSpec, context: JobContext) -> Outcome:
    """Run the script or program of a job by itself.

    Raises:
        DataflowError: It failed.
    """
    run_spark(spec, context, context.scope)
    fill_migrating_columns(context)
    return Outcome()


def run_spark(spec: SparkSpec, context: JobContext, scope: Scope) -> None:
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

            with context.session(scope) as spark:
                run_script(spark, path, params, context.note, context.declares)


def _run_jar(spec: SparkSpec, path: Path, params: Mapping[str, str], context: JobContext, scope: Scope) -> None:
    from dataflow.jobs.spark.jar import Jar, run_jar

    project = sbt_project(path)
    jar = Jar(context.programs.jar_of(path), project / "src" if project else None)
    entry = jar.entry(spec.class_)
    with context.session(scope) as spark:
        called = run_jar(spark, jar, entry, params, output=context.output, log=context.programs.log)
    if not called:
        _submit(spec, jar.path, entry, params, context, scope)


def _submit(
    spec: SparkSpec, jar: Path, entry: str, params: Mapping[str, str], context: JobContext, scope: Scope
) -> None:
    """Run a jar's `main` by spark-submit, in a Spark of its own."""
    from dataflow.jobs.spark.jar import command_line
    from dataflow.process import CollectedOutput, run_process
    from dataflow.spark.errors import last_words
    from dataflow.spark.launch_env import conf_folder, environ

    programs, output = context.programs, CollectedOutput(context.output)
    command = [str(programs.spark_home / "bin" / "spark-submit"), "--class", entry, str(jar)]
    command += command_line(params, spec.args)
    with conf_folder(programs.settings, programs.heard) as conf, scoped_apart(scope, conf) as variables:
        master = programs.settings.get("spark.master", "local[*]")
        env = environ(conf, programs.spark_home, master, programs.java_home) | variables
        code = run_process(command, cwd=context.workflow.folder, env=env, output=output, stopped=context.stopped)
        if code != 0:
            raise DataflowError(f"{display_path(jar)}: main of {entry} failed: {last_words(output.lines)}")


def _run_r(path: Path, params: Mapping[str, str], context: JobContext, scope: Scope) -> None:
    from dataflow.jobs.spark.r_script import run_r
    from dataflow.spark.launch_env import conf_folder

    programs = context.programs
    with conf_folder(programs.settings, programs.heard) as conf, scoped_apart(scope, conf) as variables:
        run_r(
            path,
            params,
            conf_folder=conf,
            spark_home=programs.spark_home,
            master=programs.settings.get("spark.master", "local[*]"),
            java_home=programs.java_home,
            variables=variables,
            output=context.output,
            stopped=context.stopped,
            log=programs.log,
        )
