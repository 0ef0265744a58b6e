"""What kind of failure ended an attempt: one of the machines and networks, or one of what people wrote."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from dataflow.errors import DataflowError
from dataflow.tables.publish import PublishConflict

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject

Kind = Literal["code", "infrastructure"]
"""`infrastructure`: a network, a store, a catalog, a database or the cluster; `code`: all else."""

_ERRNO = {errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EMFILE}
_JAVA = re.compile(
    r"\b(?:(?:Connect|UnknownHost|NoRouteToHost|SocketTimeout|Socket|PortUnreachable|SSL|InterruptedIO)Exception"
    r"|(?:ServiceFailure|ServiceUnavailable|CommitFailed|CommitStateUnknown|UncheckedSQL)Exception"
    r"|SQL(?:Transient|Recoverable|NonTransientConnection)\w*Exception|SdkClientException|ApiCallTimeoutException"
    r"|FetchFailedException|ExecutorLostFailure|BlockMissingException|TTransportException|ThrottlingException)\b"
)
_WORDS = re.compile(
    r"connection (?:refused|reset|timed out|aborted)|temporary failure in name resolution|\bSlow ?Down\b|SQLITE_BUSY"
    r"|database is locked|no space left on device|Status Code: 5\d\d|HTTP (?:429|5\d\d)\b|executor \S+ (?:lost|exited)"
    r"|Remote RPC client disassociated|Lost task .* executor heartbeat timed out",
    re.I,
)


def kind_of(error: DataflowError) -> Kind:
    """Return what kind of failure ended an attempt."""
    return "infrastructure" if any(map(_is_infrastructure, _chain(error))) else "code"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what caused it, outermost first."""
    each: BaseException | None = error
    seen: set[int] = set()
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__


def _is_infrastructure(error: BaseException) -> bool:
    if isinstance(error, PublishConflict | ConnectionError | TimeoutError | socket.gaierror):
        return True
    if isinstance(error, OSError) and (error.errno in _ERRNO or type(error).__name__ in {"URLError", "SSLError"}):
        return True
    thrown = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    if thrown is not None and any(map(_JAVA.search, _class_names(thrown))):
        return True
    text = _text(error)
    return bool(_WORDS.search(text) or _JAVA.search(text))


def _class_names(thrown: JavaObject) -> Iterator[str]:
    """Yield the names of a Java exception's class and of those that caused it."""
    each, left = thrown, 30
    try:
        while each is not None and left:
            yield str(each.getClass().getName()).rpartition(".")[2]
            each, left = each.getCause(), left - 1
    except Exception:  # the JVM may be gone
        return


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # that of a user's own class, or of a JVM that is gone
        return ""
