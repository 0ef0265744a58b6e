"""How a definition is asked for, what an expansion asks others for, and how large it may become."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dataflow.workflow.yamlfile import is_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from dataflow.workflow.changed_dates import Look
    from dataflow.workflow.parameters import ParameterSource
    from dataflow.workflow.periods import Cadence
    from dataflow.workflow.project import Environment
    from dataflow.workflow.resolved import Workflow
    from dataflow.workflow.yamlfile import YamlFile

MAX_WORKFLOWS = 50_000
"""How many contained workflows a definition may come to: a day of 27 years each, with four more inside."""

MAX_DEPTH = 50
"""How deep workflows may be contained in one another."""


@dataclass(frozen=True)
class LoadRequest:
    """How a definition is asked for.

    Attributes:
        file: The definition.
        run_id: The run that it is resolved for.
        caller: What the caller gives its parameters.
        above: The definitions that this one is part of, outermost first.
    """

    file: Path
    run_id: str
    caller: Mapping[str, ParameterSource] = field(default_factory=dict)
    above: tuple[Path, ...] = ()


@dataclass(frozen=True)
class LoadResult:
    """What came of it.

    Attributes:
        workflow: The workflow, or None when there are mistakes.
        names: The parameters that it and all below it declare or use; None when the file can't be read.
    """

    workflow: Workflow | None
    names: set[str] | None


@dataclass
class Size:
    """How large an expansion has become.

    Attributes:
        ends_only: Of a foreach only the first and the last date is expanded.
        count: How many definitions were loaded.
    """

    ends_only: bool = False
    count: int = 0


@dataclass(frozen=True)
class Surroundings:
    """What an expansion asks others for.

    Attributes:
        load: Loads a contained definition.
        look: Finds the days that changed.
        environment: Where the tables are.
        cadence: Which periods the definition goes by.
        zone: The time zone of the workflow's days.
    """

    load: Callable[[LoadRequest], LoadResult]
    look: Look
    environment: Environment
    cadence: Cadence
    zone: str = "UTC"


def too_many(count: int) -> str:
    """Say that an expansion would be too large."""
    return f"this comes to {count:,} workflows inside one another; {MAX_WORKFLOWS:,} are the most"


def contained(
    path: Path, read: Callable[[Path], YamlFile | None], known: dict[Path, int] | None = None, depth: int = 0
) -> int:
    """Count the workflows that a definition comes to, itself included, as far as its text alone says."""
    known = {} if known is None else known
    if depth > MAX_DEPTH:  # reported elsewhere
        return 1
    if path not in known:
        known[path] = 1  # what contains itself is reported elsewhere
        file = read(path)
        below = [
            contained(path.parent.joinpath(name).resolve(), read, known, depth + 1)
            for route, name in (file.texts.items() if file is not None else ())
            if route[-2:] == ("subworkflow", "file") and "${" not in name and is_file(path.parent / name)
        ]
        known[path] = 1 + sum(below)
    return known[path]
