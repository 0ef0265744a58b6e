"""A branch's tables beside those of another deployment, all of them."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from dataflow.assets.registry import open_registry
from dataflow.deploy.bundle.manifest import load_bundle
from dataflow.deploy.data_diff import TableDiff, compare_tables, missing_table, table_pairs
from dataflow.deploy.deployments import require_current
from dataflow.deploy.targets import branch_target
from dataflow.errors import DataflowError
from dataflow.report import Report

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.workflow.project import Environment, Project

OpenSpark = Callable[["Environment"], AbstractContextManager["SparkSession"]]
"""Starts Spark on an environment's catalog."""


def compare_branch(
    project: Project,
    branch: str,
    other: str,
    open_spark: OpenSpark,
    report: Report,
    *,
    date: dt.date | None = None,
    key: Sequence[str] = (),
) -> list[TableDiff]:
    """Compare the tables that a branch's packages write with another deployment's.

    Args:
        project: The project.
        branch: The branch, which you deployed.
        other: The name of the other deployment.
        open_spark: Starts Spark.
        report: Receives which tables can't be compared yet.
        date: The day to compare; the branch's last one when None.
        key: What identifies a row; the declared key of each table when empty.

    Raises:
        UsageError: One of both is not deployed, or they have no package in common.
        DataflowError: None of the tables exists on both sides.
    """
    registry = open_registry(project)
    here, there = require_current(registry, branch_target(branch, project).name), require_current(registry, other)
    found = table_pairs(registry, here, there)
    if key:
        found = [dataclasses.replace(pair, key=tuple(key)) for pair in found]
    bundle = load_bundle(registry, next(iter(here.revision.packages.values())).bundle)
    with open_spark(bundle.environment.environment()) as spark:
        absent = {pair.here: missing for pair in found if (missing := missing_table(spark, pair))}
        differences = [compare_tables(spark, pair, date) for pair in found if pair.here not in absent]
    runs = [f"dataflow workflow run --deployed {workflow}" for _, workflow in absent.values()]
    for (table, _), run in zip(absent.values(), runs, strict=True):
        report(f"{table} does not exist: the first run of its workflow makes it:  {run}")
    if not differences:
        raise DataflowError("there is nothing to compare yet", f"run first:  {'; '.join(dict.fromkeys(runs))}")
    return differences
