"""The site: its pages by their addresses, what changes while one looks, and what is said where something is missing."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from dataflow.errors import DataflowError, UsageError
from dataflow.secret import masked
from dataflow.ui.page import Asked, Page
from dataflow.ui.pages import PAGES
from dataflow.ui.problem import Problem
from dataflow.ui.rendering import STATIC, render
from dataflow.ui.security import COOKIE, LOGIN, Guard, is_token, pass_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from dataflow.ui.source import Source

_PAUSE = 1.0
"""Seconds between two looks at something that goes on."""

_LONGEST_FORM = 4096


def make_app(source: Source, token: str | None = None) -> Starlette:
    """Return the application.

    Args:
        source: What its pages are read from.
        token: What has to be known to look; None where it is for this machine alone.
    """
    site = _Site(source, token)
    routes = [
        Mount("/static", StaticFiles(directory=STATIC), name="static"),
        Route(LOGIN, site.login, methods=["GET", "POST"]),
    ]
    for page in PAGES:
        if page.state is not None:
            routes.append(Route(f"{page.route}/events", site.follower(page.state)))
        routes.append(Route(page.route, site.shower(page)))
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, token=token), Middleware(GZipMiddleware, minimum_size=1000)],
        exception_handlers={DataflowError: site.failed, HTTPException: site.failed, Exception: site.failed},
    )


def link(name: str, /, **values: object) -> str | None:
    """Return the address of a page on the server; values that its address has no place for are options."""
    page = next((it for it in PAGES if it.name == name), None)
    return None if page is None else page.address(page.asked(values))


class _Site:
    def __init__(self, source: Source, token: str | None) -> None:
        self._source = source
        self._token = token

    def shower(self, page: Page) -> Callable[[Request], Response]:
        def show(request: Request) -> Response:
            asked = _asked(request)
            return self._page(page, page.read(self._source, asked), asked)

        return show

    def follower(self, state: Callable[[Source, Asked], str | None]) -> Callable[[Request], Response]:
        def follow(request: Request) -> Response:
            asked = _asked(request)

            async def changes() -> AsyncIterator[str]:
                before = ""
                while not await request.is_disconnected():
                    seen = await run_in_threadpool(state, self._source, asked)
                    if seen is None:
                        yield "event: changed\ndata: over\n\nevent: over\ndata: over\n\n"
                        return
                    if seen != before:
                        yield "event: changed\ndata: goes on\n\n"
                    before = seen
                    await asyncio.sleep(_PAUSE)

            return StreamingResponse(changes(), media_type="text/event-stream")

        return follow

    async def login(self, request: Request) -> Response:
        if self._token is None:
            return RedirectResponse("/", 303)
        if request.method == "GET":
            return HTMLResponse(render("login.html", False, link, **self._around(None)))
        given = parse_qs((await request.body())[:_LONGEST_FORM].decode("utf-8", "replace")).get("token", [""])[0]
        if not is_token(given, self._token):
            await asyncio.sleep(_PAUSE)
            return HTMLResponse(render("login.html", True, link, **self._around(None)), 403)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, pass_of(self._token), httponly=True, samesite="strict")
        return answer

    def failed(self, _: Request, error: Exception) -> Response:
        problem, status = _problem(error)
        return HTMLResponse(render("problem.html", problem, link, **self._around(None)), status)

    def _page(self, page: Page, it: object, asked: Asked) -> Response:
        return HTMLResponse(render(f"{page.name}.html", it, link, **self._around(page), options=asked.options))

    def _around(self, page: Page | None) -> dict[str, object]:
        return {
            "page": page,
            "pages": [it for it in PAGES if it.listed],
            "environment": self._source.environment.name,
            "project": self._source.project.name,
            "user": self._source.user,
            "static": "/static",
            "is_live": True,
        }


def _asked(request: Request) -> Asked:
    return Asked(dict(request.path_params), dict(request.query_params))


def _problem(error: Exception) -> tuple[Problem, int]:
    match error:
        case HTTPException(status_code=404):
            return Problem("there is no such page", "the navigation above has those that there are"), 404
        case HTTPException():
            return Problem(str(error.detail), None), error.status_code
        case UsageError():
            return Problem(error.message, error.hint), 404
        case DataflowError():
            return Problem(error.message, error.hint), 503
        case _:
            sys.stderr.write(masked("".join(traceback.format_exception(error))))
            return Problem("this page can't be made: that is a bug", "the terminal that runs this says more"), 500
