"""Files that a script depends on: all beside it and below but tests and mocks, and of those what the others name.

A file counts as named when its name is imported, or occurs in a string, such as the path of a file that is read: a
file too many costs little, and one too few fails in production.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from dataflow.assets.discover import PYTHON_TESTS
from dataflow.workflow.discovery import DEFINITION

if TYPE_CHECKING:
    from dataflow.repository.tree import Tree

_WORDS = re.compile(r"""["']([^"'\n]{1,200})["']""")
_IMPORTS = re.compile(r"^\s*(?:from\s+([.\w]+)\s+import\b|import\s+([\w., ]+))", re.M)
_SOURCES = re.compile(r"""^[^#\n]*?\b(?:sys\.)?source\(\s*(?:file\s*=\s*)?["']([^"'\n]+)["']""", re.M)

LEFT_BEHIND = frozenset({"mocks", "test", "tests", "testthat"})
"""Folders that only tests read."""


def needed_files(folder: Path, script: str, files: Collection[str]) -> set[str]:
    """Return the files that are deployed with a script.

    Args:
        folder: The folder of the script.
        script: Its name.
        files: All files there and below.

    Returns:
        Their names; folders of tests or mocks that are needed, with a `/` behind.
    """
    kept = {name for name in files if name == script or not _is_left_behind(name)}
    left = {name: _words_for(name) for name in files if name not in kept}
    new = sorted(kept)
    while left and new:
        named = {word for name in new for word in _words_in(folder / name, name)}
        new = [name for name, called in left.items() if not called.isdisjoint(named)]
        kept.update(new)
        for name in new:
            del left[name]
    above = {f"{it}/" for name in kept for it in map(str, PurePosixPath(name).parents) if it != "."}
    return kept | above


def files_beside(tree: Tree, base: Path) -> list[str]:
    """Return what a script in a folder may import, source or read: all files there and below, relative to it."""
    found = []
    for folder, folders, names in tree.walk(base, links=True):
        folders[:] = [it for it in folders if not it.startswith(".")]
        found += [(folder / name).relative_to(base).as_posix() for name in names if _is_source(name)]
    return found


def missing_imports(folder: Path, files: Collection[str], kept: Collection[str]) -> set[str]:
    """Return what scripts import and is not among the files beside them: installed packages, or missing files.

    Args:
        folder: The folder of the script.
        files: All files there and below.
        kept: Those that are deployed with it.

    Returns:
        Names in the folder, without a suffix where Python imports them.
    """
    known = {str(part) for name in files for part in (PurePosixPath(name), *PurePosixPath(name).parents)}
    known |= {name.removesuffix(".py") for name in files if name.endswith(".py")}
    wanted = (it for name in files if name in kept for it in _imports_of(folder / name, PurePosixPath(name)))
    firsts = (next((way for way in _prefixes(it) if way not in known), None) for it in wanted)
    return {it for it in firsts if it is not None}


def _prefixes(name: str) -> Iterator[str]:
    parts = name.split("/")
    yield from ("/".join(parts[:end]) for end in range(1, len(parts) + 1))


def _imports_of(path: Path, name: PurePosixPath) -> Iterator[str]:
    """Yield the files and folders that a script imports, as paths beside it."""
    if path.suffix == ".R":
        yield from (it for it in _SOURCES.findall(_text(path)) if not it.startswith(("/", "..", "~")) and ":" not in it)
    if path.suffix != ".py":
        return
    try:
        tree = ast.parse(_text(path))
    except (SyntaxError, ValueError):  # reported elsewhere
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (it.name.replace(".", "/") for it in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = name.parts[: -node.level] if node.level else ()
            module = "/".join([*above, *(node.module or "").split(".")]).strip("/")
            yield from (f"{module}/{it.name}".strip("/") for it in node.names if it.name != "*")


def _is_source(name: str) -> bool:
    return not (name.startswith(".") or name.endswith((".md", DEFINITION)) or name == "identity.yaml")


def _is_left_behind(name: str) -> bool:
    """Say whether a file is a test or a mock, by its name."""
    *folders, own = name.split("/")
    tests = PYTHON_TESTS.fullmatch(own) or own.endswith((".test.yaml", ".test.yml"))
    return bool(tests) or not LEFT_BEHIND.isdisjoint(folders)


def _words_for(name: str) -> set[str]:
    """Return the words that may refer to a test file: its folder of tests, else its own name."""
    path = PurePosixPath(name)
    return set(LEFT_BEHIND.intersection(path.parts[:-1])) or {path.name, path.stem}


def _words_in(path: Path, name: str) -> Iterator[str]:
    """Yield the words of a file that may refer to another one: parts of its imports, and of its strings."""
    suffix = PurePosixPath(name).suffix
    if suffix not in {".py", ".R"}:
        return
    text = _text(path)
    for word in _python(text) if suffix == ".py" else _WORDS.findall(text):
        yield word
        yield from re.split(r"[/.\\]", word)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _python(text: str) -> Iterator[str]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):  # reported elsewhere
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
