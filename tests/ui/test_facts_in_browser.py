"""Tables, lineage, deployments, campaigns and schedules as people meet them, in a real browser."""

from __future__ import annotations

import time

import pytest

from dataflow.report import silent
from dataflow.state.database import StateDatabase
from dataflow.ui.app import link, make_app
from dataflow.ui.export import export
from tests.support.browser import NARROW, WIDE, looking, overflow, served, violations
from tests.support.hostile import HOSTILE
from tests.support.ui_facts import many_tables
from tests.support.ui_world import source_at

pytestmark = [pytest.mark.browser, pytest.mark.tools("Chromium", "Playwright")]

HOSTILE_TABLE = link("table", table=f"film.{HOSTILE[0]}")
ADDRESSES = [
    "/tables/film.titles",
    HOSTILE_TABLE,
    "/lineage",
    "/deployments",
    "/deployments/sandbox",
    "/revisions/sandbox/2",
    "/campaigns",
    "/campaigns/hours-2027",
    "/schedules",
]
INJECTED = (
    "script:not([src]):not([type='application/json']), main img, main b, svg[onload], [onmouseover], "
    "main a[href^='javascript']"
)


def wait_until(page, expression):
    """Wait until something holds in a page, whose policy lets nothing be evaluated from within."""
    end = time.monotonic() + 120
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(50)


@pytest.mark.usefixtures("facts")
@pytest.mark.parametrize("address", ADDRESSES)
def test_nobody_is_kept_from_a_page_wide_or_narrow_light_or_dark_and_data_stays_text(browser, site, address):
    for scheme, size in (("light", WIDE), ("dark", WIDE), ("light", NARROW)):
        with looking(browser, site + address, viewport=size, color_scheme=scheme) as page:
            assert violations(page) == [], (scheme, size)
            assert overflow(page) <= 0, (scheme, size)
            assert page.title().endswith("· sandbox · Dataflow")
            assert page.locator(INJECTED).count() == 0


@pytest.mark.usefixtures("facts")
def test_lineage_is_looked_through_by_keyboard_alone(browser, site):
    with looking(browser, f"{site}/lineage") as page:
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "find-name":
                break
        page.keyboard.type("film.titles")
        page.keyboard.press("Enter")
        assert page.locator("#find-said").inner_text() == "film.titles: 1 table before it, 3 tables after it"
        assert page.locator("#chosen h2").inner_text() == "film.titles"
        assert page.evaluate("lineage.nodes('.here').map(it => it.data('name'))") == ["film.titles"]
        assert page.locator("#edges tbody tr:visible").count() == 3
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent") == "hours":
                break
        page.keyboard.press("Enter")
        assert page.locator("#chosen h2").inner_text() == "film.titles.hours"
        assert f"film.views.hours → film.{HOSTILE[0]}.{HOSTILE[3]}" in page.locator("#chosen").inner_text()
        page.locator("#canvas").focus()
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        before = page.evaluate("[lineage.pan().x, lineage.zoom()]")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("-")
        after = page.evaluate("[lineage.pan().x, lineage.zoom()]")
        assert after[0] != before[0]
        assert after[1] < before[1]
        page.keyboard.press("Escape")
        assert not page.locator("#chosen").is_visible()
        assert page.locator("#edges tbody tr:visible").count() == 4
        assert page.evaluate("lineage.edges('[?old]').map(it => it.target().data('name'))") == ["film.all"]
        assert "seen more than 30 days ago" in page.locator("#legend").inner_text()
        page.evaluate("lineage.edges('[?old]').emit('tap')")
        assert page.locator("#chosen h2").inner_text() == "film.titles → film.all"
        assert page.locator("#chosen tbody tr").count() == 1
        page.fill("#find-name", "nothing like it <b>")
        page.keyboard.press("Enter")
        assert page.locator("#find-said").inner_text() == "Nothing is called nothing like it <b>"
        page.fill("#find-name", HOSTILE[3])
        page.keyboard.press("Enter")
        assert page.locator("#chosen h2").inner_text() == f"film.{HOSTILE[0]}.{HOSTILE[3]}"
        assert page.locator(INJECTED).count() == 0


def test_a_thousand_tables_are_readable(browser, tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    source = source_at(f"sqlite:///{tmp_path / 'state.db'}", tmp_path)
    with StateDatabase(source.environment.state) as database:
        many_tables(database, "sandbox")
    readable = (
        "lineage.nodes().filter(it => it.renderedStyle('label') && it.numericStyle('font-size') * lineage.zoom() >= 9)"
    )
    with served(make_app(source)) as site, looking(browser, f"{site}/lineage") as page:
        wait_until(page, "Boolean(window.lineage)")
        assert page.evaluate("lineage.nodes().length") == 1000
        assert page.evaluate(f"{readable}.length") >= 25
        page.fill("#find-name", "db4.table_515")
        page.keyboard.press("Enter")
        wait_until(page, f"{readable}.some(it => it.hasClass('here'))")
        assert page.evaluate("lineage.nodes('.near').length") == 44
        page.locator("#canvas").focus()
        for _ in range(12):
            page.keyboard.press("+")
        wait_until(page, "lineage.zoom() > 0.6 && lineage.nodes('.named').length === 0")
        assert page.evaluate(f"{readable}.length") == 1000  # once one is near every name is
        assert page.locator("#edges tbody tr").count() == 1995
    source.close()


@pytest.mark.usefixtures("facts")
def test_print_has_the_list_and_the_texts_and_nothing_to_press(browser, site):
    with looking(browser, f"{site}/lineage", color_scheme="dark") as page:
        page.emulate_media(media="print")
        assert not page.locator("#find").is_visible()
        assert not page.locator(".tools").is_visible()
        assert page.locator("#edges tbody tr").first.is_visible()
        assert page.pdf(format="A4").startswith(b"%PDF")
    with looking(browser, f"{site}/tables/film.titles") as page:
        page.emulate_media(media="print")
        assert page.locator(".calendar").is_visible()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.usefixtures("facts")
def test_the_exported_pages_are_used_without_a_server(browser, world, tmp_path):
    export(world, tmp_path / "site", silent)
    with looking(browser, (tmp_path / "site/lineage.html").as_uri()) as page:
        page.fill("#find-name", "film.views")
        page.keyboard.press("Enter")
        assert page.locator("#chosen h2").inner_text() == "film.views"
        page.locator("#edges").get_by_role("link", name="film.titles").first.click()
        assert page.locator("h1").inner_text() == "film.titles"
        page.get_by_role("link", name="hours-2027").click()
        assert page.locator("h1").inner_text() == "hours-2027"
        page.get_by_role("link", name="Deployments").click()
        page.get_by_role("link", name="sandbox", exact=True).click()
        page.get_by_role("link", name="#2").click()
        assert page.locator("h1").inner_text() == "sandbox #2"
        page.get_by_role("link", name="Schedules").click()
        assert page.locator("tbody tr").count() == 4
        page.get_by_role("link", name="Lineage").click()
        page.locator("#edges").get_by_role("link", name=HOSTILE[0]).click()
        assert page.locator("h1").inner_text() == f"film.{HOSTILE[0]}"
