"""Checking the syntax of scripts without running them."""

from __future__ import annotations

import ast
import logging
import mmap
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, DefinitionError, Problem
from dataflow.lineage.sql.statements import statements_of
from dataflow.process import capture
from dataflow.spark.sql_parser import spark_syntax_error
from dataflow.workflow.parameters import POINTER, substitute
from dataflow.workflow.yamlfile import read_text, unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflow.workflow.resolved import Workflow


R_UNCHECKED = "the syntax of R scripts: R is not installed"

_MARKERS = re.compile(rb"^(<{7}|={7}|>{7})(?:[ \t][^\r\n]*)?\r?$", re.M)
_HEAD = 8000
"""Bytes in which a binary file contains a zero, as git assumes."""

_PARSE_R = """\
files <- commandArgs(trailingOnly = TRUE)
for (at in seq_along(files)) tryCatch(
  invisible(parse(files[[at]], keep.source = FALSE, encoding = "UTF-8")),
  error = function(e) cat(at - 1, strsplit(conditionMessage(e), "\\n")[[1]][1], "\\n", sep = "\\t"))
"""
_R_SECONDS = 300
_R_PLACE = re.compile(r".*?:(\d+):(\d+): (.*)")
_EMPTY = "Python: the script defines nothing"


def syntax_problems(workflow: Workflow) -> Iterator[Problem]:
    """Yield the syntax problems of a workflow's scripts; contained workflows are checked by themselves."""
    for script, params in _distinct(workflow.script_names()):
        path = workflow.folder / script
        if script.startswith(POINTER) or path.suffix not in {".sql", ".py", ".R"}:
            continue
        try:
            if found := list(conflict_markers(path)):
                yield from found
                continue
            if path.suffix == ".sql":
                text = read_text(path)
                values = {"AUDITED": "audited", **workflow.script_params, **params}
                yield from _sql(path, substitute(text, values, where=path))
            elif path.suffix == ".py":
                yield from _python(path)
        except DefinitionError as error:
            yield from error.problems


def _distinct(scripts: Iterable[tuple[str, dict[str, str]]]) -> Iterable[tuple[str, dict[str, str]]]:
    return {(name, *sorted(params.items())): (name, params) for name, params in scripts}.values()


def script_files(workflow: Workflow) -> list[Path]:
    """Return the files that a workflow's jobs and audits run; contained workflows have their own."""
    names = dict.fromkeys(name for name, _ in workflow.script_names() if not name.startswith(POINTER))
    return [path for name in names if (path := workflow.folder / name).is_file()]


def errors_among(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Yield those problems that keep a script from running."""
    return (it for it in problems if it.message != _EMPTY)


def file_errors(path: Path) -> Iterator[Problem]:
    """Yield what keeps a file from running at all: conflict markers, and syntax errors in Python."""
    found = list(conflict_markers(path))
    yield from found
    if not found and path.suffix == ".py":
        yield from errors_among(_python(path))


def r_program() -> str | None:
    """Return the R program that checks scripts; None where R is not installed."""
    return shutil.which("Rscript")


def r_syntax_errors(paths: Sequence[Path]) -> Iterator[Problem]:
    """Yield the syntax errors of R scripts, as R reports them; none where R is not installed."""
    if not paths or (program := r_program()) is None:
        return
    command = [program, "--vanilla", "-e", _PARSE_R, *map(str, paths)]
    try:
        answer = capture(command, timeout=_R_SECONDS)
    except DataflowError as error:
        raise DataflowError(f"R can't check the syntax of {len(paths)} scripts: {error}", "dataflow doctor") from None
    for line in answer.text.splitlines():
        at, _, text = line.partition("\t")
        if at.isdigit():
            place = _R_PLACE.fullmatch(text.strip())
            number, column, message = place.groups() if place else (1, 1, text.strip())
            yield Problem(paths[int(at)], int(number), int(column), f"R: {message}")


def conflict_markers(path: Path) -> Iterator[Problem]:
    """Yield the place of the first conflict marker that a merge or an update left in a text file."""
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data.find(b"<<<<<<<") < 0 or data.find(b"\0", 0, _HEAD) >= 0:
                return
            found = [(it[1][:1], it.start()) for it in _MARKERS.finditer(data)]
            if {b"<", b"=", b">"} <= {kind for kind, _ in found}:
                line = data[: next(at for kind, at in found if kind == b"<")].count(b"\n") + 1
                yield Problem(path, line, 1, "conflict markers of a merge or an update: resolve them")
    except (OSError, ValueError):  # reported by whoever runs it; or the file is empty
        return


def _sql(path: Path, text: str) -> Iterator[Problem]:
    import sqlglot
    from sqlglot.errors import ParseError, SqlglotError

    if all(statement.tree is not None for statement in statements_of(text)):
        return
    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it would warn of every statement that it can't parse
    try:
        sqlglot.parse(text, read="spark")
    except ParseError as error:
        if spark_syntax_error(text) is None:  # Spark accepts more SQL than sqlglot
            return
        for it in error.errors[:5]:
            near = f" near '{it['highlight']}'" if it.get("highlight") else ""
            yield Problem(path, it.get("line") or 1, it.get("col") or 1, f"SQL: {it['description']}{near}")
    except SqlglotError as error:
        if spark_syntax_error(text) is None:
            return
        yield Problem(path, 1, 1, f"SQL: {str(error).partition(chr(10))[0]}")


def _python(path: Path) -> Iterator[Problem]:
    try:
        tree = ast.parse(path.read_bytes())  # which say their encoding
    except OSError as error:
        yield Problem(path, 1, 1, unreadable(path, error))
        return
    except (SyntaxError, ValueError) as error:
        line, column = getattr(error, "lineno", 1) or 1, getattr(error, "offset", 1) or 1
        yield Problem(path, line, column, f"Python: {getattr(error, 'msg', error)}")
        return
    if not any(isinstance(it, ast.FunctionDef | ast.ImportFrom | ast.Import | ast.Assign) for it in tree.body):
        yield Problem(path, 1, 1, _EMPTY)
