"""Which files beside a script are run with it: all but tests and mocks, and of those what the others name.

A name is taken for one as soon as it is imported, or stands in a string, such as the path of a file that is read: to
take a file too many costs little, and one too few fails in production.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from dataflow.assets.discover import PYTHON_TESTS

_WORDS = re.compile(r"""["']([^"'\n]{1,200})["']""")
_IMPORTS = re.compile(r"^\s*(?:from\s+([.\w]+)\s+import\b|import\s+([\w., ]+))", re.M)


LEFT_BEHIND = frozenset({"mocks", "test", "tests", "testthat"})
"""Folders of what only tests read."""


def imported(folder: Path, script: str, files: Collection[str]) -> set[str]:
    """Return the files that are taken along.

    Args:
        folder: Where the script lies.
        script: Its name.
        files: All that lies there and below.

    Returns:
        Their names; folders of tests or mocks that are needed, with a `/` behind.
    """
    kept = {name for name in files if name == script or not _is_left_behind(name)}
    left = {name: _called(name) for name in files if name not in kept}
    new = sorted(kept)
    while left and new:
        named = {word for name in new for word in _named(folder / name, name)}
        new = [name for name, called in left.items() if not called.isdisjoint(named)]
        kept.update(new)
        for name in new:
            del left[name]
    above = {f"{it}/" for name in kept for it in map(str, PurePosixPath(name).parents) if it != "."}
    return kept | above


def _is_left_behind(name: str) -> bool:
    """Say whether a file is a test or a mock, as far as its name tells."""
    *folders, own = name.split("/")
    tests = PYTHON_TESTS.fullmatch(own) or own.endswith((".test.yaml", ".test.yml"))
    return bool(tests) or not LEFT_BEHIND.isdisjoint(folders)


def _called(name: str) -> set[str]:
    """Return the words by which a file that was left behind may be meant: its folder of tests, else its own name."""
    path = PurePosixPath(name)
    return set(LEFT_BEHIND.intersection(path.parts[:-1])) or {path.name, path.stem}


def _named(path: Path, name: str) -> Iterator[str]:
    """Yield the words by which a file may mean another one: parts of what it imports, and of its strings."""
    suffix = PurePosixPath(name).suffix
    if suffix not in {".py", ".R"}:
        return
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return
    for word in _python(text) if suffix == ".py" else _WORDS.findall(text):
        yield word
        yield from re.split(r"[/.\\]", word)


def _python(text: str) -> Iterator[str]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):  # told elsewhere
        yield from _WORDS.findall(text)
        yield from (word for found in _IMPORTS.findall(text) for word in re.split(r"[, ]+", "".join(found)))
        return
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (it.name for it in names)
            case ast.ImportFrom(module=module, names=names):
                yield from (it.name for it in names)
                if module:
                    yield module
            case ast.Constant(value=str() as value) if len(value) <= 200:
                yield value
