"""Messages to people, by a real mail server and a real web server on this machine."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from dataflow import secret
from dataflow.errors import DataflowError
from dataflow.jobs.notification import RunEnd, notify_run_end, send_notification
from dataflow.workflow.notifications import Notifications, NotificationSpec
from dataflow.workflow.project import Environment, Owner, Smtp

PASSWORD = "open sesame"


class Inbox:
    """Keeps what a mail server takes; refuses mail for `nobody@…`."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: ARG002, N802
        if address.startswith("nobody@"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        self.recipients.append(envelope.rcpt_tos)
        return "250 taken"


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def plain(inbox: Inbox) -> Iterator[Smtp]:
    with serving(inbox) as port:
        yield Smtp(host="127.0.0.1", port=port, sender="Dataflow <dataflow@example.org>", starttls=False)


class serving:  # noqa: N801  # reads as a function where it is used
    """A mail server on a free port."""

    def __init__(self, inbox: Inbox, **options: Any) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.controller = Controller(inbox, hostname="127.0.0.1", port=self.port, **options)

    def __enter__(self) -> int:
        self.controller.start()
        return self.port

    def __exit__(self, *_: object) -> None:
        self.controller.stop()


class Posts(ThreadingHTTPServer):
    """Keeps what is posted, and answers with one status."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.texts: list[str] = []
        self.paths: list[str] = []
        self.status = 200

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/T00/B00/hush"


class _Handler(BaseHTTPRequestHandler):
    server: Posts

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Type"].startswith("application/json")
        self.server.paths.append(self.path)
        self.server.texts.append(json.loads(body)["text"])
        self.send_response(self.server.status)
        if 300 <= self.server.status < 400:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def posts() -> Iterator[Posts]:
    server = Posts()
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def environment(smtp: Smtp | None = None, **owners: Owner) -> Environment:
    return Environment("staging", smtp=smtp, owners=owners)


def note(*to: str, **fields: Any) -> NotificationSpec:
    return NotificationSpec(to=list(to), **{"subject": "Rows are late", "message": "Two of 14 days.\n", **fields})


def failure(spec: NotificationSpec, where: Environment, owner: str = "alice") -> DataflowError:
    with pytest.raises(DataflowError) as caught:
        send_notification(spec, environment=where, owner=owner)
    return caught.value


def test_a_mail_reaches_everybody_once_with_proper_headers(inbox: Inbox, plain: Smtp) -> None:
    notified = send_notification(
        note("a@example.org", "b@example.org", "a@example.org"), environment=environment(plain), owner=""
    )
    assert notified == ["a@example.org", "b@example.org"]
    (mail,) = inbox.mails
    assert inbox.recipients == [["a@example.org", "b@example.org"]]
    assert mail["From"] == "Dataflow <dataflow@example.org>"
    assert mail["To"] == "a@example.org, b@example.org"
    assert mail["Subject"] == "Rows are late"
    assert mail["Message-ID"].endswith("@example.org>")
    assert parsedate_to_datetime(mail["Date"]).utcoffset() is not None
    assert mail.get_content().strip() == "Two of 14 days."


@pytest.mark.slow
def test_owners_of_the_project_and_the_workflows_own_are_found(inbox: Inbox, plain: Smtp) -> None:
    where = environment(plain, alice=Owner("alice@example.org"), bob=Owner("bob@example.org"))
    assert send_notification(note("owner", "bob"), environment=where, owner="alice") == [
        "alice@example.org",
        "bob@example.org",
    ]
    assert send_notification(note("owner"), environment=where, owner="carol@example.org") == ["carol@example.org"]
    assert inbox.recipients == [["alice@example.org", "bob@example.org"], ["carol@example.org"]]


def test_an_owner_with_both_hears_by_mail_and_by_webhook(inbox: Inbox, plain: Smtp, posts: Posts) -> None:
    where = environment(plain, team=Owner("team@example.org", posts.address))
    assert send_notification(note("team"), environment=where, owner="") == ["team@example.org", "webhook of 127.0.0.1"]
    assert len(inbox.mails) == len(posts.texts) == 1


def test_other_alphabets_and_line_breaks_in_a_subject_arrive(inbox: Inbox, plain: Smtp) -> None:
    send_notification(
        note("a@example.org", subject="Grüße\r\nBcc: x@example.org", message="日本"),
        environment=environment(plain),
        owner="",
    )
    (mail,) = inbox.mails
    assert mail["Subject"] == "Grüße Bcc: x@example.org"
    assert mail["Bcc"] is None
    assert mail.get_content().strip() == "日本"


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_a_login_is_made_with_a_secret_from_the_environment(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:  # noqa: ARG001
        return AuthResult(handled=False, success=(data.login, data.password) == (b"dataflow", PASSWORD.encode()))

    with serving(inbox, authenticator=check, auth_required=True, auth_require_tls=False) as port:
        smtp = Smtp(
            host="127.0.0.1",
            port=port,
            sender="d@example.org",
            starttls=False,
            username="dataflow",
            password="${secret:SMTP_PASSWORD}",
        )
        assert "secret SMTP_PASSWORD is not set" in failure(note("a@example.org"), environment(smtp)).message
        monkeypatch.setenv("SMTP_PASSWORD", PASSWORD)
        assert send_notification(note("a@example.org"), environment=environment(smtp), owner="") == ["a@example.org"]
        monkeypatch.setenv("SMTP_PASSWORD", "mistyped")
        error = failure(note("a@example.org"), environment(smtp))
    assert "refused the login of dataflow" in error.message
    assert "mistyped" not in f"{error} {error.hint}"
    assert error.permanent
    assert len(inbox.mails) == 1


@pytest.mark.tools("OpenSSL")
def test_the_connection_is_encrypted_and_the_server_must_be_known(
    inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            key,
            "-out",
            certificate,
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(inbox, tls_context=context, require_starttls=True) as port:
        where = environment(Smtp(host="localhost", port=port, sender="d@example.org"))
        assert "certificate" in failure(note("a@example.org"), where).message
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert send_notification(note("a@example.org"), environment=where, owner="") == ["a@example.org"]


def test_a_server_that_can_not_encrypt_gets_nothing_unless_that_is_said(inbox: Inbox, plain: Smtp) -> None:
    wary = Smtp(host=plain.host, port=plain.port, sender=plain.sender)
    error = failure(note("a@example.org"), environment(wary))
    assert "STARTTLS" in error.message
    assert "starttls: false" in str(error.hint)
    assert inbox.mails == []


def test_without_a_mail_server_the_keys_to_write_are_named() -> None:
    error = failure(note("a@example.org"), environment())
    assert "environment 'staging' has no mail server, so a@example.org can't be notified" in error.message
    assert "environments.staging.notifications.smtp" in str(error.hint)


def test_a_mail_server_that_is_not_there_is_named() -> None:
    smtp = Smtp(host="127.0.0.1", port=9, sender="d@example.org")
    error = failure(note("a@example.org"), environment(smtp))
    assert error.message.startswith("mail server 127.0.0.1:9 can't be reached: ")
    assert not error.permanent


def test_a_recipient_whom_the_server_refuses_is_named_and_the_others_are_told(inbox: Inbox, plain: Smtp) -> None:
    error = failure(note("a@example.org", "nobody@example.org"), environment(plain))
    assert error.message == "the mail server refused mail for nobody@example.org (notified: a@example.org)"
    assert inbox.recipients == [["a@example.org"]]
    assert "nobody@example.org" in failure(note("nobody@example.org"), environment(plain)).message


@pytest.mark.parametrize(
    ("target", "owners", "message"),
    [
        ("bbo", {"bob": Owner("bob@example.org")}, "no address for 'bbo'; did you mean 'bob'?"),
        ("bob", {"bob": Owner()}, "no address for 'bob'"),
        ("owner", {}, "no address for the workflow's owner 'alice'"),
    ],
)
def test_somebody_without_an_address_is_named_and_nobody_is_told(
    inbox: Inbox, plain: Smtp, target: str, owners: dict[str, Owner], message: str
) -> None:
    error = failure(note("a@example.org", target), environment(plain, **owners))
    assert message in error.message
    assert "to dataflow.yaml" in str(error.hint)
    assert inbox.mails == []


def test_a_webhook_gets_the_message_as_text_with_mentions_made_harmless(posts: Posts) -> None:
    spec = note(webhook=posts.address, message="a < b & c, <!channel>")
    assert send_notification(spec, environment=environment(), owner="") == ["webhook of 127.0.0.1"]
    assert posts.texts == ["Rows are late\na &lt; b &amp; c, &lt;!channel&gt;"]


def test_a_webhooks_address_may_be_a_secret(posts: Posts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", posts.address)
    spec = note("${secret:HOOK}", webhook="${secret:HOOK}")
    assert send_notification(spec, environment=environment(), owner="") == ["webhook of 127.0.0.1"]
    assert posts.paths == ["/services/T00/B00/hush"]


@pytest.mark.parametrize(
    ("status", "permanent", "message"),
    [
        (404, True, "webhook of 127.0.0.1 answered 404 Not Found"),
        (429, False, "webhook of 127.0.0.1 answered 429 Too Many Requests"),
        (503, False, "webhook of 127.0.0.1 answered 503 Service Unavailable"),
        (302, True, "webhook of 127.0.0.1 answered 302 Found"),
    ],
)
def test_any_answer_but_success_is_a_failure_that_shows_no_secret(
    posts: Posts, status: int, permanent: bool, message: str
) -> None:
    posts.status = status
    error = failure(note(webhook=posts.address), environment())
    assert (error.message, error.permanent) == (message, permanent)
    assert "hush" not in f"{error!r} {error.hint} {error.__cause__}"


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9/hush",
        "http://127.0.0.1:9hush/hush",
        "http://127.0.0.1:9/hu sh",
        "file:///hush",
        "hush",
        "http://[hush",
    ],
)
def test_an_address_that_leads_nowhere_is_no_traceback_and_no_leak(address: str) -> None:
    error = failure(note(webhook=address), environment())
    assert "hush" not in f"{error} {error.hint} {error.__cause__}"
    assert error.__suppress_context__ or error.__context__ is None


def ended(status: str = "failed", **facts: Any) -> RunEnd:
    given = {
        "workflow": "alice.top.daily",
        "run_id": "20260201t030000_1a2b",
        "params": {"EXECUTION_DATE": "2026-01-31", "TARGET_DB": "prod", "PASSWORD": "${secret:P}"},
        "seconds": 75.4,
        "log": "/logs/run.log",
        "failed_step": "wap" if status == "failed" else None,
        "cause": "an audit failed: 3 nulls\nand much more" if status == "failed" else None,
    }
    return RunEnd(status=status, **{**given, **facts})


def test_a_failed_run_is_told_with_the_facts_one_needs_at_night(inbox: Inbox, plain: Smtp) -> None:
    where = environment(plain, alice=Owner("alice@example.org"))
    wanted = Notifications(on_failure=["owner"], on_success=["b@example.org"])
    assert notify_run_end(ended(), wanted, environment=where, owner="alice") == ["notified alice@example.org"]
    (mail,) = inbox.mails
    assert mail["Subject"] == "alice.top.daily failed for 2026-01-31 in staging"
    assert mail.get_content().splitlines() == [
        "run          20260201t030000_1a2b",
        "environment  staging",
        "dates        EXECUTION_DATE=2026-01-31",
        "failed step  wap",
        "cause        an audit failed: 3 nulls",
        "duration     0:01:15",
        "log          /logs/run.log",
        "more         dataflow workflow show 20260201t030000_1a2b --env staging",
    ]


def test_success_is_told_to_those_who_asked_and_a_stop_by_hand_to_nobody(inbox: Inbox, plain: Smtp) -> None:
    wanted = Notifications(on_failure=["a@example.org"], on_success=["b@example.org"])
    notify_run_end(ended("succeeded"), wanted, environment=environment(plain), owner="")
    assert notify_run_end(ended("cancelled"), wanted, environment=environment(plain), owner="") == []
    assert inbox.recipients == [["b@example.org"]]
    assert "cause" not in inbox.mails[0].get_content()


def test_a_message_that_gets_lost_is_told_in_a_line_and_the_others_still_arrive(posts: Posts) -> None:
    where = environment(None, team=Owner(webhook=posts.address))
    wanted = Notifications(on_failure=["team", "stranger", "a@example.org"])
    lines = notify_run_end(ended(), wanted, environment=where, owner="")
    assert lines[0] == "notified webhook of 127.0.0.1"
    assert "there is no address for 'stranger'" in lines[1]
    assert "environment 'staging' has no mail server" in lines[2]
    assert len(posts.texts) == 1


def test_what_is_sent_holds_no_secret_and_no_control_character(inbox: Inbox, plain: Smtp) -> None:
    secret.learn("S3cr3t-word")
    send_notification(
        note("a@example.org", subject="run of S3cr3t-word", message='bad "S3cr3t-word" \x1b[31m\x00'),
        environment=environment(plain),
        owner="",
    )
    secret.forget()
    (mail,) = inbox.mails
    assert mail["Subject"] == "run of ***"
    assert mail.get_content().strip() == 'bad "***" \\x1b[31m\\x00'
