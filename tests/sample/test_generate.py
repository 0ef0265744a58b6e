"""Generating a package: as Copier would, whole or not at all, and never over something."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import copier
import pytest
import yaml
from pytest_copie.plugin import Copie
from typer.testing import CliRunner

from dataflow.cli.sample import app
from dataflow.errors import DataflowError, UsageError
from dataflow.provided_files import PROVIDED
from dataflow.sample import generate as generate_module
from dataflow.sample.generate import generate
from dataflow.sample.origin import find_origin
from dataflow.sample.recipes import questions, recipes
from dataflow.workflow.load import load_workflow
from tests.support.repositories import commit, git
from tests.support.template_repo import ROOT, contents, replace

pytestmark = pytest.mark.slow

WRITTEN = tuple(f"{Path(line).parent}/{file.name}" for line, (of, which) in PROVIDED.items() for file in of.glob(which))
"""What a command writes into a package, and Copier does not."""

ALL = [recipe.name for recipe in recipes()]


def cli(*arguments: object) -> str:
    """Run `dataflow sample ...` and return what it printed."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def identity(folder: Path) -> dict[str, str]:
    return yaml.safe_load((folder / "identity.yaml").read_text())


@pytest.mark.parametrize("recipe", ALL)
def test_it_generates_byte_for_byte_what_copier_does(recipe: str, template: Path, tmp_path: Path) -> None:
    generate(recipe, tmp_path / "ours" / "my-flow", source_path=str(template))

    command = [sys.executable, "-m", "copier", "copy", "--trust", "--defaults", "--data", f"recipe={recipe}"]
    subprocess.run([*command, template, tmp_path / "copiers" / "my-flow"], check=True, capture_output=True)

    ours, copiers = (contents(tmp_path / name / "my-flow") for name in ("ours", "copiers"))
    uuids = [re.sub(rb"uuid: .*", b"", package.pop("identity.yaml")) for package in (ours, copiers)]
    assert uuids[0] == uuids[1]
    assert ours == copiers


@pytest.mark.parametrize("recipe", ALL)
def test_pytest_copie_generates_a_recipe(recipe: str, copie: Copie, template: Path) -> None:
    result = copie.copy(template_dir=template, extra_answers={"recipe": recipe})
    assert (result.exit_code, result.exception) == (0, None)
    assert (Path(str(result.project_dir)) / "identity.yaml").is_file()


def test_the_answers_name_the_source_and_a_version_that_git_can_reach(template: Path, tmp_path: Path) -> None:
    package = generate("spark-sql", tmp_path / "flow", source_path=str(template))
    answers = yaml.safe_load((package.folder / ".copier-answers.yml").read_text())
    assert answers["_src_path"] == str(template)
    assert git(template, "rev-parse", f"{answers['_commit']}^{{commit}}") == git(template, "rev-parse", "HEAD")


def test_a_checkout_beyond_its_last_tag_gives_what_stands_there(template: Path, tmp_path: Path) -> None:
    git(template, "tag", "v1.0.0")
    replace(template / "recipes/shared/README.md", "## Changing it", "## How to change it")
    commit(template)

    package = generate("spark-sql", tmp_path / "flow", source_path=str(template))

    assert "## How to change it" in (package.folder / "README.md").read_text()
    assert str(package.version).startswith("v1.0.0-1-g")


def test_open_changes_of_the_recipes_are_told_and_the_version_stays_reachable(template: Path, tmp_path: Path) -> None:
    replace(template / "recipes/shared/README.md", "## Changing it", "## Not committed")

    package = generate("spark-sql", tmp_path / "flow", source_path=str(template))

    assert "not committed" in str(package.origin.note)
    assert "## Not committed" in (package.folder / "README.md").read_text()
    assert git(template, "cat-file", "-t", str(package.version)) == "commit"


def test_open_changes_beside_the_recipes_do_not_matter(template: Path, tmp_path: Path) -> None:
    (template / "notes.txt").write_text("not a part of the template")
    assert generate("spark-sql", tmp_path / "flow", source_path=str(template)).origin.note is None


def test_the_short_name_derives_from_the_folder(template: Path, tmp_path: Path) -> None:
    package = generate("spark-sql", tmp_path / "2026 Top-Titles!", source_path=str(template))
    assert package.answers["workflow_shortname"] == "n2026_top_titles"
    assert identity(package.folder)["package_id"] == "alice.n2026_top_titles"


def test_a_workflow_id_of_ones_own_is_taken_as_it_is(template: Path, tmp_path: Path) -> None:
    package = generate("spark-sql", tmp_path / "f", source_path=str(template), data={"workflow_id": "growth.titles"})
    assert identity(package.folder)["package_id"] == "growth.titles"


def test_two_users_get_different_ids_and_no_two_packages_the_same_uuid(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = []
    for user in ("alice", "bob"):
        monkeypatch.setenv("DATAFLOW_USER", user)
        pinned.append(identity(generate("pyspark", tmp_path / user / "flow", source_path=str(template)).folder))
    assert [found["package_id"] for found in pinned] == ["alice.flow", "bob.flow"]
    assert pinned[0]["uuid"] != pinned[1]["uuid"]


def test_a_package_is_pinned_once_and_rendering_again_keeps_it(template: Path, tmp_path: Path) -> None:
    folder = generate("spark-sql", tmp_path / "flow", source_path=str(template)).folder
    before = identity(folder)
    copier.run_recopy(folder, defaults=True, overwrite=True, quiet=True, unsafe=True)
    assert identity(folder) == before


def test_without_tasks_there_is_a_package_and_no_identity(template: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "copier",
        "copy",
        "--skip-tasks",
        "--defaults",
        template,
        tmp_path / "flow",
    ]
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "flow" / "main.sch.yaml").is_file()
    assert not (tmp_path / "flow" / "identity.yaml").exists()


def test_an_empty_folder_is_filled_where_it_stands(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flow" / ".git").mkdir(parents=True)
    inode = (tmp_path / "flow").stat().st_ino
    monkeypatch.chdir(tmp_path / "flow")

    package = generate("spark-sql", Path(), source_path=str(template))

    assert package.answers["workflow_shortname"] == "flow"
    assert (tmp_path / "flow").stat().st_ino == inode
    assert set(package.files) == contents(tmp_path / "flow").keys()


def test_a_folder_with_files_in_it_is_refused_with_what_to_do(template: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="has files in it") as refusal:
        generate("spark-sql", tmp_path, source_path=str(template))
    assert "new folder" in str(refusal.value.hint)


def test_a_folder_with_a_package_in_it_is_sent_to_the_update(template: Path, tmp_path: Path) -> None:
    generate("spark-sql", tmp_path / "flow", source_path=str(template))
    with pytest.raises(UsageError) as refusal:
        generate("spark-sql", tmp_path / "flow", source_path=str(template))
    assert "dataflow sample update" in str(refusal.value.hint)


@pytest.mark.parametrize("name", ["sparksql", "rust"])
def test_an_unknown_recipe_lists_the_four(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refusal:
        generate(name, tmp_path / "flow")
    said = f"{refusal.value.message} {refusal.value.hint}"
    assert all(recipe.name in said for recipe in recipes())


def test_a_mistyped_answer_is_one_message(template: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Lower-case letters"):
        generate("spark-sql", tmp_path / "flow", source_path=str(template), data={"workflow_shortname": "Top Titles"})
    assert [path.name for path in tmp_path.iterdir() if "flow" in path.name] == []


@pytest.mark.parametrize("existing", [True, False])
def test_stopped_half_way_it_leaves_nothing(
    existing: bool, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    folder = place / "flow"
    if existing:
        folder.mkdir()

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dataflow.sample.generate._move", stop)
    with pytest.raises(KeyboardInterrupt):
        generate("spark-sql", folder, source_path=str(template))
    assert list(place.rglob("*")) == ([folder] if existing else [])


def test_a_source_that_can_not_be_read_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(DataflowError, match="git could not read the template"):
        generate("spark-sql", tmp_path / "flow", source_path=f"git+file://{tmp_path}/nowhere")
    with pytest.raises(UsageError, match="there is no template"):
        generate("spark-sql", tmp_path / "flow", source_path=str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="is not a template"):
        generate("spark-sql", tmp_path / "flow", source_path=str(tmp_path))


def test_a_source_that_is_not_in_git_warns_of_what_it_can_not_do(template: Path, tmp_path: Path) -> None:
    (template / ".git").rename(tmp_path / "elsewhere")
    package = generate("spark-sql", tmp_path / "flow", source_path=str(template))
    assert "can't be updated" in str(package.origin.note)
    assert package.version is None


def test_the_command_says_what_was_made_what_is_next_and_how_to_repeat_it(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = cli("workflow", "spark-sql", "my-flow", "--source-path", template, "--show-copier")
    assert "sparksql_write.sql" in said
    assert "cd my-flow" in said
    assert "dataflow workflow run main.sch.yaml" in said

    commands = [line.split() for line in said.splitlines() if "workflow_shortname" in line.replace("-", "_")]
    assert [command[0] for command in commands] == ["dataflow", "copier"]
    first = contents(tmp_path / "my-flow", without=("identity.yaml",))
    for command in commands:
        (tmp_path / "my-flow").rename(tmp_path / f"before-{command[0]}")
        subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True)
        made = contents(tmp_path / "my-flow", without=("identity.yaml", *WRITTEN))
        assert made == first


def test_the_end_of_what_it_says_is_three_commands_and_copier_is_not_among_them(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = cli("workflow", "spark-sql", "my-flow", "--source-path", template)
    assert said.partition("\n\n")[2] == (
        "Next:\n"
        "  cd my-flow\n"
        "  dataflow project test                 test the transformation on mocks\n"
        "  dataflow workflow run main.sch.yaml   run it for yesterday, in your own sandbox\n"
        "README.md says how to go on from there\n"
        "\n"
        "The same again, for a script:\n"
        f"  dataflow sample workflow spark-sql my-flow --workflow-shortname my_flow --source-path {template}\n"
    )


def test_it_says_nothing_with_skip_info(template: Path, tmp_path: Path) -> None:
    assert cli("workflow", "pyspark", tmp_path / "flow", "--source-path", template, "--skip-info") == ""


def test_scripts_get_json(template: Path, tmp_path: Path) -> None:
    said = json.loads(cli("workflow", "pyspark", tmp_path / "f", "--source-path", template, "--output", "json"))
    assert said["folder"] == str(tmp_path / "f")
    assert said["answers"] == {"recipe": "pyspark", "workflow_shortname": "f"}
    assert "src/pyspark_write.py" in said["files"]
    listed = json.loads(cli("list", "--output", "json"))
    assert [recipe["recipe"] for recipe in listed] == ALL


def test_off_a_terminal_nothing_prompts(template: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dataflow", "sample", "workflow", "spark-sql", tmp_path / "flow"]
    done = subprocess.run(
        [*command, "--source-path", template],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "flow" / "main.sch.yaml").is_file()


def test_any_question_of_copier_is_answered_on_the_command_line(template: Path, tmp_path: Path) -> None:
    data = {"workflow_shortname": "top", "source_table": "lake.views", "cron": "30 6 * * MON"}
    given = [part for name, value in data.items() for part in ("--data", f"{name}={value}")]
    said = cli("workflow", "spark-sql", tmp_path / "flow", "--source-path", template, *given)
    kept = yaml.safe_load((tmp_path / "flow/.copier-answers.yml").read_text())
    assert {name: kept[name] for name in data} == data
    assert (
        f"--workflow-shortname top --data source_table=lake.views --data 'cron=30 6 * * MON' --source-path {template}"
        in said
    )


def test_questions_that_may_be_answered_are_those_that_copier_asks() -> None:
    asked = {
        name: it for name, it in yaml.safe_load((ROOT / "copier.yml").read_text()).items() if not name.startswith("_")
    }
    own = questions(find_origin())
    assert set(own.names) == {name for name, it in asked.items() if it.get("ask", True) and it.get("when", True)}
    assert [recipe.name for recipe in own.recipes] == list(asked["recipe"]["choices"].values())


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        (
            "source_tabel=a.b",
            "there is no question 'source_tabel'; did you mean 'source_table'?",
            "the questions: recipe",
        ),
        ("layout=1", "there is no question 'layout'", "the questions: recipe"),
        ("cron=daily", "Validation error for question 'cron': Five fields with one space between them", ""),
        ("source_table", "--data 'source_table' is not NAME=VALUE", "for example: --data source_table=lake.views"),
        ("recipe=scala", "the recipe is an argument, not --data", "dataflow sample workflow RECIPE FOLDER"),
        ("workflow_id=a.c", "workflow_id is given twice", "answer it once"),
    ],
)
def test_an_answer_that_is_none_is_refused_before_anything_is_written(
    given: str, message: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as refusal:
        cli("workflow", "spark-sql", tmp_path / "flow", "--workflow-id", "a.b", "--data", given)
    assert str(refusal.value).startswith(message)
    assert str(refusal.value.hint or "").startswith(hint)
    assert list(tmp_path.glob("[!g]*")) == []


@pytest.fixture
def fork(template: Path) -> Path:
    """A company's fork: its new recipe is a folder and its lines in copier.yml, and nothing else."""
    shutil.copytree(template / "recipes/spark-sql", template / "recipes/house-sql")
    label = "spark-sql: one SQL script, the shortest way from a SELECT to a pipeline"
    replace(
        template / "copier.yml",
        f'    "{label}"',
        f'    "house-sql: SQL as our house writes it": house-sql\n    "{label}"',
    )
    commit(template, "Our house's recipe", "v2.0.0")
    return template


def test_a_fork_s_recipe_is_listed_and_generated_from_its_folder_and_its_lines(fork: Path, tmp_path: Path) -> None:
    listed = cli("list", "--source-path", fork).splitlines()
    assert listed[0] == "house-sql  SQL as our house writes it"
    assert len(listed) == len(ALL) + 1

    cli("workflow", "house-sql", tmp_path / "flow", "--source-path", fork, "--skip-info")

    assert load_workflow(tmp_path / "flow/main.sch.yaml").id == "alice.flow.main"
    with pytest.raises(UsageError, match="there is no recipe 'house-sql'"):
        cli("workflow", "house-sql", tmp_path / "other")


def test_an_older_version_of_a_fork_has_what_it_had(fork: Path, tmp_path: Path) -> None:
    git(fork, "tag", "v1.0.0", "HEAD~1")
    assert "house-sql" not in cli("list", "--source-path", fork, "--ref", "v1.0.0")
    with pytest.raises(UsageError, match="there is no recipe 'house-sql'"):
        cli("workflow", "house-sql", tmp_path / "a", "--source-path", fork, "--ref", "v1.0.0")
    said = json.loads(
        cli("workflow", "spark-sql", tmp_path / "b", "--source-path", fork, "--ref", "v1.0.0", "--output", "json")
    )
    assert said["version"] == "v1.0.0"
    with pytest.raises(UsageError, match=r"has no version 'v3'"):
        cli("list", "--source-path", fork, "--ref", "v3")
    with pytest.raises(UsageError, match="--ref is a version of another template"):
        cli("list", "--ref", "v1.0.0")


def test_a_commit_of_digits_alone_stays_a_word(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = generate_module.find_origin(str(template))
    drafted = dataclasses.replace(found, based_on="1234567")
    monkeypatch.setattr(generate_module, "find_origin", lambda *_: drafted)
    package = generate("spark-sql", tmp_path / "flow")
    assert package.version == "1234567"
    answers = yaml.safe_load((package.folder / ".copier-answers.yml").read_text())
    assert answers["_commit"] == "1234567"
