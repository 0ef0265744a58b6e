"""Making a mock before somebody's eyes, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.cli.console import err, out, say, working
from dataflow.cli.output import Result
from dataflow.errors import display_path
from dataflow.wording import plural

if TYPE_CHECKING:
    from dataflow.mocks.create import MockResult
    from dataflow.mocks.source_rows import MockRequest, Sessions
    from dataflow.workflow.project import Environment


def make(environment: Environment, wanted: MockRequest) -> MockResult:
    """Make a mock, with a word on what it is doing where that takes long."""
    from rich.markup import escape

    from dataflow.mocks.create import make_mock

    with working(f"Looking at {escape(wanted.table)} …") as status:

        def progress(done: int, of: int) -> None:
            status.update(f"Looking at {escape(wanted.table)}: {done:,} of {of:,} rows …")

        return make_mock(environment, wanted, sessions(environment), report=say, progress=progress)


def sessions(environment: Environment) -> Sessions:
    """Return what opens Spark in an environment."""
    from dataflow.spark.command_session import command_session

    return lambda _reason: command_session(environment, "mock", report=say)


@dataclass(frozen=True)
class MadeMock(Result):
    """A new mock, and its file; None where it is only printed."""

    made: MockResult
    file: Path | None

    def text(self) -> None:
        """Print what was made, what is masked and what was not looked at; all of the mock where it has no file."""
        made, count = self.made, len(self.made.mock.rows)
        if self.file is None:
            out().file.write(made.text)
        of = "" if made.total is None else f" of {made.total:,}"
        where = f"{display_path(self.file)}: " if self.file else ""
        err().print(f"✓ {where}{plural(count, 'row')}{of} of {made.mock.table}", style="green")
        if not made.complete:
            say(f"a sample: {made.looked_at:,} of {made.total:,} rows were looked at; --exact looks at all of them")
        if not count:
            say("no rows matched: the mock is empty")
        for mask in made.masks:
            say(f"masked {mask}")
        if made.masks:
            say("--mask COLUMN=keep shows a column as it is; DATAFLOW_MASK_KEY makes a team's masks the same")
        if made.left_out:
            say(f"{made.left_out} rows were left out: they contain a NUL character or an out-of-range timestamp")

    def data(self) -> dict[str, Any]:
        """Return what was made."""
        made = self.made
        return {
            "file": self.file,
            "table": made.mock.table,
            "columns": {column.name: str(column.type) for column in made.mock.columns},
            "rows": len(made.mock.rows),
            "key": list(made.mock.key),
            "complete": made.complete,
            "looked_at": made.looked_at,
            "total": made.total,
            "engine": made.engine,
            "masked": [{"column": ".".join(m.path), "rule": m.rule.value, "why": m.why} for m in made.masks],
            "left_out": made.left_out,
            **({} if self.file else {"text": made.text}),
        }
