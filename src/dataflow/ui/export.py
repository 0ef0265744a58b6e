"""The site as static pages for any web server: what is filtered or followed there is left out, all else is the same."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import UsageError, display_path
from dataflow.files import write_file
from dataflow.ui.page import Asked, Page
from dataflow.ui.pages import PAGES
from dataflow.ui.rendering import STATIC, Link, render

if TYPE_CHECKING:
    from dataflow.report import Report
    from dataflow.ui.source import Source

_PLAIN = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST = 80
_MARK = ".dataflow-ui"
"""A file in a folder that holds an export: what has it may be replaced."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        folder: The folder.
        pages: How many pages.
    """

    folder: Path
    pages: int


def export(source: Source, folder: Path, report: Report) -> Exported:
    """Write the site as static pages, whole or not at all; an earlier export there is replaced.

    Args:
        source: What its pages are read from.
        folder: A folder that is not there, is empty, or holds an export.
        report: Receives what is written.

    Raises:
        UsageError: The folder holds something else.
        DataflowError: Something can't be read.
    """
    folder = folder.resolve()
    _require_own(folder)
    targets = dict(_targets(source))
    draft, former = (folder.with_name(f".{folder.name}.{it}") for it in ("draft", "former"))
    shutil.rmtree(draft, ignore_errors=True)
    try:
        for number, ((name, _), (page, asked, file)) in enumerate(targets.items(), 1):
            _write(source, draft / file, page, asked, targets)
            if number % 100 == 0:
                report(f"{number} of {len(targets)} pages, {name}")
        shutil.copytree(STATIC, draft / "static")
        write_file(draft / _MARK, "")
        if folder.exists():
            folder.rename(former)
        draft.rename(folder)
    finally:
        for left in (draft, former):
            shutil.rmtree(left, ignore_errors=True)
    return Exported(folder, len(targets))


_Key = tuple[str, tuple[tuple[str, str], ...]]
_Target = tuple[Page, Asked, str]


def _targets(source: Source) -> Iterator[tuple[_Key, _Target]]:
    for page in PAGES:
        for values in page.exported(source):
            asked = page.asked(values)
            yield _key(page, asked), (page, asked, _file(page, asked))


def _key(page: Page, asked: Asked) -> _Key:
    """Return what tells the pages apart; the first part of a list is the list."""
    values = {**asked.options, **asked.subject}
    return page.name, tuple(sorted((name, value) for name, value in values.items() if (name, value) != ("part", "1")))


def _file(page: Page, asked: Asked) -> str:
    """Return the file of a page: no name of data leads out of the folder, or to another's file."""
    _, values = _key(page, asked)
    if not values:
        return "index.html" if page.path == "/" else f"{page.name}.html"
    text = "-".join(value for _, value in values)
    plain = _PLAIN.sub("-", text)[:_LONGEST]
    mark = "" if plain == text else f"-{hashlib.sha256(repr(values).encode()).hexdigest()[:8]}"
    return f"{page.name}/{plain}{mark}.html"


def _write(source: Source, file: Path, page: Page, asked: Asked, targets: dict[_Key, _Target]) -> None:
    up = "../" if "/" in _file(page, asked) else ""

    def link(name: str, /, **values: object) -> str | None:
        other = next((it for it in PAGES if it.name == name), None)
        found = None if other is None else targets.get(_key(other, other.asked(values)))
        return None if found is None else f"{up}{found[2]}"

    file.parent.mkdir(parents=True, exist_ok=True)
    write_file(file, _rendered(source, page, asked, link, up))


def _rendered(source: Source, page: Page, asked: Asked, link: Link, up: str) -> str:
    return render(
        f"{page.name}.html",
        page.read(source, asked),
        link,
        page=page,
        pages=[it for it in PAGES if it.listed],
        environment=source.environment.name,
        project=source.project.name,
        user="",
        static=f"{up}static",
        is_live=False,
        options=asked.options,
    )


def _require_own(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{display_path(folder)} is a file", "name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise UsageError(f"{display_path(folder)} holds something else", "name a folder that is empty or not there yet")
