"""The house stays easy to find one's way in: no circles of imports, no endless files, no endless functions."""

from __future__ import annotations

import ast
import graphlib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src"
LONGEST_FILE = 400
LONGEST_BODY = 50
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}


@cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(node):
    """Yield the modules that code imports, in functions too, but not what is there for the types alone."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=orelse):
                for it in orelse:
                    yield from imported(it)
            case ast.Import(names=names):
                yield from (it.name for it in names)
            case ast.ImportFrom(module=str(module), level=0, names=names):
                inside = {f"{module}.{it.name}" for it in names}
                yield from inside & MODULES.keys() or {module}
            case _:
                yield from imported(child)


def bodies(tree):
    """Yield each function with the number of lines that it has besides its parameters and its docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            yield node.name, node.end_lineno - body[0].lineno + 1 if body else 0


def test_no_module_imports_itself_by_way_of_others():
    found = {name: {it for it in imported(tree_of(path)) if it in MODULES} - {name} for name, path in MODULES.items()}
    assert len(found) > 500
    assert found["dataflow.runner.runner"] > {"dataflow.errors", "dataflow.runner.run"}
    try:
        tuple(graphlib.TopologicalSorter(found).static_order())
    except graphlib.CycleError as error:
        pytest.fail(f"these import each other: {' -> '.join(error.args[1])}")


def test_no_file_is_longer_than_one_reads_at_a_time():
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: it for name, it in lengths.items() if it > LONGEST_FILE} == {}


def test_no_function_is_longer_than_a_screen():
    data = {("dataflow.mocks.schema", "json_schema")}  # one literal
    found = {(name, it): lines for name, path in MODULES.items() for it, lines in bodies(tree_of(path))}
    assert {it: lines for it, lines in found.items() if lines > LONGEST_BODY and it not in data} == {}
