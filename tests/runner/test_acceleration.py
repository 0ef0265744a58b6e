"""Whether Comet executes a run, decided before a JVM starts."""

from __future__ import annotations

import pytest

from dataflow.errors import DefinitionError
from dataflow.runner import acceleration
from dataflow.runner.acceleration import decide
from dataflow.spark import jars
from dataflow.state import run_records
from dataflow.state.run_records import open_run_records
from dataflow.state.utc import now
from dataflow.tables.day_size import Size
from dataflow.workflow.definitions import definitions_of
from dataflow.workflow.load import load_workflow
from tests.support.packages import definition, spark

BIG, FEW = Size(20_000_000, 250_000_000), Size(400_000, 5_000_000)


@pytest.fixture
def workflow(tmp_path, monkeypatch):
    """Load a workflow of an environment with an accelerator, on a machine that could use Comet."""
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(acceleration, "hindrance", lambda _: None)
    (tmp_path / "write.sql").write_text("SELECT 1;")
    (tmp_path / "main.sch.yaml").write_text(definition(spark("write.sql")))

    def loaded(accelerator=None):
        chosen = f"{{accelerator: {accelerator}}}" if accelerator else "{}"
        text = f"version: 1\nproject: p\nenvironments: {{sandbox: {chosen}}}\n"
        (tmp_path / "dataflow.yaml").write_text(text)
        return load_workflow(tmp_path / "main.sch.yaml")

    return loaded


def record(workflow, accelerator, run_id="run_a", status="succeeded", definitions=None, parent=None):
    """Record a run of a workflow, and what Comet did in it."""
    with open_run_records(None) as records:
        records.insert(
            run_records.runs,
            {
                "run_id": run_id,
                "parent_run_id": parent,
                "workflow_id": workflow.id,
                "environment": "sandbox",
                "definitions": definitions or definitions_of(workflow),
                "status": status,
                "started": now(),
                "accelerator": accelerator,
            },
        )


def did(native, operators, *fell_back):
    listed = [{"operator": operator, "reason": reason, "times": 1} for operator, reason in fell_back]
    return {"name": "comet", "why": "", "native": native, "operators": operators, "fell_back": listed}


def test_the_size_of_what_is_read_decides_unless_the_environment_says_so(workflow, monkeypatch):
    monkeypatch.setattr(acceleration, "is_fetched", lambda: True)
    assert decide(workflow("none"), BIG).text == "none: the environment has accelerator: none"
    assert decide(workflow("comet"), FEW).text == "Comet: the environment has accelerator: comet"
    assert decide(workflow("comet"), None).required
    big, few = decide(workflow("auto"), BIG), decide(workflow("auto"), FEW)
    assert big.text == "Comet: the run reads at most 20,000,000 rows"
    assert few.text == "none: the run reads at most 400,000 rows, with which Spark alone is as fast"
    assert decide(workflow("auto"), None).text == "none: how much the run reads is not known"


def test_a_jar_that_is_still_to_be_fetched_is_told_with_its_size(workflow):
    assert decide(workflow("auto"), BIG).text.endswith("; its jar is fetched once, 99 MB")
    (jars.folder()).mkdir(parents=True)
    (jars.folder() / jars.COMET.file_name).touch()
    assert not decide(workflow("auto"), BIG).text.endswith("MB")


def test_a_folder_of_jars_without_it_hinders_auto_alone_as_nothing_can_be_fetched_there(
    workflow, monkeypatch, tmp_path
):
    monkeypatch.setenv("DATAFLOW_JARS", str(tmp_path))
    assert decide(workflow("auto"), BIG).text.startswith("none: DATAFLOW_JARS has no comet-spark")
    assert decide(workflow("comet"), BIG).required


@pytest.mark.parametrize("accelerator", ["auto", "comet"])
def test_what_hinders_it_is_the_reason(workflow, monkeypatch, accelerator):
    monkeypatch.setattr(acceleration, "hindrance", lambda _: "it runs elsewhere")
    found = decide(workflow(accelerator), BIG)
    assert (found.text, found.required) == ("none: it runs elsewhere", accelerator == "comet")


def test_operators_that_fell_back_in_the_last_run_of_the_same_definitions_speak_against_it(workflow):
    found = workflow("auto")
    record(found, did(1, 9, ("Window", "lag is not supported")))
    assert decide(found, BIG).text == (
        "none: 8 of 9 operators of its last run fell back to Spark, such as Window (lag is not supported)"
    )
    assert decide(workflow("comet"), BIG).on  # whoever wants it has it
    record(found, {"name": None, "why": "few rows"}, "run_b")  # a run without it says nothing of it
    assert not decide(found, BIG).on
    record(found, did(8, 9), "run_c", status="failed")
    assert not decide(found, BIG).on
    record(found, did(8, 9), "run_d")
    assert decide(found, BIG).on


def test_runs_within_the_last_one_count_and_those_of_other_definitions_don_t(workflow):
    found = workflow("auto")
    record(found, did(0, 0), "run_a")
    record(found, did(1, 30, ("Sort", "x")), "run_a_day", definitions="of the day", parent="run_a")
    assert not decide(found, BIG).on
    (found.folder / "write.sql").write_text("SELECT 2;")
    assert decide(workflow("auto"), BIG).on


def test_an_accelerator_that_is_none_of_the_three_is_a_mistake_with_its_line(workflow):
    with pytest.raises(DefinitionError) as error:
        workflow("photon")
    assert "dataflow.yaml:3:" in str(error.value)
