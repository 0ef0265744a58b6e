"""Scripts of workflows together with their text, whether they lie in a checkout or in what is deployed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dataflow.lineage.model import Producer
    from dataflow.lineage.static import WorkflowLineage


@dataclass(frozen=True)
class WorkflowScripts:
    """A workflow whose scripts can be read.

    Attributes:
        entry: Its lineage; its files are named as `text_of` takes them.
        producer: Who says so, and when.
        text_of: Returns the text of one of its files; empty where it can't be read.
        path_of: Returns the path of one of its files in its repository.
        deployed: What it was deployed from, such as `bob/films at 1a2b3c4d`; empty for files on this machine.
        schema: The columns of tables that it reads, as far as its origin knows them.
    """

    entry: WorkflowLineage
    producer: Producer
    text_of: Callable[[str], str]
    path_of: Callable[[str], str]
    deployed: str = ""
    schema: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def is_deployed(self) -> bool:
        """Whether it is read out of a bundle, whose definition is a rendered text with other lines."""
        return bool(self.deployed)


class DeployedScripts(Protocol):
    """What is deployed, as far as its scripts are concerned."""

    def of_workflow(self, workflow: str) -> WorkflowScripts | None:
        """Return the scripts of a deployed workflow; None where it is not deployed or can't be read."""

    def readers(self, table: str) -> Iterable[WorkflowScripts]:
        """Return the scripts of the deployed workflows that read a table."""


def text_on_disk(file: str) -> str:
    """Return the text of a file on this machine, its lines ended as they are; empty where it can't be read."""
    try:
        return Path(file).read_bytes().decode(errors="replace")
    except OSError:
        return ""


def path_in_repository(file: str) -> str:
    """Return the path of a file in its repository; of one in no repository, in its project; else as it is."""
    path = Path(os.path.normpath(file))
    for name in (".git", "dataflow.yaml"):
        for folder in path.parents:
            if (folder / name).exists():
                return path.relative_to(folder).as_posix()
    return path.as_posix()
