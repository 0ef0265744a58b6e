"""A real Chromium for tests of pages: Debian's, driven by Playwright, which brings none of its own."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NARROW = {"width": 360, "height": 740}
WIDE = {"width": 1280, "height": 900}


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser without a window; in a container its sandbox has no place."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@contextlib.contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an application on this machine; yield its address, without a slash at its end."""
    import uvicorn

    config = uvicorn.Config(app, port=0, log_level="warning", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    server.force_exit = True
    thread.join(10)


def violations(page: Page) -> list[str]:
    """Return what axe-core finds that keeps somebody from using a page, each with where."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(
        page,
        options={
            "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
            "preload": False,
        },
    )
    return [
        f"{it['id']}: {node['target']} {node['failureSummary']}"
        for it in found.response["violations"]
        for node in it["nodes"]
    ]


def overflow(page: Page) -> int:
    """Return by how many pixels a page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@contextlib.contextmanager
def looking(browser: Browser, address: str, **context: Any) -> Iterator[Page]:
    """Open a page; what its console says of errors, and what its policy refuses, is a failure at the end."""
    opened = browser.new_context(viewport=context.pop("viewport", WIDE), **context)
    page = opened.new_page()
    said: list[str] = []
    page.on("console", lambda it: said.append(it.text) if it.type in {"error", "warning"} else None)
    page.on("pageerror", lambda it: said.append(str(it)))
    page.goto(address)
    yield page
    opened.close()
    assert said == [], said
