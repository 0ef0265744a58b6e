"""From a definition to a workflow that is ready to run."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow.errors import UsageError
from dataflow.workflow.load import Request, load_workflow, new_run_id
from dataflow.workflow.resolved import JobStep, WapStep, Workflow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Load = Callable[..., Workflow]
    Edit = Callable[..., None]

DAY = dt.date(2026, 1, 31)


def test_main_is_filled_for_its_day(load: Load, package: Path) -> None:
    main = load(request=Request(date=DAY, run_id="r1"))
    assert (main.id, main.owner, main.run_id, main.file) == (
        "alice.titles.main",
        "alice",
        "r1",
        package / "main.sch.yaml",
    )
    assert main.params == {
        "EXECUTION_DATE": "2026-01-31",
        "SOURCE_TABLE": "demo.playback",
        "TARGET_TABLE": "alice_sandbox.alice_titles_results",
        "TARGET_DB": "alice_sandbox",
    }
    assert main.origins == {
        "EXECUTION_DATE": "--date",
        "SOURCE_TABLE": "definition",
        "TARGET_TABLE": "definition",
        "TARGET_DB": "environment",
    }
    assert [type(step) for step in main.steps] == [JobStep, WapStep, JobStep]
    assert main.needs == {"ddl": frozenset(), "wap": {"ddl"}, "hwm": {"wap"}}
    wap = main.steps[1]
    assert isinstance(wap, WapStep)
    assert wap.template.partition == {"date": "2026-01-31"}
    assert main.target_tables == ("alice_sandbox.alice_titles_results",)


def test_builtins_are_resolved_once_and_recorded(load: Load) -> None:
    assert load(request=Request(date=DAY, run_id="r1")).builtins == {
        "owner": "alice",
        "user": "alice",
        "package_id": "alice.titles",
        "package_slug": "alice_titles",
        "env": "sandbox",
        "run_id": "r1",
        "workflow_id": "alice.titles.main",
        "today": "2026-02-01",
        "yesterday": "2026-01-31",
        "last_hour": "2026-01-31T23:00",
        "last_week": "2026-01-19",
        "last_month": "2026-01-01",
    }


def test_numbers_and_flags_may_come_from_parameters(load: Load, definition: Callable[..., None]) -> None:
    definition(
        """
        - job:
            id: a
            type: Spark
            retries: ${N}
            timeout: ${T}
            spark:
              script: ./ddl.sql
        """,
        params="params:\n  N: 2\n  T: 10m\n  TARGET_TABLE: x\n",
    )
    (step,) = load().steps
    assert isinstance(step, JobStep)
    assert (step.job.retries, step.job.timeout) == (2, 600.0)


def test_text_stays_as_written_where_text_is_wanted(load: Load, edit: Edit) -> None:
    edit("main.sch.yaml", "  owner: ${dataflow.owner}", "  owner: 1e3\n  tags: [2024, NO, 12:30, true, 0.10]")
    edit("main.sch.yaml", "params:\n", "params:\n  CODE: 007\n  RATIO: 1.50\n  FLAG: true\n")
    main = load()
    assert (main.owner, main.tags) == ("1e3", ("2024", "NO", "12:30", "true", "0.10"))
    assert {name: main.params[name] for name in ("CODE", "RATIO", "FLAG")} == {
        "CODE": "007",
        "RATIO": "1.50",
        "FLAG": "true",
    }


def test_audits_keep_numbers_as_numbers(load: Load, edit: Edit) -> None:
    edit("main.sch.yaml", "          columns: [title_id]", "          columns: [title_id]\n" + VALUES)
    wap = load().steps[1]
    assert isinstance(wap, WapStep)
    assert wap.template.audits[1].model_dump()["values"] == [1, 2.5, "NO", True]


VALUES = """\
        - function: values_should_be_in
          column: x
          values: [1, 2.5, NO, true]
"""


def test_secrets_are_never_put_in(load: Load, edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "s3cret")
    edit("main.sch.yaml", "params:\n", "params:\n  KEY: a${secret:TOKEN}\n  KEYS: ${KEY}\n")
    main = load()
    assert main.params["KEYS"] == "a${secret:TOKEN}"
    assert "s3cret" not in repr(main)


def test_a_package_without_identity_is_derived_and_says_so(load: Load, package: Path) -> None:
    assert load().identity.pinned
    (package / "identity.yaml").unlink()
    assert not load().identity.pinned
    assert load().params["TARGET_TABLE"] == "alice_sandbox.alice_titles_results"


def test_the_environment_of_a_run_is_the_one_asked_for(load: Load, package: Path) -> None:
    (package.parent / "dataflow.yaml").write_text(
        "version: 1\nproject: p\nenvironments:\n  production:\n    params:\n"
        "      TEAM: t\n      TARGET_DB: ${TEAM}_prod\n      SOURCE_TABLE: real.playback\n"
    )
    assert load().params["TARGET_DB"] == "alice_sandbox"
    main = load(request=Request(env="production", params={"TEAM": "x"}))
    assert main.params["TARGET_TABLE"] == "x_prod.alice_titles_results"
    assert (main.params["SOURCE_TABLE"], main.builtins["env"]) == ("real.playback", "production")
    assert main.environment.params["TARGET_DB"] == "t_prod", "what a run may write is not for --param to say"
    with pytest.raises(
        UsageError, match=r"there is no environment 'prod' in dataflow\.yaml; valid here: production, sandbox"
    ):
        load(request=Request(env="prod"))


def test_a_param_that_nothing_uses_names_the_nearest(load: Load) -> None:
    with pytest.raises(UsageError) as error:
        load(request=Request(params={"SUORCE_TABLE": "x"}))
    assert str(error.value) == (
        "main.sch.yaml neither declares nor uses a parameter 'SUORCE_TABLE'; did you mean 'SOURCE_TABLE'?"
    )


def test_a_param_may_refer_to_others(load: Load) -> None:
    main = load(request=Request(params={"TARGET_TABLE": "${TARGET_DB}.mine"}))
    assert main.params["TARGET_TABLE"] == "alice_sandbox.mine"


def test_scripts_may_use_what_a_job_gives_them(load: Load, edit: Edit) -> None:
    edit("write.sql", "FROM ${SOURCE_TABLE}", "FROM ${SOURCE_TABLE} WHERE ${OWN}")
    edit(
        "main.sch.yaml",
        "              script: ./write.sql",
        "              script: ./write.sql\n              params:\n                OWN: 1",
    )
    assert load().id


def test_an_audit_query_may_name_the_rows_under_audit(load: Load, edit: Edit) -> None:
    audit = "        - function: sql_should_return_no_rows\n"
    audit += "          sql: SELECT * FROM ${AUDITED} WHERE d > '${EXECUTION_DATE}'\n"
    edit("main.sch.yaml", "      audits:\n", "      audits:\n" + audit)
    wap = load(request=Request(date=DAY)).steps[1]
    assert isinstance(wap, WapStep)
    assert wap.template.audits[0].model_dump()["sql"] == "SELECT * FROM ${AUDITED} WHERE d > '2026-01-31'"


def test_run_ids_are_words_and_differ() -> None:
    ids = {new_run_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"\d{8}t\d{6}_[0-9a-f]{6}", id_) for id_ in ids)


LAYERS = ("definition", "environment", "caller", "--param")


@pytest.mark.slow
@given(given_by=st.sets(st.sampled_from(LAYERS), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_first_of_param_caller_environment_and_definition_wins(given_by: set[str], package: Path) -> None:
    inner = "params:\n  P: definition\n" if "definition" in given_by else ""
    script = "version: 1\nworkflow:\n  id: inner\n  description: ${P}\n" + inner
    script += (
        "jobs:\n  - job:\n      id: h\n      type: HWM\n      hwm:\n        table: ${P}\n        datetime: 2026-01-31\n"
    )
    (package / "inner.sch.yaml").write_text(script)
    caller = "          params:\n            P: caller\n" if "caller" in given_by else ""
    outer = "version: 1\nworkflow:\n  id: outer\njobs:\n  - job:\n      id: i\n      type: Subworkflow\n"
    (package / "outer.sch.yaml").write_text(outer + "      subworkflow:\n          file: ./inner.sch.yaml\n" + caller)
    environment = "\n    params:\n      P: environment" if "environment" in given_by else "\n    branch: x"
    (package / "dataflow.yaml").write_text(f"version: 1\nproject: p\nenvironments:\n  e:{environment}\n")
    params = {"P": "--param"} if "--param" in given_by else {}
    workflow = load_workflow(package / "outer.sch.yaml", Request(env="e", params=params))
    child = list(workflow.walk())[1]
    first = max(given_by, key=LAYERS.index)
    assert (child.description, child.origins["P"]) == (first, first)


def test_loading_is_fast(load: Load) -> None:
    load("daily.sch.yaml")
    times = []
    for _ in range(5):
        began = time.perf_counter()
        load("daily.sch.yaml")
        times.append(time.perf_counter() - began)
    assert min(times) < 0.03


def test_importing_pulls_in_neither_spark_nor_sqlglot() -> None:
    code = (
        "import sys, dataflow.workflow.load; print({'pyspark', 'sqlglot', 'sqlalchemy', 'copier'} & sys.modules.keys())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
