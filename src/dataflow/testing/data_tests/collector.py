"""`*.test.yaml` files in pytest: each test in one is an item like any function, with all fixtures at hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from dataflow.errors import DataflowError, DefinitionError, display_path
from dataflow.testing.data_tests.definition import DataTest, load_tests
from dataflow.testing.repeated_failures import FailureSummary

if TYPE_CHECKING:
    from dataflow.testing.fixture import Dataflow


class FailureReport:
    """What pytest shows of a test that failed: the message, and where the test stands."""

    def __init__(self, error: BaseException, where: str) -> None:
        text = "\n".join([str(error), *getattr(error, "__notes__", ())])
        first, _, rest = text.partition("\n")
        self.reprcrash = FailureSummary(f"{type(error).__name__}: {first}")
        self._lines = [first, *rest.splitlines(), "", where]

    def toterminal(self, writer: Any) -> None:
        """Write it out, the first line as pytest writes an error's."""
        first, *rest = self._lines
        writer.line(first, red=True, bold=True)
        for line in rest:
            writer.line(line)

    def __str__(self) -> str:
        return "\n".join(self._lines)


class DataFile(pytest.File):
    """A `*.test.yaml` file."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield its tests; a file with mistakes in it has none."""
        for test in load_tests(self.path):
            yield DataItem.from_parent(self, name=test.name, test=test)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:  # type: ignore[override]  # as pytest has it
        """Show mistakes by their places alone."""
        if isinstance(excinfo.value, DefinitionError):
            return excinfo.value.message
        return super().repr_failure(excinfo)


class DataItem(pytest.Function):
    """One test of such a file: a function that asks for the fixture `dataflow`."""

    def __init__(self, *, test: DataTest, **options: Any) -> None:
        def run(dataflow: Dataflow) -> None:
            from dataflow.testing.data_tests.execution import run_test

            run_test(test, dataflow)

        super().__init__(callobj=run, **options)
        self._test = test

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """Say where the test stands, for reports and editors."""
        return self.path, self._test.place.line - 1, self.name

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:  # type: ignore[override]  # as pytest has it
        """Show what differs, or what failed in the script, and none of our own code."""
        error = excinfo.value
        if isinstance(error, DataflowError | AssertionError):
            return FailureReport(error, f"{display_path(self.path)}:{self._test.place.line}")
        # Whatever else it is: pytest's own style would print all of `run`, which nobody wrote for this test.
        return self._repr_failure_py(excinfo, style="native")
