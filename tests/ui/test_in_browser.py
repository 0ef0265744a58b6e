"""Overview and runs as people meet them: in a real browser, by keyboard, narrow, dark, printed, with hostile data."""

from __future__ import annotations

import pytest

from dataflow.report import silent
from dataflow.state import run_records as store
from dataflow.state.database import StateDatabase
from dataflow.state.utc import now
from dataflow.ui.export import export
from dataflow.ui.report import run_report
from tests.support.browser import NARROW, looking, overflow, violations
from tests.support.hostile import HOSTILE
from tests.ui.test_run import run_id

pytestmark = [pytest.mark.browser, pytest.mark.tools("Chromium", "Playwright")]

ADDRESSES = ["/", "/?kind=workflows", "/runs", f"/runs/{run_id(0, 9)}", f"/runs/{run_id(1, 7)}", "/runs/none", "/none"]
SCHEMES = ["light", "dark"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_nobody_is_kept_from_a_page_wide_or_narrow_light_or_dark(browser, site, address):
    is_there = not address.endswith("none")
    for scheme in SCHEMES:
        for size in ({"width": 1280, "height": 900}, NARROW):
            opened = looking(browser, site + address if is_there else site, viewport=size, color_scheme=scheme)
            with opened as page:
                if not is_there:
                    page.set_content(page.request.get(site + address).text())
                assert violations(page) == [], (scheme, size)
                assert overflow(page) <= 0, (scheme, size)


def test_data_that_tries_to_be_a_script_or_a_link_stays_text(browser, site):
    for address in ("/", "/runs", f"/runs/{run_id(2, 9)}", f"/runs/{run_id(1, 7)}"):
        with looking(browser, site + address) as page:
            page.wait_for_load_state("networkidle")
            assert page.title().endswith("· sandbox · Dataflow")
            assert page.locator("script:not([src]), img, b, svg[onload], main a[href^='javascript']").count() == 0
    with looking(browser, f"{site}/runs/{run_id(0, 9)}") as page:
        assert page.locator("#rows-1 tbody td:first-child").first.inner_text() in {
            *HOSTILE,
            "<script>document.title='pwned'</script>",
        }


def test_a_page_is_used_by_keyboard_alone(browser, site):
    with looking(browser, site) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "owner":
                break
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        page.keyboard.press("b")  # chooses bob, and the form is sent by itself
        page.wait_for_url("**owner=bob**")
        assert page.locator("tbody tr").count() == 1
        page.locator(".strip a").last.focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/runs/**")
        assert page.locator("h1").inner_text() == "bob.plays1.main"


def test_a_chart_shows_the_columns_that_are_chosen(browser, site):
    with looking(browser, f"{site}/runs/{run_id(0, 9)}") as page:
        page.wait_for_function("window.Chart?.getChart(document.querySelector('canvas'))")
        x, y = page.get_by_label("x", exact=True), page.get_by_label("y", exact=True)
        assert (x.input_value(), y.input_value()) == ("title", "title_rank")
        x.select_option("country_code")
        drawn = page.evaluate(
            "(() => { const it = Chart.getChart(document.querySelector('canvas')).data;"
            "return [it.labels[0], it.datasets[0].label, it.datasets[0].data.length]; })()"
        )
        assert drawn == ["NO", "title_rank", len(HOSTILE)]
        assert (
            page.locator("canvas").get_attribute("aria-label") == "Chart of title_rank by country_code: the rows below"
        )


def test_a_chart_shows_the_rows_of_the_value_that_is_chosen_by_keyboard_and_narrow(browser, site):
    shown = "Chart.getChart(document.querySelector('canvas')).data.datasets[0].data"
    with looking(browser, f"{site}/runs/{run_id(0, 9)}", viewport=NARROW) as page:
        page.wait_for_function("window.Chart?.getChart(document.querySelector('canvas'))")
        assert page.evaluate(shown) == list(range(1, len(HOSTILE) + 1))
        page.get_by_label("rows", exact=True).focus()
        page.keyboard.press("ArrowDown")
        page.wait_for_function(f"{shown}[1] === 3")
        assert page.evaluate(shown) == list(range(1, len(HOSTILE) + 1, 2))
        said = page.locator("canvas").get_attribute("aria-label")
        assert said == "Chart of title_rank by title, country_code: NO: the rows below"
        page.keyboard.press("ArrowDown")
        page.wait_for_function(f"{shown}[0] === 2")
        assert page.evaluate(shown) == list(range(2, len(HOSTILE) + 1, 2))
        assert page.locator("option b, option img, option script").count() == 0
        assert overflow(page) <= 0
        page.keyboard.press("Home")
        page.wait_for_function(f"{shown}.length === {len(HOSTILE)}")


def test_a_run_that_goes_on_is_shown_as_it_goes(browser, site, world):
    with StateDatabase(world.environment.state) as database:
        run = {"run_id": "r-live", "workflow_id": "alice.live.main", "environment": "sandbox", "status": "running"}
        database.insert(store.runs, {**run, "started": now(), "host": "elsewhere", "params": {}, "versions": {}})
        with looking(browser, f"{site}/runs/r-live") as page:
            assert page.locator("#live .status").first.inner_text().endswith("running")
            job = {"run_id": "r-live", "attempt": 1, "position": 0, "status": "succeeded", "started": now()}
            database.insert(store.jobs, {**job, "job_id": "first", "ended": now()})
            page.get_by_role("rowheader", name="first").wait_for()
            with database.begin() as connection:
                connection.execute(store.runs.update().where(store.runs.c.run_id == "r-live").values(status="failed"))
            page.locator("#live > p .status.failed").wait_for()
            assert page.locator("#live[hx-get]").count() == 0
        with database.begin() as connection:
            connection.execute(store.jobs.delete().where(store.jobs.c.run_id == "r-live"))
            connection.execute(store.runs.delete().where(store.runs.c.run_id == "r-live"))


def test_print_leaves_what_is_to_press_away_and_nothing_is_cut(browser, site, world, tmp_path):
    with looking(browser, f"{site}/runs/{run_id(0, 9)}") as page:
        page.emulate_media(media="print")
        assert not page.locator(".top nav").is_visible()
        assert not page.locator(".filters").first.is_visible()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    file = tmp_path / "report.html"
    file.write_text(run_report(world, run_id(1, 7))[1])
    with looking(browser, file.as_uri(), color_scheme="dark", viewport=NARROW) as page:
        assert violations(page) == []
        assert overflow(page) <= 0
        printed = page.pdf(format="A4")
        assert printed.startswith(b"%PDF")
        page.emulate_media(media="print")
        for element in page.locator("pre:visible, .tall").all():
            assert element.evaluate("it => it.scrollHeight - it.clientHeight") <= 1


def test_the_exported_site_is_used_without_a_server(browser, world, tmp_path):
    export(world, tmp_path / "site", silent)
    with looking(browser, (tmp_path / "site/index.html").as_uri(), viewport=NARROW) as page:
        assert violations(page) == []
        assert overflow(page) <= 0
        page.locator("tbody tr").first.locator(".strip a").last.click()
        page.wait_for_function("window.Chart?.getChart(document.querySelector('canvas'))")
        page.get_by_role("link", name="Overview").click()
        page.get_by_role("link", name="Workflows").click()
        assert page.locator("tbody tr").count() == 3
