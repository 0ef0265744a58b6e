"""Who may look, and what a page may do: by the headers of each answer, the names this goes by, and the token."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "dataflow-ui"
LOGIN = "/login"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def is_loopback(host: str) -> bool:
    """Say whether an address or a name is this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def pass_of(token: str) -> str:
    """Return what a browser keeps in place of the token."""
    return hmac.new(token.encode(), b"dataflow ui", hashlib.sha256).hexdigest()


def is_token(given: str, token: str) -> bool:
    """Say whether what somebody gave is the token."""
    return hmac.compare_digest(given.encode(), token.encode())


class Guard:
    """Lets in who may look, and puts the security headers on each answer.

    Without a token only requests to a name of this machine are answered: a page elsewhere whose name is made to lead
    here (DNS rebinding) gets nothing.

    Args:
        app: What answers.
        token: What has to be known; None for nothing.
    """

    def __init__(self, app: ASGIApp, token: str | None = None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send_guarded)
            return
        from starlette.responses import PlainTextResponse, RedirectResponse

        leads = refusal == LOGIN
        answer = RedirectResponse(LOGIN, 303) if leads else PlainTextResponse(refusal, 403)
        await answer(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> str | None:
        """Return why a request is not answered, or where it is led; None where it is answered."""
        headers = Headers(scope=scope)
        if self._token is None:
            host = headers.get("host", "")
            name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
            return None if is_loopback(name.strip("[]")) else "this address is not one of this machine\n"
        if scope["path"] == LOGIN or scope["path"].startswith("/static/") or self._knows(headers, self._token):
            return None
        return LOGIN

    def _knows(self, headers: Headers, token: str) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return is_token(given.strip(), token)
        try:
            kept = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return kept is not None and hmac.compare_digest(kept.value.encode(), pass_of(token).encode())
