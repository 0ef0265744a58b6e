"""References of a file: the words and modules that each test, or what it uses, mentions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TestUnit:
    """One test, or all tests of a class.

    Attributes:
        name: As pytest has it after the file's name; nothing for what concerns the whole file.
        words: The string literals that it can reach.
    """

    name: str
    words: frozenset[str]


@dataclass(frozen=True)
class FileReferences:
    """What a file refers to.

    Attributes:
        words: All string literals of the file.
        units: Its tests; a unit without a name stands for all of them.
        modules: The modules that it imports, relative ones with their dots.
    """

    words: frozenset[str]
    units: tuple[TestUnit, ...]
    modules: frozenset[str] = frozenset()


def references_of(file: Path) -> FileReferences:
    """Return what a Python or YAML file refers to; nothing for a file that can't be read."""
    try:
        if file.suffix == ".py":  # as bytes, which say their encoding
            return _python_references(file.read_bytes())
        return _yaml_references(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, SyntaxError, ValueError):
        return FileReferences(frozenset(), ())


def _yaml_references(text: str) -> FileReferences:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        events = list(yaml.parse(text, Loader=loader))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    words = frozenset(event.value for event in events if isinstance(event, yaml.ScalarEvent))
    return FileReferences(words, (TestUnit("", words),))


def _python_references(source: bytes) -> FileReferences:
    tree = ast.parse(source)
    parts = {name: node for node in tree.body for name in _defined(node)}
    units = [TestUnit(name, _reachable(node, parts)) for name, node in parts.items() if _is_test(node, name)]
    # What runs on import, or before each test unasked, concerns them all.
    loose = [node for node in tree.body if not _defined(node) or _is_automatic(node)]
    words = [_reachable(node, parts) for node in loose]
    whole = TestUnit("", frozenset[str]().union(*words))
    return FileReferences(frozenset(_strings(tree)), (whole, *units), frozenset(_modules(tree)))


def _defined(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [node.name]
        case ast.Assign():
            return [name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case _:
            return []


def _is_test(node: ast.stmt, name: str) -> bool:
    if isinstance(node, ast.ClassDef):
        return name.startswith("Test")
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and name.startswith("test")


def _is_automatic(node: ast.stmt) -> bool:
    """Say whether a part of a file works on tests that do not name it: autouse fixtures, `pytestmark`."""
    decorators = getattr(node, "decorator_list", [])
    keywords = (it for decorator in decorators for it in getattr(decorator, "keywords", ()))
    return any(it.arg == "autouse" for it in keywords) or "pytestmark" in _defined(node)


def _reachable(start: ast.stmt, parts: dict[str, ast.stmt]) -> frozenset[str]:
    """Collect the literals of a part of a file and of all that it refers to, fixtures among them."""
    words: set[str] = set()
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        node = waiting.pop()
        words.update(_strings(node))
        for name in {*_identifiers(node), *_strings(node)} - seen:  # `usefixtures` has names as strings
            if name in parts:
                seen.add(name)
                waiting.append(parts[name])
    return frozenset(words)


def _strings(node: ast.AST) -> Iterator[str]:
    return (it.value for it in ast.walk(node) if isinstance(it, ast.Constant) and isinstance(it.value, str))


def _identifiers(node: ast.AST) -> Iterator[str]:
    for it in ast.walk(node):
        if isinstance(it, ast.Name):
            yield it.id
        elif isinstance(it, ast.arg):
            yield it.arg


def _modules(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield base
            yield from (f"{base}{'' if base.endswith('.') else '.'}{alias.name}" for alias in node.names)
