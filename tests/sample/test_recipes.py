"""What the recipes generate: exactly these files, each one fit for a review."""

from __future__ import annotations

import datetime as dt
import json
import re
import shlex
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from functools import reduce
from math import fsum
from operator import add
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import sqlglot
import typer
import yaml
from copier import run_copy
from pydantic import BaseModel
from yamllint import linter
from yamllint.config import YamlLintConfig

from dataflow.cli.main import app as command_line
from dataflow.provided_files import SCHEMAS
from dataflow.sample.copier_environment import copier_environment
from dataflow.sample.recipes import recipes
from dataflow.workflow.dates import context_of
from dataflow.workflow.json_schema import render as render_schema
from dataflow.workflow.load import load_workflow
from dataflow.workflow.models import Definition, MetadataJob
from dataflow.workflow.periods import Cadence
from tests.support.template_repo import ROOT, contents, make_template

ALL = [recipe.name for recipe in recipes()]
ANSWERS = {
    "defaults": {},
    "all of them": {
        "workflow_shortname": "top_titles",
        "workflow_id": "growth.top_titles",
        "source_table": "lake.prod.views",
        "cron": "*/30 6-22 1,15 * MON-FRI",
    },
    "hourly": {"cadence": "hourly"},
    "weekly": {"cadence": "weekly", "workflow_shortname": "top_titles", "workflow_id": "growth.top_titles"},
    "monthly": {"cadence": "monthly"},
}
MADE_OF_ITSELF = {"identity.yaml"}
"""What the hook writes."""
# The style of the definitions: everything that yamllint checks by itself, without the `---` that one document
# in a file does not need.
YAML_STYLE = YamlLintConfig("{extends: default, rules: {document-start: disable}}")


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template; read only."""
    return make_template(tmp_path_factory.mktemp("recipes"))


@pytest.fixture(scope="module", params=ALL)
def recipe(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module", params=ANSWERS)
def package(
    recipe: str, request: pytest.FixtureRequest, recipes: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A package of each recipe, for each set of answers; read only."""
    folder = tmp_path_factory.mktemp("packages") / "my-flow"
    render(recipes, folder, recipe=recipe, **ANSWERS[request.param])
    return folder


def render(template: Path, folder: Path, **answers: str) -> None:
    with copier_environment(DATAFLOW_USER="alice"):
        run_copy(str(template), folder, data=answers, vcs_ref="HEAD", defaults=True, quiet=True, unsafe=True)


def test_a_package_has_exactly_the_files_of_its_recipe_s_folder(package: Path, recipe: str) -> None:
    answers = yaml.safe_load((package / ".copier-answers.yml").read_text())
    names = {
        "source_table": answers["source_table"],
        "results_name": f"{answers['workflow_shortname']}_results",
        "cadence": answers["cadence"],
        "_copier_conf.answers_file": ".copier-answers.yml",
    }
    brought = {
        re.sub(r"\{\{ (\S+) \}\}", lambda found: names[found[1]], name.removesuffix(".jinja"))
        for name in contents(ROOT / "recipes" / recipe)
    }
    assert contents(package).keys() == brought | MADE_OF_ITSELF
    scheduled = f"{answers['cadence']}.sch.yaml"
    assert {
        "README.md",
        "main.sch.yaml",
        scheduled,
        "backfill.sch.yaml",
        "maintenance.sch.yaml",
        ".gitignore",
    } <= brought


def test_no_brace_of_the_template_is_left_over(package: Path) -> None:
    for name, data in contents(package).items():
        assert not re.search(rb"(?<!\{)\{\{(?!\{)|\{%|\{#|%\}|jinja", data), name
        assert data.endswith(b"\n"), name
        assert not data.endswith(b"\n\n"), name


def test_python_is_formatted_and_linted(package: Path) -> None:
    for check in (["format", "--check"], ["check"]):
        command = [sys.executable, "-m", "ruff", *check, "--isolated", "--no-cache", "."]
        done = subprocess.run(command, cwd=package, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_yaml_is_linted(package: Path) -> None:
    for file in [*package.rglob("*.yaml"), *package.rglob("*.yml")]:
        assert [str(problem) for problem in linter.run(file.read_text(), YAML_STYLE, str(file))] == [], file


@pytest.mark.slow
@pytest.mark.tools("R's lintr")
@pytest.mark.parametrize("recipe", ["sparklyr"], indirect=True)
def test_r_is_linted(package: Path) -> None:
    lint = "found <- lintr::lint_dir('.'); print(found); quit(status = length(found) > 0)"
    done = subprocess.run(["Rscript", "-e", lint], cwd=package, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_sql_is_spark_sql_with_upper_case_keywords(package: Path) -> None:
    values = {"SOURCE_TABLE": "a.b", "TARGET_TABLE": "c.d", "EXECUTION_DATE": "2026-01-31"}
    for file in package.rglob("*.sql"):
        text = re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], file.read_text())
        assert len(sqlglot.parse(text, read="spark")) == 1
        code = re.sub(r"--[^\n]*|'[^']*'", "", text)
        assert not re.search(r"\b(select|from|where|group by|partition|create|with|as|not|null|and)\b", code)


@pytest.mark.slow
def test_definitions_fit_their_schema_and_load_without_a_mistake(package: Path) -> None:
    schema = json.loads((SCHEMAS / "workflow.schema.json").read_text())
    definitions = sorted(package.glob("*.sch.yaml"))
    cadence = _cadence(package)
    names = sorted(["backfill.sch.yaml", f"{cadence}.sch.yaml", "main.sch.yaml", "maintenance.sch.yaml"])
    assert [file.name for file in definitions] == names
    for file in definitions:
        jsonschema.validate(yaml.safe_load(file.read_text()), schema)
        assert load_workflow(file).cadence == ("daily" if file.name.startswith("maintenance") else cadence)


def test_mocks_fit_their_schema(package: Path) -> None:
    schema = json.loads((SCHEMAS / "mock.schema.json").read_text())
    mocks = sorted((package / "src/mocks").glob("*.yaml"))
    assert len(mocks) == 2
    for file in mocks:
        jsonschema.validate(yaml.safe_load(file.read_text()), schema)


def test_the_schema_is_that_of_the_models() -> None:
    assert (SCHEMAS / "workflow.schema.json").read_text() == render_schema(), "out of date: python -m tests.generated"


def test_editors_find_the_schema(package: Path) -> None:
    settings = json.loads((package / ".vscode/settings.json").read_text())
    files = {
        ".vscode/workflow.schema.json": "*.sch.yaml",
        ".vscode/test.schema.json": "*.test.yaml",
        ".vscode/mock.schema.json": "**/mocks/**/*.yaml",
    }
    has_tests = any(package.rglob("*.test.yaml")) or any(package.rglob("test_*.py"))
    files = {name: glob for name, glob in files.items() if has_tests or "test" not in name}
    assert settings["yaml.schemas"] == files
    assert {Path(name).name for name in files} <= {file.name for file in SCHEMAS.iterdir()}
    for test in package.rglob("*.test.yaml"):
        assert test.read_text().startswith("# yaml-language-server: $schema=../.vscode/test.schema.json\n")
    for file in package.glob("*.sch.yaml"):
        first = file.read_text().splitlines()[0]
        assert first == "# yaml-language-server: $schema=.vscode/workflow.schema.json"


def test_whoever_works_on_a_package_reads_of_commands_and_files_that_there_are(package: Path) -> None:
    text = (package / "AGENTS.md").read_text()
    assert (package / "CLAUDE.md").read_text() == "@AGENTS.md\n"
    assert max(map(len, text.splitlines())) <= 130
    commands = re.findall(r"`(dataflow (?!`)[^`]+)`", text)
    assert len(commands) >= 12
    for command in commands:
        _resolve(shlex.split(command.replace("<table>", "a.b"))[1:])
    named = re.findall(r"`((?:src|ddl|tests)/[\w./]+|\w+\.(?:md|yaml|sch\.yaml))`", text)
    assert len(named) >= 6
    for name in named:
        assert (package / name).exists(), name


def _resolve(words: list[str]) -> None:
    """Parse a command as the command line does, without running it."""
    command: Any = typer.main.get_command(command_line)
    context: Any = None
    while hasattr(command, "resolve_command") and not words[0].startswith("-"):
        context = command.make_context(None, [], parent=context, resilient_parsing=True)
        _, command, words = command.resolve_command(context, words)
    if words != ["--help"]:
        command.make_context(None, list(words), parent=context)


def test_ids_and_tables_derive_from_who_generated_it(recipe: str, recipes: Path, tmp_path: Path) -> None:
    render(recipes, tmp_path / "My Flow", recipe=recipe)

    workflow = load_workflow(tmp_path / "My Flow" / "main.sch.yaml")

    assert workflow.id == "alice.my_flow.main"
    assert workflow.params["TARGET_TABLE"] == "alice_sandbox.alice_my_flow_results"


@pytest.mark.parametrize(
    ("answers", "table"),
    [
        ({"workflow_shortname": "titles"}, "alice_titles_results"),
        ({"workflow_shortname": "titles", "workflow_id": "growth.top"}, "growth_top_results"),
    ],
)
def test_the_ddl_is_named_as_the_table_without_its_owner(
    answers: dict[str, str], table: str, recipe: str, recipes: Path, tmp_path: Path
) -> None:
    render(recipes, tmp_path / "flow", recipe=recipe, **answers)

    workflow = load_workflow(tmp_path / "flow" / "main.sch.yaml")

    assert workflow.params["TARGET_TABLE"] == f"alice_sandbox.{table}"
    (ddl,) = (tmp_path / "flow" / "ddl").iterdir()
    assert ddl.name == f"{table.partition('_')[2]}.sql"
    assert f"./ddl/{ddl.name}" in [script.spec.script for script in workflow.spark_specs()]


def test_columns_of_the_key_may_not_be_null_and_others_may(package: Path) -> None:
    (ddl,) = (package / "ddl").iterdir()
    columns = dict(re.findall(r"(?m)^  (\w+) \w+( NOT NULL)? COMMENT", ddl.read_text()))
    (metadata,) = load_workflow(package / "main.sch.yaml").jobs(MetadataJob)
    assert {name for name, required in columns.items() if required} == set(metadata.metadata.primary_key)
    assert columns.keys() - metadata.metadata.primary_key == {"title_rank", "view_hours"}


def test_no_line_says_what_holds_without_it(package: Path) -> None:
    for file in package.glob("*.sch.yaml"):
        data = yaml.safe_load(file.read_text())
        cadence = Cadence(data.get("cadence", "daily"))
        data = _with_parameters(data, cadence.example)
        definition = Definition.model_validate(data, context=context_of(cadence))
        assert list(_defaults(definition)) == [], file.name
        assert definition.dag is None, "steps run in the order written"
        rest = file.read_text().partition("\njobs:\n")[2] + "".join(it.read_text() for it in package.rglob("*.sql"))
        for name in definition.params:
            scripts = ["TARGET_TABLE", "SOURCE_TABLE", "EXECUTION_DATE"]
            assert name in scripts or f"${{{name}}}" in rest, f"{file.name}: {name}"


@pytest.mark.slow
def test_all_recipes_say_the_same_apart_from_their_language(recipes: Path, tmp_path: Path) -> None:
    said = []
    for name in ALL:
        folder = tmp_path / name
        render(recipes, folder, recipe=name, workflow_shortname="same")
        texts = [path.read_text() for path in sorted(folder.glob("*.sch.yaml"))]
        texts += [path.read_text() for path in sorted([*folder.glob("ddl/*"), *folder.glob("src/mocks/*")])]
        text = "\n".join(texts)
        said.append(re.sub(r"script: \./(src/\S+|\n +class: \S+)", "script: the transformation", text))
    assert len(set(said)) == 1


@pytest.mark.parametrize("recipe", ["spark-sql"], indirect=True)
def test_the_expected_rows_agree_with_a_small_reference(package: Path) -> None:
    cadence, (source, expected) = _cadence(package), _rows(package)
    column = next(name for name in expected[0] if name not in {"title_id", "country_code", "title_rank", "view_hours"})
    viewing = defaultdict(list)
    for row in source:
        if row["title_id"] is not None and row["view_hours"] > 0:
            period = cadence.at(dt.datetime.fromisoformat(row["played_at" if column == "hour" else "date"]))
            viewing[period, row["country_code"], row["title_id"]].append(row["view_hours"])
    hours = {
        key: float(Decimal(fsum(found)).quantize(Decimal("0.000001"), ROUND_HALF_UP)) for key, found in viewing.items()
    }
    ranks = {key: 1 + sum(other[:2] == key[:2] and hours[other] > hours[key] for other in hours) for key in hours}
    top = {(*key, ranks[key], hours[key]) for key in hours if ranks[key] <= 100}

    columns = ("country_code", "title_id", "title_rank", "view_hours")
    found = [(cadence.parse(row[column][:16]), *(row[it] for it in columns)) for row in expected]
    assert set(found) == top
    assert len(found) == len(top)
    assert all(cadence.parse(row[column][:16]).start == dt.datetime.fromisoformat(row[column]) for row in expected)


@pytest.mark.parametrize("recipe", ["spark-sql"], indirect=True)
def test_the_mocks_hold_what_goes_wrong_in_practice(package: Path) -> None:
    cadence, (source, expected) = _cadence(package), _rows(package)
    of_us = [row["title_rank"] for row in expected if row["country_code"] == "US"]
    played = "played_at" if cadence == "hourly" else "date"
    periods = [cadence.at(dt.datetime.fromisoformat(row[played])) for row in source]

    assert of_us.count(100) == 2
    assert len(set(periods)) == 2
    assert min(periods).next == max(periods)
    assert any(row["title_id"] is None for row in source)
    assert any(row["view_hours"] == 0 for row in source)
    assert any(row["view_hours"] < 0 for row in source)
    assert any(dt.datetime.fromisoformat(row["received_at"]) >= it.end for row, it in zip(source, periods, strict=True))
    assert any(not row["country_code"].isascii() for row in source)
    sums = [row["view_hours"] for row in source if row["title_id"] == 301]
    assert reduce(add, sums) != reduce(add, reversed(sums))  # since Python 3.12, sum() makes up for what is lost


def test_questions_have_a_default_and_help_and_are_at_most_six() -> None:
    questions = {
        name: value
        for name, value in yaml.safe_load((ROOT / "copier.yml").read_text()).items()
        if not name.startswith("_")
    }
    assert sum(question.get("ask", True) and question.get("when", True) for question in questions.values()) <= 6
    assert all({"type", "help", "default"} <= question.keys() for question in questions.values())


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("recipe", "spark"),
        ("workflow_shortname", "Top Titles"),
        ("workflow_id", "Growth"),
        ("source_table", "playback; DROP TABLE x"),
        ("cron", "every day"),
        ("cadence", "yearly"),
        ("layout", "3"),
    ],
)
def test_a_mistyped_answer_is_refused(question: str, answer: str, recipes: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=question):
        render(recipes, tmp_path / "out", **{question: answer})
    assert not (tmp_path / "out").exists()


def _with_parameters(data: Any, date: str) -> Any:
    """Put something in for each parameter, as the models want it."""
    if isinstance(data, dict):
        texts = {name: str(value) for name, value in data.get("params", {}).items()}
        return {key: texts if key == "params" else _with_parameters(value, date) for key, value in data.items()}
    if isinstance(data, list):
        return [_with_parameters(value, date) for value in data]
    if not isinstance(data, str):
        return data
    text = re.sub(r"\$\{\w*_DATE\}|\$\{dataflow.(yesterday|each|last_\w+)\}", date, data)
    text = re.sub(r"\$\{LOOKBACK_\w+\}", "5", text)
    return {"5": 5, "${PARALLEL}": 2}.get(text, text)  # a parameter says that it may be another


def _defaults(model: BaseModel) -> Iterator[str]:
    """Yield the fields that are given as they are by themselves."""
    for name in model.model_fields_set:
        value, field = getattr(model, name), type(model).model_fields[name]
        if not field.is_required() and value == field.get_default(call_default_factory=True):
            yield f"{type(model).__name__}.{name} = {value!r}"
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, BaseModel):
                yield from _defaults(inner)


def _cadence(package: Path) -> Cadence:
    return Cadence(yaml.safe_load((package / ".copier-answers.yml").read_text())["cadence"])


def _rows(package: Path) -> list[list[dict[str, Any]]]:
    """Return the rows of a package's source, and those that are expected."""
    (results,) = (package / "src/mocks").glob("*_results.yaml")
    (source,) = set((package / "src/mocks").iterdir()) - {results}
    found = []
    for file in (source, results):
        data = yaml.safe_load(file.read_text())
        found.append([dict(zip(data["columns"], row, strict=True)) for row in data["rows"]])
    return found
