"""The tables of a definition's triggers: named in full, and none that the workflow writes itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from dataflow.workflow import table_names
from dataflow.workflow.changed_dates import trigger_with
from dataflow.workflow.trigger import each_trigger, trigger_routes

if TYPE_CHECKING:
    from dataflow.errors import Problem
    from dataflow.workflow.checks import DefinitionView
    from dataflow.workflow.models import Definition
    from dataflow.workflow.resolved import Step, Workflow


def with_tables(
    view: DefinitionView, definition: Definition, steps: Iterable[Step], problems: set[Problem]
) -> Definition:
    """Return a definition whose triggers name their tables in full; what can't be named is added to the problems."""
    if definition.trigger is None:
        return definition
    steps, found = list(steps), []
    for route, trigger in zip(trigger_routes(view.data), each_trigger(definition.trigger), strict=True):
        try:
            found.append(trigger_with(trigger, steps))
        except ValueError as error:
            problems.add(view.problem((*route, "tables"), str(error)))
    return definition.model_copy(update={"trigger": found})


def wakes_itself(view: DefinitionView, workflow: Workflow) -> Iterator[Problem]:
    """Yield the tables of triggers that a workflow writes itself: each of its runs would make it due again."""
    catalog = workflow.environment.catalog_name
    written = {_key(table, catalog) for inner in workflow.walk(every_date=False) for table in inner.target_tables}
    for route, trigger in zip(trigger_routes(view.data), workflow.triggers, strict=True):
        for number, table in enumerate(trigger.tables):
            if _key(table, catalog) in written:
                message = f"this workflow writes {table}: each of its runs would make it due again"
                yield view.problem((*route, "tables", number), message)


def _key(table: str, catalog: str) -> tuple[str, ...]:
    return tuple(part.lower() for part in table_names.without_catalog(table, catalog))
