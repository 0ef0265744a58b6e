"""What the command makes of a driver on the cluster; `tests/cluster/test_programs.py` starts real ones."""

from __future__ import annotations

import pytest

from dataflow.errors import UsageError
from dataflow.jobs.spark.cluster_mode import ClusterDriver, is_asked_for, require_no_secrets
from dataflow.spark.launch_env import SparkLaunch
from dataflow.workflow.project import Environment

NAME = "driver-20261130223324-0001"
SUBMITTED = f"22:33:24 INFO ClientEndpoint: Driver successfully submitted as {NAME}"
RUNS = f"22:33:29 INFO ClientEndpoint: State of {NAME} is RUNNING"
MODE = {"spark.submit.deployMode": "cluster"}


def driver(master, *lines):
    heard = []
    found = ClusterDriver(SparkLaunch({"spark.master": master}), heard.append)
    for line in lines:
        found(line)
    assert heard == [*lines]
    return found


@pytest.mark.parametrize(
    ("state", "failed"), [("FINISHED", False), ("FAILED", True), ("ERROR", True), ("KILLED", True), ("RUNNING", True)]
)
def test_spark_s_own_manager_tells_by_its_last_word_how_a_driver_ended(state, failed):
    last = f"22:33:49 INFO ClientEndpoint: State of driver {NAME} is {state}, exiting spark-submit JVM."
    found = driver("spark://m:7077", "a line", SUBMITTED, RUNS, last)
    assert (found.id, found.has_failed(0)) == (NAME, failed)
    assert found.has_failed(1)
    assert found.where() == f"its output is in the worker's folder of {NAME}"


def test_other_managers_tell_by_the_exit_code():
    assert not driver("yarn", "a line").has_failed(0)
    assert driver("yarn").has_failed(1)
    assert driver("yarn").where() == "see the cluster's own logs"


def test_a_driver_that_was_never_submitted_has_failed():
    assert driver("spark://m:7077", "nobody answers").has_failed(0)


def test_secrets_are_refused_where_settings_become_a_command_line():
    lake = {"name": "lake", "type": "rest", "uri": "https://c", "credential": "${secret:LAKE}"}
    own = {"spark.master": "spark://m:7077", **MODE}
    with pytest.raises(UsageError, match=r"^spark\.sql\.catalog\.lake\.credential holds a secret, and cluster mode"):
        require_no_secrets(Environment("production", catalog=lake, spark=own))
    spark = {**own, "spark.authenticate.secret": "${secret:SPARK}"}
    with pytest.raises(UsageError, match=r"^spark\.authenticate\.secret holds a secret"):
        require_no_secrets(Environment("production", catalog={"type": "rest"}, spark=spark))
    require_no_secrets(Environment("production", catalog=lake, spark={**own, "spark.master": "yarn"}))
    assert is_asked_for(Environment("production", spark=own))
    assert not is_asked_for(Environment("production", spark={"spark.master": "spark://m:7077"}))
