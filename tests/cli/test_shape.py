"""The command line is laid out as it is typed: a folder for each group, a file for each command, one class a format."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest
import typer

import dataflow.cli
from dataflow.cli import output
from dataflow.cli.main import app

ROOT = Path(dataflow.cli.__file__).parent
FORMATS = {name for name, value in vars(output).items() if isinstance(value, output.Output)}
MODULES = sorted(path for path in ROOT.rglob("*.py") if path.name != "output.py")


def commands():
    """Yield each command: the words that call it, and the module in which it stands."""
    for name, command in typer.main.get_command(app).commands.items():
        module = import_module(f"dataflow.cli.{name}")
        if len(module.app.registered_commands) == 1 and not hasattr(module, "__path__"):
            yield (command.name,), module.app.registered_commands[0].callback.__module__
            continue
        for each in module.app.registered_commands:
            yield (name, each.name), each.callback.__module__


def test_the_file_of_a_command_is_named_as_it_is_typed():
    for words, module in commands():
        expected = ".".join(["dataflow.cli", *(word.replace("-", "_") for word in words)])
        assert module.removesuffix("_") == expected


def test_a_file_has_one_command():
    modules = [module for _, module in commands()]
    assert len(modules) >= 40
    assert len(set(modules)) == len(modules)


def test_a_group_only_assembles_its_commands():
    for file in ROOT.glob("*/__init__.py"):
        kinds = {type(node) for node in ast.parse(file.read_text()).body[1:]}
        assert kinds <= {ast.Import, ast.ImportFrom, ast.Assign, ast.Expr}, file


def asked(node):
    """Return the expressions by which a node decides what to do."""
    match node:
        case ast.Compare():
            return [node]
        case ast.If() | ast.IfExp() | ast.While():
            return [node.test]
        case ast.Match():
            return [node.subject]
        case ast.Call(func=ast.Name(id="isinstance")):
            return node.args
    return []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_command_asks_which_format_it_answers_in(path):
    formats = {"output", *FORMATS, *(name for name in vars(output) if name.endswith("Output"))}
    for node in ast.walk(ast.parse(path.read_text())):
        for expression in asked(node):
            names = {each.id for each in ast.walk(expression) if isinstance(each, ast.Name)}
            assert not names & formats, f"{path}:{node.lineno}: an Output prints; a command makes a Result"


def test_a_command_has_every_format_that_it_offers():
    methods = {
        "csv": "rows",
        "parquet": "arrow",
        "html": "html",
        "markdown": "markdown",
        "mermaid": "mermaid",
        "svg": "svg",
    }
    offered = []
    for _, module in commands():
        results = [it for it in vars(import_module(module)).values() if is_result(it)]
        for name in re.findall(
            r"\b(?:CSV|PARQUET|HTML|MARKDOWN|MERMAID|SVG)\b(?=.*help=)",
            Path(import_module(module).__file__).read_text(),
        ):
            method = methods[name.lower()]
            offered.append((module, name))
            assert any(getattr(it, method) is not getattr(output.Result, method) for it in results), (module, name)
    assert len(offered) == 11


def is_result(value):
    return isinstance(value, type) and issubclass(value, output.Result) and value is not output.Result
