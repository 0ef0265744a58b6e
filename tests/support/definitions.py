"""A package in the current folder, small but whole, for tests to change."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from dataflow.errors import DefinitionError
from dataflow.workflow.load import load_workflow
from tests.support.packages import DAY, EVERY_DAY, HWM, each_day, spark, wap
from tests.support.packages import definition as text_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dataflow.workflow.load import Request
    from dataflow.workflow.resolved import Workflow

NOT_NULL = """\
      audits:
        - function: columns_should_not_have_nulls
          columns: [title_id]
"""
MAIN = text_of(
    spark("./ddl.sql", "ddl"),
    wap(spark("./write.sql"), by={"date": DAY}, audits=NOT_NULL),
    HWM,
    owner="${dataflow.owner}",
    params={
        **EVERY_DAY,
        "SOURCE_TABLE": "demo.playback",
        "TARGET_TABLE": "${TARGET_DB}.${dataflow.package_slug}_results",
    },
)

DAILY = text_of(
    each_day("last: ${LOOKBACK_DAYS}", parallel="2", more="        retries: 2\n        timeout: 2h\n"),
    name="${dataflow.package_id}.daily",
    head='trigger:\n  cron: "0 3 * * *"\n  timezone: UTC\nnotifications:\n  on_failure: [owner]\n',
    params={"LOOKBACK_DAYS": "3"},
)

FILES = {
    "main.sch.yaml": MAIN,
    "daily.sch.yaml": DAILY,
    "ddl.sql": "CREATE TABLE IF NOT EXISTS ${TARGET_TABLE} (title_id INT, date DATE) USING iceberg;\n",
    "write.sql": (
        "-- ${COMMENTS} stay as they are\n"
        "INSERT OVERWRITE ${TARGET_TABLE} PARTITION (date = DATE '${EXECUTION_DATE}')\n"
        "SELECT title_id FROM ${SOURCE_TABLE} WHERE date = DATE '${EXECUTION_DATE}';\n"
    ),
    "identity.yaml": "owner: alice\npackage_id: alice.titles\nuuid: 6f1c\n",
}


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Alice's package, which is the current folder."""
    monkeypatch.setenv("DATAFLOW_USER", "alice")
    folder = tmp_path / "titles"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def edit(package: Path) -> Callable[..., None]:
    """Replace one text in a file of the package by another; the text must be there."""

    def change(name: str, old: str, new: str) -> None:
        path = package / name
        before = path.read_text(encoding="utf-8")
        assert old in before
        path.write_text(before.replace(old, new, 1), encoding="utf-8")

    return change


@pytest.fixture
def definition(package: Path) -> Callable[[str], None]:
    """Write `main.sch.yaml` from its jobs alone."""

    def write(jobs: str, params: str = "") -> None:
        text = f"version: 1\nworkflow:\n  id: x\n{params}jobs:\n{dedent(jobs)}"
        (package / "main.sch.yaml").write_text(text, encoding="utf-8")

    return write


@pytest.fixture
def load(package: Path) -> Callable[..., Workflow]:
    """Load a definition of the package."""

    def loaded(name: str = "main.sch.yaml", request: Request | None = None) -> Workflow:
        return load_workflow(package / name, request)

    return loaded


@pytest.fixture
def mistakes(load: Callable[..., Workflow]) -> Callable[..., list[str]]:
    """Load a definition that has mistakes, and return them as the user reads them."""

    def found(name: str = "main.sch.yaml", request: Request | None = None) -> list[str]:
        with pytest.raises(DefinitionError) as error:
            load(name, request)
        assert error.value.exit_code == 2
        return str(error.value).splitlines()

    return found
