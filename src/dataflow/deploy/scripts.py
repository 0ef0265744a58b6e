"""A closer look at the scripts of a workflow, without running them: do they parse?"""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.engine.sqlparse import spark_mistake
from dataflow.errors import DefinitionError, Problem
from dataflow.workflow.parameters import POINTER, substitute
from dataflow.workflow.scripts import scripts_of
from dataflow.workflow.yamlfile import read_text, unreadable

if TYPE_CHECKING:
    from dataflow.workflow.tree import Workflow


_TEXTS = {".sql", ".py", ".R", ".r", ".yaml", ".yml", ".json", ".toml"}
_MARKER = re.compile(r"(?:<{7}|>{7})(?: |$)")
_NOTHING = "Python: it defines nothing"


def script_doubts(workflow: Workflow) -> Iterator[Problem]:
    """Yield what doesn't parse in the scripts of a workflow; contained workflows are looked at by themselves."""
    for script, params in dict.fromkeys(scripts_of(workflow.steps)):
        path = workflow.folder / script
        if script.startswith(POINTER) or path.suffix not in {".sql", ".py", ".R"}:
            continue
        try:
            if found := list(_markers(path, _text(path))):
                yield from found
                continue
            if path.suffix == ".sql":
                text = read_text(path)
                values = {"AUDITED": "audited", **workflow.script_params, **dict(params)}
                yield from _sql(path, substitute(text, values, where=path))
            elif path.suffix == ".py":
                yield from _python(path)
        except DefinitionError as error:
            yield from error.problems


def script_mistakes(workflow: Workflow) -> Iterator[Problem]:
    """Yield why scripts of a workflow can't be run at all: conflict markers, and mistakes of syntax."""
    return mistakes_of(script_doubts(workflow))


def mistakes_of(doubts: Iterable[Problem]) -> Iterator[Problem]:
    """Yield those doubts that are mistakes for sure."""
    return (it for it in doubts if it.message != _NOTHING)


def file_mistakes(path: Path) -> Iterator[Problem]:
    """Yield why a file can't be run at all: conflict markers, and in Python what is no Python."""
    found = list(conflict_markers(path))
    yield from found
    if not found and path.suffix == ".py":
        yield from mistakes_of(_python(path))


def conflict_markers(path: Path) -> Iterator[Problem]:
    """Yield the place of the first conflict marker in a file."""
    if path.suffix in _TEXTS:
        yield from _markers(path, _text(path))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):  # read or refused by whoever runs it
        return ""


def _markers(path: Path, text: str) -> Iterator[Problem]:
    """Yield the place of the first conflict marker that a merge or an update left."""
    found = [(number, line) for number, line in enumerate(text.splitlines(), 1) if _MARKER.match(line)]
    kinds = {line[0] for _, line in found}
    if {"<", ">"} <= kinds:
        yield Problem(path, found[0][0], 1, "conflict markers of a merge or an update: decide between the versions")


def _sql(path: Path, text: str) -> Iterator[Problem]:
    import sqlglot
    from sqlglot.errors import ParseError, SqlglotError

    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it would tell of every statement that it can't judge
    try:
        sqlglot.parse(text, read="spark")
    except ParseError as error:
        if spark_mistake(text) is None:  # it knows more of SQL than the one that was asked first
            return
        for it in error.errors[:5]:
            near = f" near '{it['highlight']}'" if it.get("highlight") else ""
            yield Problem(path, it.get("line") or 1, it.get("col") or 1, f"SQL: {it['description']}{near}")
    except SqlglotError as error:
        if spark_mistake(text) is None:
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
        yield Problem(path, 1, 1, _NOTHING)
