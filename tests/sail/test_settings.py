"""Which settings of an environment leave queries to Spark."""

from __future__ import annotations

import pytest

from dataflow.sail.answer import require_settings
from dataflow.sail.judgement import SparkDecides
from dataflow.workflow.project import Environment


@pytest.mark.parametrize(
    "key",
    [
        "spark.master", "spark.app.name", "spark.driver.memory", "spark.executor.instances", "spark.submit.deployMode",
        "spark.dynamicAllocation.enabled", "spark.dynamicAllocation.maxExecutors", "spark.pyspark.python",
        "spark.pyspark.driver.python", "spark.eventLog.dir", "spark.kubernetes.namespace", "spark.yarn.queue",
    ],
)  # fmt: skip
def test_settings_of_where_and_how_large_change_no_answer(key):
    require_settings(Environment("team", spark={key: "x"}))


@pytest.mark.parametrize("key", ["spark.sql.ansi.enabled", "spark.sql.caseSensitive", "spark.jars", "spark.plugins"])
def test_settings_that_may_change_answers_are_named(key):
    with pytest.raises(SparkDecides, match=rf"^the environment sets {key.replace('.', '[.]')}$"):
        require_settings(Environment("team", spark={key: "false"}))
