"""The JSON Schema that editors use says the same as the models."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from dataflow.workflow.json_schema import json_schema, render

if TYPE_CHECKING:
    from pathlib import Path

VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def errors(definition: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(definition)]


@pytest.fixture
def main(package: Path) -> Any:
    return yaml.safe_load((package / "main.sch.yaml").read_text())


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("name", ["main", "daily"])
def test_definitions_pass_before_their_parameters_are_put_in(package: Path, name: str) -> None:
    assert errors(yaml.safe_load((package / f"{name}.sch.yaml").read_text())) == []


def test_a_parameter_may_stand_for_a_number_a_date_and_a_word(main: Any) -> None:
    main["jobs"][0]["job"] |= {"retries": "${N}", "timeout": "${T}", "on_failure": "${F}"}
    main["jobs"][1]["template"]["audits"][0]["blocking"] = "${B}"
    dates = {"from": "${FROM_DATE}", "to": "2026-01-31"}
    main["jobs"].append({"foreach": {"id": "each", "dates": dates, "parallel": "${P}", "job": main["jobs"][0]["job"]}})
    main["params"] |= {"N": 3, "RATIO": 0.5, "FLAG": True}
    assert errors(main) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda main: main.update(jbos=[]),
        lambda main: main["jobs"][0]["job"].update(retires=1),
        lambda main: main["jobs"][0]["job"].update(type="Sprak"),
        lambda main: main["jobs"][0]["job"].update(retries="many"),
        lambda main: main["jobs"][1]["template"].update(empty="never"),
        lambda main: main["jobs"][1]["template"]["audits"][0].update(blokcing=True),
        lambda main: main["jobs"][1]["template"]["audits"][0].update(function="nulls"),
        lambda main: main.update(version="${V}"),
        lambda main: main["jobs"].append("${JOB}"),
    ],
)
def test_a_mistake_fails(main: Any, change: Any) -> None:
    change(main)
    assert errors(main)


def test_every_key_that_needs_words_has_them() -> None:
    models = json_schema()["$defs"]
    assert all(model.get("description") for model in models.values())
    assert models["WapTemplate"]["properties"]["empty"]["description"].startswith("What a write of no rows does")
    assert models["SparkJob"]["properties"]["retry_delay"]["default"] == "10s"


def test_the_module_prints_the_same_bytes_each_time() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "dataflow.workflow.json_schema"], capture_output=True, text=True, check=True
    )
    assert found.stdout == render()
    assert json.loads(found.stdout) == json_schema()
