"""Comparing the tables of deployments: what is said where there is nothing to compare yet."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from dataflow.deploy.branch_diff import compare_branch
from dataflow.errors import DataflowError
from dataflow.workflow.project import find_project

pytestmark = pytest.mark.spark


def test_tables_that_are_not_there_are_named_with_the_command_that_makes_them(spark, repo):
    repo.deploy()
    repo.branch("top-50")
    branch = repo.deploy().deployment
    (id_,) = [it for it in branch.revision.workflows if it.endswith(".main")]
    told = []
    with pytest.raises(DataflowError) as caught:
        compare_branch(find_project(repo.folder), "top-50", "production", lambda _: nullcontext(spark), told.append)
    command = f"dataflow workflow run --deployed {id_}"
    assert len(told) == 1
    assert told[0].endswith(f" does not exist: the first run of its workflow makes it:  {command}")
    assert (caught.value.message, caught.value.hint) == ("there is nothing to compare yet", f"run first:  {command}")
