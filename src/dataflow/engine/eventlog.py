"""What a Spark that no listener of ours can reach says of its writes: its event log, read once it has ended.

R and a jar that has only a `main` start a Spark of their own. Its event log holds each execution's plans as text, with
the settings that `event_log_settings` gives it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dataflow.engine.planlineage import named_in, writes_of
from dataflow.workflow.flow import Name, Written

_SQL_EVENTS = "org.apache.spark.sql.execution.ui.SparkListenerSQLExecution"
_ANALYSED = "== Analyzed Logical Plan ==\n"
_NEXT = "\n== Optimized Logical Plan =="


def heard_in(folder: Path, catalog: str) -> tuple[list[Written], set[Name]]:
    """Return the writes that the event logs in a folder tell of, and the columns that other queries name.

    What failed is left out. A log of a Spark that was killed ends in the middle; what stands before is told.
    """
    writes: list[Written] = []
    names: set[Name] = set()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        plans: dict[int, str] = {}
        ended: list[int] = []
        for event in _events(file):
            if event["Event"] == f"{_SQL_EVENTS}Start":
                plans[event["executionId"]] = event.get("physicalPlanDescription", "")
            elif not event.get("errorMessage"):
                ended.append(event["executionId"])
        for plan in (_analysed(plans.get(number, "")) for number in ended):
            found = writes_of(plan, catalog)
            writes += found
            names |= frozenset() if found else named_in(plan, catalog)
    return writes, names


def _events(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if _SQL_EVENTS not in line[:200]:  # most are of tasks and stages: not worth taking apart
                continue
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event.get("Event") in {f"{_SQL_EVENTS}Start", f"{_SQL_EVENTS}End"}:
                yield event


def _analysed(description: str) -> str:
    return description.partition(_ANALYSED)[2].partition(_NEXT)[0]
