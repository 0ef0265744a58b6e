"""`dataflow ui --export`: the same pages as files, whose links lead to one another, and nothing out of the folder."""

from __future__ import annotations

import html
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from dataflow.errors import UsageError
from dataflow.report import silent
from dataflow.ui.export import export


@pytest.fixture(scope="module")
def exported(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "site"
    assert export(world, folder, silent).pages == len(list(folder.rglob("*.html")))
    return folder


def test_every_link_leads_to_a_file_of_the_export(exported):
    seen = 0
    for page in exported.rglob("*.html"):
        for target in re.findall(r'(?:href|src)="([^"#]*)', page.read_text("utf-8")):
            place = (page.parent / unquote(html.unescape(target))).resolve() if target else page
            assert place.is_file(), (page, target)
            assert place.is_relative_to(exported)
            seen += 1
    assert seen > 100


def test_nothing_needs_a_server(exported):
    for page in exported.rglob("*.html"):
        assert not re.search(r"<form method|hx-|sse-|htmx", page.read_text("utf-8").replace("htmx-config", ""))


def test_hostile_names_name_no_file(exported):
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", it.name) for it in exported.rglob("*.html"))


def test_an_export_replaces_an_earlier_one_and_nothing_else(world, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("x")
    with pytest.raises(UsageError, match="holds something else"):
        export(world, tmp_path / "mine", silent)
    assert [it.name for it in (tmp_path / "mine").iterdir()] == ["file"]
    export(world, tmp_path / "site", silent)
    (tmp_path / "site/runs/old.html").parent.mkdir(exist_ok=True)
    (tmp_path / "site/runs/old.html").write_text("x")
    export(world, tmp_path / "site", silent)
    assert not (tmp_path / "site/runs/old.html").exists()
    assert sorted(it.name for it in tmp_path.iterdir()) == ["mine", "site"]
    assert isinstance(tmp_path, Path)
