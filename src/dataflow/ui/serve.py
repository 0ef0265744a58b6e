"""Serving the site on this machine, or with a token elsewhere."""

from __future__ import annotations

import contextlib
import os
import socket
import webbrowser
from collections.abc import Callable
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, UsageError

if TYPE_CHECKING:
    from dataflow.ui.source import Source

TOKEN = "DATAFLOW_UI_TOKEN"  # noqa: S105 - the name of a variable
_SHORTEST = 16


def require_extra() -> None:
    """Require what the extra `ui` installs.

    Raises:
        DataflowError: It is not installed.
    """
    from importlib.util import find_spec

    for name in ("starlette", "uvicorn", "jinja2"):
        if find_spec(name) is None:
            raise DataflowError(f"`dataflow ui` needs {name}", "pip install 'dataflow-recipes[ui]'")


def token_for(host: str) -> str | None:
    """Return the token that has to be known at an address; None where none is set, and none is needed.

    Raises:
        UsageError: One is needed, and not set or too short.
    """
    from dataflow.secret import learn
    from dataflow.ui.security import is_loopback

    token = os.environ.get(TOKEN, "")
    if not token and is_loopback(host):
        return None
    if len(token) < _SHORTEST:
        why = f"{TOKEN} is too short" if token else f"{host} is not this machine alone: it needs a token"
        raise UsageError(why, f"export {TOKEN} with at least {_SHORTEST} characters: `openssl rand -hex 16` makes some")
    return learn(token)


def serve(source: Source, host: str, port: int, told: Callable[[str], None], *, is_opened: bool = False) -> None:
    """Serve the site until it is stopped.

    Args:
        source: What its pages are read from.
        host: The address to listen at.
        port: The port; 0 for any that is free.
        told: Receives the address that it is at.
        is_opened: Whether a browser is opened.

    Raises:
        UsageError: The address needs a token, or can't be listened at.
    """
    import uvicorn

    from dataflow.ui.app import make_app

    app = make_app(source, token_for(host))
    with contextlib.closing(_listening(host, port)) as listener:
        name = f"[{host}]" if ":" in host else host
        address = f"http://{name}:{listener.getsockname()[1]}/"
        told(address)
        if is_opened:
            webbrowser.open(address)
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, lifespan="off")
        uvicorn.Server(config).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen()  # whoever is told the address may come at once
    except OSError as error:
        raise UsageError(f"{host}:{port} can't be listened at: {error.strerror}", "--port takes another") from error
    return listener
