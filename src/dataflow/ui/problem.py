"""What a page says of something that can't be shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from dataflow.errors import DataflowError

T = TypeVar("T")


@dataclass(frozen=True)
class Problem:
    """Why something can't be shown.

    Attributes:
        message: What is wrong.
        hint: What to do about it.
    """

    message: str
    hint: str | None


@dataclass(frozen=True)
class Part(Generic[T]):
    """A part of a page that may be missing, while the others are shown.

    Attributes:
        value: What it shows; None where it can't.
        problem: Why it can't.
    """

    value: T | None = None
    problem: Problem | None = None


def part(find: Callable[[], T]) -> Part[T]:
    """Return what is found, or why it is not."""
    try:
        return Part(find())
    except DataflowError as error:
        return Part(problem=Problem(error.message, error.hint))
