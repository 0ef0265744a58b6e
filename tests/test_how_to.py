"""The how-to documents, run block by block as they are written."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from tests.support.documents import ALICE, bash_blocks, run_block
from tests.support.places import ROOT
from tests.support.repositories import commit, git

pytestmark = [pytest.mark.spark, pytest.mark.long]

FORK = ROOT / "docs/how-to-your-companys-fork.md"


def upstream(folder: Path) -> Path:
    """Make a repository of all that stands here, committed or not."""
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, listed):
        if (source := ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    commit(folder, "As it stands", "v1.0.0")
    return folder


def test_a_company_s_fork_is_made_released_used_and_kept_up_to_date_as_the_document_says(
    spark_command: CommandLine, tmp_path: Path
) -> None:
    command = spark_command
    house = tmp_path / "house.git"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch", "main", str(house))
    script = "\n".join(bash_blocks(FORK.read_text(encoding="utf-8")))
    environ = {
        **ALICE,
        "UPSTREAM": str(upstream(tmp_path / "upstream")),
        "HOUSE": str(house),
        "PYTHONPATH": str(command.folder / "our-recipes/src"),  # as `pip install -e .` there
    }
    said = run_block(command, script, **environ).stdout
    assert " examples/scala-workflow/main.sch.yaml " in said
    assert re.search(r"\n\d+ passed, \d+ deselected", said)
    assert "\nhouse-sql  a SQL script as our house writes it\nspark-sql " in said
    assert "PASSED  ./main.sch.yaml (workflow)" in said
    assert "-        lifetime_days: 400\n+        lifetime_days: 730\n" in said
    assert git(command.folder / "our-recipes", "status", "--porcelain") == ""
    package = command.folder / "titles"
    assert (package / "src/sparksql_write.sql").read_text().startswith("-- Reviewed by the data office.\n")
    assert "_commit: v1.0.0+house.2\n" in (package / ".copier-answers.yml").read_text()
