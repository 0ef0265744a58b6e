"""A mail server and a web server on this machine, which keep what they are sent."""

from __future__ import annotations

import json
import socket
import threading
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller


class Mail:
    """A mail server that keeps what it takes, and can be made to wait at a recipient for ever."""

    def __init__(self):
        self.mails = []
        self.waits_for = None
        self.waiting = threading.Event()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    async def handle_DATA(self, server, session, envelope):  # noqa: ARG002, N802
        import asyncio

        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
        if self.waits_for in envelope.rcpt_tos:
            self.waiting.set()
            await asyncio.sleep(20)
        return "250 taken"

    def to(self, address):
        """Return the mails to an address, each as its subject and text."""
        mine = [mail for to, mail in self.mails if address in to]
        return [(mail["subject"], mail.get_content().replace("\r\n", "\n")) for mail in mine]

    def __enter__(self):
        self._controller.start()
        return self

    def __exit__(self, *_):
        self._controller.stop()


class Hook:
    """A web server that keeps the texts that are posted to it."""

    def __init__(self):
        hook = self
        self.texts = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                hook.texts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def address(self):
        return f"http://127.0.0.1:{self._server.server_port}/services/hush"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


PROJECT = """\
version: 1
project: demo
owners:
  bob:
    email: bob@example.org
  carol:
    webhook: {hook}
  dave:
    email: dave@example.org
environments:
  {name}:
    state: {state}
    params: {{}}
    notifications:
      smtp:
        host: 127.0.0.1
        port: {port}
        sender: dataflow@example.org
        starttls: false
"""
