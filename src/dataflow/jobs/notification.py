"""Notifications: by e-mail through the environment's mail server, by Slack-style webhooks, or both.

Secrets are resolved at the last moment. Messages and errors show the host of a webhook alone, as the rest of its
address is a password.
"""

from __future__ import annotations

import datetime as dt
import json
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dataflow.errors import DataflowError, did_you_mean
from dataflow.foreign import for_terminal
from dataflow.jobs.context import JobContext, JobResult
from dataflow.secret import masked
from dataflow.workflow.checks import is_moment
from dataflow.workflow.parameters import resolve_secrets

if TYPE_CHECKING:
    from dataflow.jobs.context import JobContext
    from dataflow.workflow.notifications import Notifications, NotificationSpec
    from dataflow.workflow.project import Environment, Smtp

_TIMEOUT = 10.0
_IMPLICIT_TLS_PORT = 465


@dataclass(frozen=True)
class RunEnd:
    """The end of a run, for a notification.

    Attributes:
        workflow: The workflow's id.
        run_id: The run's id.
        status: `succeeded` or `failed`; nobody is notified of any other.
        params: The run's parameters; the message has its dates.
        seconds: How long it took.
        log: Where Spark's own output is.
        failed_step: The step that failed, if one did.
        cause: Why it failed; the message has its first line.
    """

    workflow: str
    run_id: str
    status: str
    params: Mapping[str, str]
    seconds: float
    log: str
    failed_step: str | None = None
    cause: str | None = None


@dataclass(frozen=True)
class _Email:
    address: str
    label: str


@dataclass(frozen=True)
class _Webhook:
    url: str
    label: str


_Destination = _Email | _Webhook


def run_notification(spec: NotificationSpec, context: JobContext) -> JobResult:
    """Send a Notification job's message.

    Raises:
        DataflowError: A recipient can't be reached.
    """
    workflow = context.workflow
    notified = send_notification(spec, environment=workflow.environment, owner=workflow.owner)
    return JobResult(detail=", ".join(notified))


def send_notification(spec: NotificationSpec, *, environment: Environment, owner: str) -> list[str]:
    """Send a message.

    Args:
        spec: The message and its recipients.
        environment: Has the mail server and the owners.
        owner: The owner that the recipient `owner` stands for.

    Returns:
        The recipients that were notified: addresses, and hosts of webhooks.

    Raises:
        DataflowError: A recipient can't be reached; the message names those that were notified.
    """
    found = [place for target in spec.to for place in _destinations(target, environment, owner)]
    if spec.webhook is not None:
        found.append(_webhook(spec.webhook, "'webhook'"))
    notified, failures = _deliver(found, spec.subject, spec.message, environment)
    if failures:
        others = f" (notified: {', '.join(notified)})" if notified else ""
        message = "; ".join(failure.message for failure in failures) + others
        permanent = all(failure.permanent for failure in failures)
        raise DataflowError(message, failures[0].hint, permanent=permanent)
    return notified


def notify_run_end(end: RunEnd, notifications: Notifications, *, environment: Environment, owner: str) -> list[str]:
    """Send the notifications of a run's end. It never raises: a run does not fail with its notifications.

    Args:
        end: The run's end.
        notifications: The recipients for each status.
        environment: Has the mail server and the owners.
        owner: The owner that the recipient `owner` stands for.

    Returns:
        Notes for the run: who was notified, and who could not be and why.
    """
    targets = {"failed": notifications.on_failure, "succeeded": notifications.on_success}.get(end.status, [])
    subject, message = _run_end_text(end, environment.name)
    return tell(targets, subject, message, environment=environment, owner=owner)


def tell(targets: Sequence[str], subject: str, message: str, *, environment: Environment, owner: str) -> list[str]:
    """Send a message to recipients as definitions name them. It never raises.

    Args:
        targets: The recipients.
        subject: Its first line.
        message: The rest of it.
        environment: Has the mail server and the owners.
        owner: The owner that the recipient `owner` stands for.

    Returns:
        Notes: who was notified, and who could not be and why.
    """
    found: list[_Destination] = []
    failures: list[DataflowError] = []
    for target in targets:
        try:
            found += _destinations(target, environment, owner)
        except DataflowError as error:
            failures.append(error)
    notified, lost = _deliver(found, subject, message, environment)
    lines = [f"notified {', '.join(notified)}"] if notified else []
    failed = [error.message for error in failures + lost]
    return lines + (failed if notified else [f"nobody was notified: {message}" for message in failed])


def _run_end_text(end: RunEnd, environment: str) -> tuple[str, str]:
    """Return subject and message for a run's end."""
    dates = [f"{name}={value}" for name, value in end.params.items() if _is_date(value)]
    day = f" for {end.params['EXECUTION_DATE']}" if "EXECUTION_DATE" in end.params else ""
    facts = {
        "run": end.run_id,
        "environment": environment,
        "dates": ", ".join(dates),
        "failed step": end.failed_step,
        "cause": end.cause and end.cause.partition("\n")[0],
        "duration": str(dt.timedelta(seconds=round(end.seconds))),
        "log": end.log,
        "more": f"dataflow workflow show {end.run_id} --env {environment}",
    }
    width = max(map(len, facts))
    lines = [f"{name:<{width}}  {value}" for name, value in facts.items() if value]
    return f"{end.workflow} {end.status}{day} in {environment}", "\n".join(lines)


def _is_date(value: str) -> bool:
    try:
        return is_moment(value) or bool(dt.date.fromisoformat(value))
    except ValueError:
        return False


def _destinations(target: str, environment: Environment, owner: str) -> Iterator[_Destination]:
    """Yield the destinations of a recipient: an address, an owner of dataflow.yaml, or `owner`."""
    if "${secret:" in target:
        found = resolve_secrets(target)
        yield _webhook(target, target) if "://" in found else _email(found, target)
        return
    name = owner if target == "owner" else target
    if "@" in name:
        yield _email(name, name)
        return
    who = f"the workflow's owner '{name}'" if target == "owner" else f"'{name}'"
    known = environment.owners.get(name)
    if known is None or not (known.email or known.webhook):
        nearest = did_you_mean(name, environment.owners) if known is None and target != "owner" else ""
        raise DataflowError(
            f"there is no address for {who}{nearest}",
            f"add owners.{name}.email, owners.{name}.webhook or both to dataflow.yaml",
            permanent=True,
        )
    if known.email:
        yield _email(resolve_secrets(known.email), known.email)
    if known.webhook:
        yield _webhook(known.webhook, f"owners.{name}.webhook")


def _email(address: str, label: str) -> _Email:
    if "@" not in address or not address.isprintable():
        raise DataflowError(f"'{label}' is not an e-mail address", permanent=True)
    return _Email(address, label)


def _webhook(address: str, where: str) -> _Webhook:
    """Return a webhook; only the host of its address is ever shown."""
    url = resolve_secrets(address)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        raise DataflowError(f"{where} is not an http or https address", permanent=True)
    return _Webhook(url, f"webhook of {parts.hostname}")


def _deliver(
    destinations: Iterable[_Destination], subject: str, message: str, environment: Environment
) -> tuple[list[str], list[DataflowError]]:
    """Send a message to each destination once; return those that were notified, and the failures."""
    unique = list(dict.fromkeys(destinations))
    message = for_terminal(masked(message))
    emails = [place for place in unique if isinstance(place, _Email)]
    subject = for_terminal(" ".join(masked(subject).split()))  # a line break would end the header
    notified: list[str] = []
    failures: list[DataflowError] = []
    if emails:
        try:
            refused = _mail(emails, subject, message, environment)
            notified += [place.label for place in emails if place.label not in refused]
            if refused:
                who = ", ".join(refused)
                failures.append(DataflowError(f"the mail server refused mail for {who}", permanent=True))
        except DataflowError as error:
            failures.append(error)
    for place in unique:
        if isinstance(place, _Webhook):
            try:
                _post(place, subject, message)
                notified.append(place.label)
            except DataflowError as error:
                failures.append(error)
    return notified, failures


def _mail(to: Sequence[_Email], subject: str, message: str, environment: Environment) -> list[str]:
    """Send one e-mail to all of its recipients; return those that the server refused."""
    smtp = environment.smtp
    if smtp is None:
        labels = [place.label for place in to]
        raise DataflowError(
            f"environment '{environment.name}' has no mail server, so {', '.join(labels)} can't be notified",
            f"add environments.{environment.name}.notifications.smtp with host and sender to dataflow.yaml",
            permanent=True,
        )
    where = f"mail server {smtp.host}:{smtp.port}"
    try:
        with _connected(smtp) as server:
            refused = server.send_message(_composed(smtp, to, subject, message))
    except smtplib.SMTPRecipientsRefused as error:
        refused = error.recipients
    except smtplib.SMTPAuthenticationError:
        raise DataflowError(
            f"{where} refused the login of {smtp.username}",
            f"check username and password of environments.{environment.name}.notifications.smtp",
            permanent=True,
        ) from None
    except smtplib.SMTPNotSupportedError as error:
        plain = "set starttls: false for a server that can't encrypt, such as one on this machine"
        hint = plain if "STARTTLS" in str(error) else None
        raise DataflowError(f"{where}: {error}", hint, permanent=True) from None
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        raise DataflowError(f"{where} answered {error.smtp_code} {said}") from None
    except (OSError, ValueError) as error:  # among them smtplib's other errors, and a host that is no name
        raise DataflowError(f"{where} can't be reached: {error}") from None
    return [place.label for place in to if any(address in place.address for address in refused)]


def _composed(smtp: Smtp, to: Sequence[_Email], subject: str, message: str) -> EmailMessage:
    mail = EmailMessage()
    sender = resolve_secrets(smtp.sender)
    mail["From"], mail["Subject"] = sender, subject
    mail["To"] = ", ".join(place.address for place in to)
    mail["Date"] = format_datetime(dt.datetime.now(dt.UTC))
    mail["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].strip("<> ") or None)
    mail.set_content(message or subject)
    return mail


def _connected(smtp: Smtp) -> smtplib.SMTP:
    """Connect to a mail server, encrypt and log in as it is configured."""
    host = resolve_secrets(smtp.host)
    if smtp.port == _IMPLICIT_TLS_PORT:
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, smtp.port, timeout=_TIMEOUT, context=ssl.create_default_context())
    else:
        server = smtplib.SMTP(host, smtp.port, timeout=_TIMEOUT)
    try:
        if smtp.starttls and smtp.port != _IMPLICIT_TLS_PORT:
            server.starttls(context=ssl.create_default_context())
        if smtp.username is not None:
            server.login(resolve_secrets(smtp.username), resolve_secrets(smtp.password or ""))
    except BaseException:
        server.close()
        raise
    return server


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Fails on a redirect: if it were followed, the message would be lost without an error."""

    def redirect_request(self, *_: object) -> None:
        """Return no request to follow."""


def _post(webhook: _Webhook, subject: str, message: str) -> None:
    """Post a message; raise on any answer but success. No cause is chained, as it may contain the address."""
    text = _slack_escaped(f"{subject}\n{message}".strip())
    request = urllib.request.Request(  # noqa: S310  # http and https alone get here
        webhook.url,
        data=json.dumps({"text": text}).encode(),
        headers={"Content-Type": "application/json; charset=utf-8"},
    )
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=_TIMEOUT):
            pass
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(webhook, error.code) from None
    except TimeoutError:
        raise DataflowError(f"{webhook.label} did not answer within {_TIMEOUT:.0f} s") from None
    except urllib.error.URLError as error:
        why = error.reason.strerror if isinstance(error.reason, OSError) else None
        raise DataflowError(f"{webhook.label} can't be reached: {why or type(error.reason).__name__}") from None
    except Exception as error:
        raise DataflowError(f"{webhook.label} can't be reached: {type(error).__name__}") from None


def _refusal(webhook: _Webhook, code: int) -> DataflowError:
    try:
        phrase = HTTPStatus(code).phrase
    except ValueError:
        phrase = ""
    lasting = code < 500 and code not in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
    hint = "it may have been revoked: create a new one, and replace this one by it" if lasting else None
    return DataflowError(f"{webhook.label} answered {code} {phrase}".rstrip(), hint, permanent=lasting)


def _slack_escaped(text: str) -> str:
    """Escape what Slack reads as links and mentions: a message may quote anybody's data."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
