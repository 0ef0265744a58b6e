"""The outline of a workflow, as a scheduler needs it that runs each step by itself: kept in the workflow's bundle."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatesOutline(_Part):
    """The dates of a foreach, each of which is a run of another deployed workflow.

    Attributes:
        workflow: The id of that workflow.
        parallel: How many of them run side by side.
        params: What it is given beside the date; `${dataflow.each}` stands for the date.
    """

    workflow: str
    parallel: int = 1
    params: dict[str, str] = {}


class StepOutline(_Part):
    """One step of a workflow.

    Attributes:
        id: Its id.
        type: The type of its job, `wap`, or `Foreach`.
        does: What it does, in a few words.
        needs: The steps that must have succeeded before.
        publishes: The tables of which it is news, as it publishes to them or calls them complete, with their catalog.
        retries: How many attempts may follow one that failed.
        retry_delay: Seconds before the first retry; doubles with each.
        timeout: Seconds that an attempt may take.
        dates: Its dates, where each is a run of its own.
    """

    id: str
    type: str
    does: str = ""
    needs: tuple[str, ...] = ()
    publishes: tuple[str, ...] = ()
    retries: int = 0
    retry_delay: float = 10.0
    timeout: float | None = None
    dates: DatesOutline | None = None


class WorkflowOutline(_Part):
    """A workflow, as a scheduler shows it and runs it.

    Attributes:
        description: What it is for.
        owner: Its owner.
        tags: Its tags.
        params: The parameters that a run may be given, with what they are otherwise.
        steps: Its steps, each after those that it needs.
    """

    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    params: dict[str, str] = {}
    steps: tuple[StepOutline, ...] = ()
