"""Whatever stands in a definition, it is loaded or refused with places: never a traceback."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow.errors import DefinitionError
from dataflow.runner.plan import plan_run
from dataflow.workflow.load import load_workflow

if TYPE_CHECKING:
    from pathlib import Path

VALUES: list[Any] = [
    None, 0, -1, 1.5, True, "", "x", "2026-02-30", "./ddl.sql", ".", "${X}", "${", "${dataflow.each}", "${secret:S}",
    [], [[]], ["x"], [None], {}, {"x": None}, {"job": None}, {"id": 3}, {"type": "Spark"}, {"function": []},
]  # fmt: skip


def routes(data: Any, route: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [found for key, value in inner for found in [(*route, key), *routes(value, (*route, key))]]


@pytest.mark.slow
@given(data=st.data(), name=st.sampled_from(["main", "daily"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
def test_any_value_anywhere_is_loaded_or_refused_with_its_place(data: st.DataObject, name: str, package: Path) -> None:
    definition = yaml.safe_load((package / f"{name}.sch.yaml").read_text())
    for _ in range(data.draw(st.integers(1, 3))):
        route = data.draw(st.sampled_from(sorted(routes(definition), key=str)))
        inner = definition
        for step in route[:-1]:
            inner = inner[step]
        inner[route[-1]] = copy.deepcopy(data.draw(st.sampled_from(VALUES)))
        if not routes(definition):
            break
    (package / "changed.sch.yaml").write_text(yaml.safe_dump(definition, sort_keys=False), encoding="utf-8")
    problems = ()
    try:
        plan_run(load_workflow(package / "changed.sch.yaml")).render_text()
    except DefinitionError as error:
        problems = error.problems
    assert all(problem.line >= 1 and problem.column >= 1 and problem.file.is_file() for problem in problems)
