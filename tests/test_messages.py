"""What users read is held to the style: the field's words, one short line, no full stop."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LONGEST = 120
VALUE = "{}"  # stands for what is put into a message when it is made
VALUE_LENGTH = 8

MESSAGES = {"Problem", "problem", "BadParameter", "say", "note", "report", "print", "echo"}
"""What takes a message, besides the classes of exceptions."""

NEGATED = re.compile(r"(?<!\b[Tt]here )\b(is|are|was|were) (no (?!longer\b)|none\b)")
TOLD = re.compile(r"\b(told|tells)\b")
ONE_SENTENCE = re.compile(r"[^.!?]*(?:[.!?]\b[^.!?]*)*[\w)`'\"}]\.\s*")
CODE = re.compile(r"</|/>|<\w+ \w+=|<=>|<>|\\[swd]|\(\?|\s*(SELECT|UPDATE|INSERT|MERGE|WITH|IF\()")


def strings_of(tree):
    """Yield the texts of a module that stand at the top of an expression, with their nodes; docstrings are none."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            yield node
            values = [each.value for each in ast.walk(node) if isinstance(each, ast.FormattedValue)]
            yield from (it for value in values for it in strings_of(ast.Expression(value)))
        else:
            yield from strings_of(node)


@functools.cache
def nodes_of(tree):
    """Return all that a module is made of."""
    return tuple(ast.walk(tree))


@functools.cache
def texts_of(tree):
    """Return the texts of a module, with their nodes, once for all rules."""
    return tuple((node, text_of(node)) for node in strings_of(tree))


def text_of(node):
    """Spell a text as it will be read; of two alternatives the longer one, and a value as its stand-in."""
    match node:
        case ast.Constant(value=value):
            return str(value)
        case ast.JoinedStr(values=values):
            return "".join(map(text_of, values))
        case ast.FormattedValue(value=ast.JoinedStr() | ast.Constant() | ast.IfExp() as value):
            return text_of(value)
        case ast.IfExp(body=body, orelse=orelse):
            return max(text_of(body), text_of(orelse), key=len)
        case _:
            return VALUE


def name_of(call):
    """Return the last name of what is called."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


@functools.cache
def modules():
    """Read every module of the package."""
    files = sorted((ROOT / "src/dataflow").rglob("*.py"))
    return {file: ast.parse(file.read_text(encoding="utf-8")) for file in files}


@functools.cache
def below(*roots):
    """Return the names of the classes that are made of these ones."""
    classes = [it for tree in modules().values() for it in nodes_of(tree) if isinstance(it, ast.ClassDef)]
    found, before = set(roots), set()
    while found != before:
        before = set(found)
        found |= {it.name for it in classes if found & {ast.unparse(base).rpartition(".")[2] for base in it.bases}}
    return found


def takes_messages(call):
    """Say whether what is called takes messages that somebody reads."""
    name = name_of(call)
    is_written = name == "write" and "stderr" in ast.unparse(call.func)
    return is_written or name in MESSAGES or name in below("Exception") or name.endswith("Error")


@functools.cache
def commands():
    """Return the names of the functions that are registered as commands: `app.command("plan")(plan.plan)`."""
    calls = [it for tree in modules().values() for it in nodes_of(tree) if isinstance(it, ast.Call) and it.args]
    registered = [it for it in calls if isinstance(it.func, ast.Call) and name_of(it.func) in {"command", "callback"}]
    return {ast.unparse(it.args[0]).rpartition(".")[2] for it in registered}


def is_command(node):
    """Say whether a function is a command, by its decorator or by where it is registered."""
    decorators = [it for it in node.decorator_list if isinstance(it, ast.Call)]
    return node.name in commands() or any(name_of(it) in {"command", "callback"} for it in decorators)


def shown_docstrings(tree):
    """Yield the docstrings that are shown: of commands by --help, of models by editors through the JSON Schema."""
    models = below("BaseModel")
    for node in nodes_of(tree):
        is_model = isinstance(node, ast.ClassDef) and node.name in models
        if is_model or (isinstance(node, ast.FunctionDef) and is_command(node)):
            yield node


def lines_of(tree):
    """Yield what users may read, line by line: the line's number, and its text."""
    for node, text in texts_of(tree):
        for line in text.splitlines():
            if " " in line.strip():
                yield node.lineno, line
    for node in shown_docstrings(tree):
        for line in (ast.get_docstring(node) or "").splitlines():
            yield node.lineno, line


def assigned(tree):
    """Return by name what is assigned to it anywhere in a module."""
    found = {}
    for node in nodes_of(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append(node.value)
    return found


def long_ones(tree):
    """Yield the lines, and of help the sentences, that are too long."""
    calls = [it for it in nodes_of(tree) if isinstance(it, ast.Call)]
    described = [it.value for call in calls for it in call.keywords if it.arg in {"help", "description"}]
    sentences = {id(it) for value in described for it in strings_of(ast.Expression(value))}
    split = [call.func.value for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "split"]
    named = assigned(tree)
    words = {id(it) for value in split for it in (value, *named.get(getattr(value, "id", ""), ()))}
    for node, text in texts_of(tree):
        if id(node) in words or CODE.search(text):
            continue
        for line in re.split(r"(?<=\.) ", text) if id(node) in sentences else text.splitlines():
            if " " in line and len(line.replace(VALUE, VALUE_LENGTH * "-")) > LONGEST:
                yield node.lineno, line


def stopped_ones(tree):
    """Yield the messages of one sentence that end in a full stop."""
    named = assigned(tree)
    for call in (it for it in nodes_of(tree) if isinstance(it, ast.Call) and takes_messages(it)):
        given = [*call.args, *(it.value for it in call.keywords)]
        given += [value for it in given if isinstance(it, ast.Name) for value in named.get(it.id, ())]
        for node in (it for value in given for it in strings_of(ast.Expression(value))):
            if ONE_SENTENCE.fullmatch(text := text_of(node)):
                yield node.lineno, text


@functools.cache
def offenders():
    """Return the texts against the style: for each where it stands, and what is wrong with it."""
    found = {}
    for file, tree in modules().items():
        wrong = [(number, line, why) for number, line in lines_of(tree) if (why := words_in(line))]
        wrong += [(*it, f"longer than {LONGEST} characters") for it in long_ones(tree)]
        wrong += [(*it, "one sentence, so no full stop at its end") for it in stopped_ones(tree)]
        for number, line, why in wrong:
            found.setdefault(spelled(line), {})[f"{file.relative_to(ROOT)}:{number}: {why}"] = True
    for file in sorted((ROOT / "jvm/src").rglob("*.scala")):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            for text in re.findall(r'"((?:[^"\\]|\\.)* (?:[^"\\]|\\.)*)"', line):
                if why := words_in(text):
                    found.setdefault(spelled(text), {})[f"{file.relative_to(ROOT)}:{number}: {why}"] = True
    return found


def words_in(line):
    """Return what is wrong with the words of a line, or None."""
    if NEGATED.search(line):
        return "say what it is not: 'is not a date' rather than 'is no date'"
    return "say who reports or receives what, not 'told' or 'tells'" if TOLD.search(line) else None


def spelled(text):
    """Spell a text on one line."""
    return " ".join(text.split())


@pytest.mark.slow
def test_what_users_read_keeps_to_the_style():
    found = offenders()
    assert not found, "\n".join("\n".join([*places, f"    {text}"]) for text, places in found.items())


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("raise UsageError(f\"'{text}' is no date\")", "say what it is not"),
        ("x = 'the files are no mocks'", "say what it is not"),
        ("x = 'there is no table'", None),
        ("x = 'it is no longer there'", None),
        ("say(f'nobody was told of {table}')", "not 'told'"),
        ("told = 'no message'", None),
        ("@app.command()\ndef plan():\n    '''What it tells of.'''", "not 'told'"),
        ("def plan():\n    '''What it tells of.'''\napp.command('plan')(cli.plan)", "not 'told'"),
        ("def plan():\n    '''What it tells of.'''", None),
        (f"raise DataflowError('{'word ' * 23}' f'{{value}}')", "longer"),
        (f"raise DataflowError('{'word ' * 22}' f'{{value}}')", None),
        (f"typer.Option(help='{'word ' * 20}. {'word ' * 20}.')", None),
        (f"raise DataflowError('{'word ' * 10}\\n{'word ' * 20}')", None),
        ("raise DataflowError(f'no table {name}.')", "no full stop"),
        ("raise DataflowError('no table', 'make it by hand.')", "no full stop"),
        ("hint = 'look at a.yaml.'\nraise DataflowError('no table', hint)", "no full stop"),
        ("problem(f'{x}' if x else 'No table.')", "no full stop"),
        ("raise DataflowError('There is no table. Make one.')", None),
        ("typer.Option(help='The table.')", None),
    ],
)
def test_each_rule_finds_what_it_is_for(source, wrong, monkeypatch):
    monkeypatch.setitem(globals(), "modules", lambda: {ROOT / "a.py": ast.parse(source)})
    monkeypatch.setitem(globals(), "below", lambda *roots: set(roots))
    monkeypatch.setitem(globals(), "commands", commands.__wrapped__)
    found = [place for places in offenders.__wrapped__().values() for place in places if place.startswith("a.py:")]
    assert len(found) == (wrong is not None)
    assert not wrong or wrong in found[0]
