"""A package keeps the layout that it was made with: no file is renamed, no null forbidden, under its owner's hands."""

from __future__ import annotations

import re
from pathlib import Path

import copier
import pytest
import yaml

from dataflow.sample.generate import generate
from dataflow.sample.recipes import recipes
from dataflow.sample.update import update
from tests.support.repositories import commit
from tests.support.template_repo import contents

ALL = [recipe.name for recipe in recipes()]


def made_before_layouts(template: Path, recipe: str, folder: Path) -> Path:
    """Make a package of the template as it was when nobody recorded a layout; then the template is today's again."""
    questions = template / "copier.yml"
    today = questions.read_text()
    before = re.sub(r"(?m)^  default: .*_copier_conf.data.*$", "  default: 1", today)
    questions.write_text(before.replace("  ask: false\n", "  when: false\n"))
    commit(template, "Before layouts")
    package = generate(recipe, folder, source_path=str(template)).folder
    questions.write_text(today)
    commit(template, "Today")
    commit(package, "Generated")
    return package


def updated(package: Path, how: str) -> None:
    if how == "by us":
        assert update(package, trust=True).conflicts == ()
    else:
        copier.run_update(package, defaults=True, overwrite=True, quiet=True, unsafe=True)


def answers(package: Path) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load((package / ".copier-answers.yml").read_text())
    return found


def own_files(package: Path) -> dict[str, bytes]:
    return contents(package, without=(".copier-answers.yml",))


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "how"), [*((it, "by us") for it in ALL), (ALL[0], "by plain copier")])
def test_an_update_of_an_older_package_changes_neither_its_ddl_nor_any_other_file(
    recipe: str, how: str, template: Path, tmp_path: Path
) -> None:
    package = made_before_layouts(template, recipe, tmp_path / "flow")
    name = f"dataflow_{recipe.replace('-', '')}_sample"
    ddl = package / "ddl" / f"{name}.sql"
    assert "NOT NULL" not in ddl.read_text()
    ddl.write_text(ddl.read_text().replace("  view_hours", "  viewers BIGINT,\n  view_hours"))
    commit(package, "A column of one's own")
    before = own_files(package)
    assert f"src/mocks/{name}.yaml" in before
    assert "layout" not in answers(package)

    updated(package, how)

    assert own_files(package) == before
    assert answers(package)["layout"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("how", ["by us", "by plain copier"])
def test_a_new_package_has_the_newest_layout_and_keeps_it(how: str, template: Path, tmp_path: Path) -> None:
    package = generate("spark-sql", tmp_path / "flow", source_path=str(template)).folder
    commit(package, "Generated")
    assert answers(package)["layout"] == 2
    before = own_files(package)
    (template / "recipes/spark-sql/NOTES.md").write_text("New.\n")
    commit(template, "Two")

    updated(package, how)

    assert own_files(package) == {**before, "NOTES.md": b"New.\n"}
    assert answers(package)["layout"] == 2


@pytest.mark.slow
def test_whoever_wants_the_new_layout_for_an_older_package_asks_for_it(template: Path, tmp_path: Path) -> None:
    package = made_before_layouts(template, "spark-sql", tmp_path / "flow")

    copier.run_update(package, data={"layout": 2}, defaults=True, overwrite=True, quiet=True, unsafe=True)

    fresh = generate("spark-sql", tmp_path / "fresh" / "flow", source_path=str(template)).folder
    assert contents(package, without=("identity.yaml",)) == contents(fresh, without=("identity.yaml",))
