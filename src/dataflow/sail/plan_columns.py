"""The columns of a plan of PySpark's client: what scripts call them, and what its text does."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dataflow.sail.judgement import SparkDecides
from dataflow.tables.quoting import column_name
from dataflow.workflow import table_names


@dataclass(frozen=True)
class PlanColumn:
    """A column of a part of a plan.

    Attributes:
        name: What the script calls it; None where Spark names it after an expression.
        text: What it is called in the text.
        plans: The numbers of the data frames that have it: `frame.column` means the one of that frame.
        alias: What `frame.alias` calls the frame.
    """

    name: str | None
    text: str
    plans: frozenset[int] = frozenset()
    alias: str | None = None


@dataclass(frozen=True)
class Part:
    """A part of a plan as text.

    Attributes:
        source: What stands behind FROM.
        columns: Its columns, in order.
    """

    source: str
    columns: tuple[PlanColumn, ...]

    def find(self, name: str, plan: int | None = None) -> PlanColumn:
        """Return the column that a name means.

        Raises:
            SparkDecides: There is none, or it is not clear which one.
        """
        *above, own = table_names.split(name)
        found = [
            it
            for it in self.columns
            if it.name is not None
            and it.name.lower() == own.lower()
            and (plan is None or plan in it.plans)
            and (not above or (it.alias is not None and [it.alias.lower()] == [part.lower() for part in above]))
        ]
        if len(found) != 1:
            raise SparkDecides(f"it is not clear which column '{name}' is")
        return found[0]

    def of_plan(self, plan: int) -> Part:
        """Return it as the data frame of a number."""
        return dataclasses.replace(
            self, columns=tuple(dataclasses.replace(it, plans=it.plans | {plan}) for it in self.columns)
        )


def listed(columns: Iterable[PlanColumn], row: str | None = None) -> str:
    """Return columns as a list of SELECT, of a row of that name."""
    above = "" if row is None else f"{row}."
    return ", ".join(f"{above}{column_name(it.text)}" for it in columns)


def told_apart(columns: Sequence[PlanColumn]) -> tuple[PlanColumn, ...]:
    """Return columns whose names in the text differ, whatever the script calls them."""
    taken: set[str] = set()
    found = []
    for it in columns:
        text, number = it.text, 1
        while text.lower() in taken:
            number += 1
            text = f"{it.text}_{number}"
        taken.add(text.lower())
        found.append(dataclasses.replace(it, text=text))
    return tuple(found)
