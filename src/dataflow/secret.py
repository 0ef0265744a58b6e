"""Secret values: known from the moment they are read, and replaced wherever text leaves.

`learn` is called by whoever reads a secret, `masked` by whatever lets text out: the terminal, our log, records, events,
messages, and every exception of ours. What others write by themselves, such as Spark its own log, is out of our reach.
"""

from __future__ import annotations

import base64
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TextIO
from urllib.parse import unquote

MASK = "***"
"""What stands for a secret value."""

LEAST = 6
"""Shorter values stand in too many words to be replaced."""

_LONGEST_LINE = 65536  # letters: what has no end by then goes on as it is
_REACH = 12  # letters that one of a value may take, encoded
_LETTERS = {"\n": "n", "\r": "r", "\t": "t"}
_HTML = {"&": "&(?:amp|#38);", "<": "&lt;", ">": "&gt;", '"': "&(?:quot|#34);", "'": "&(?:#x27|#39|apos);"}
_SCHEME = re.compile(r"(?:jdbc:)?(?:git\+)?(?P<scheme>[a-z][a-z0-9+.-]+)(?::[a-z][a-z0-9]*)*:(?P<slashes>/*)@?", re.I)
_PORT = re.compile(r"\d+|\$\{.*|.*\]|.*\]:\d+")
_SECRET_KEY = (
    r"[\w.-]*(?:token|secret|passw|pwd|signature|credential|auth|api_?key|access_?key|private_?key)[\w.-]*|sig|key"  # noqa: S105
)
_PLACEHOLDER = re.compile(r"\$\{[^}]*\}")
_QUERY = re.compile(rf"(?P<mark>[?&;\s])(?P<key>{_SECRET_KEY})\s*=\s*(?P<value>'[^']*'|[^&;#\s]*)", re.I)
_NAMES_ALONE = {"file", "sqlite"}  # what stands in these is a path
_BY_LOGIN = {"http", "https", "s3", "s3a", "s3n", "gs", "gcs", "abfs", "abfss", "az", "wasb", "wasbs"}
"""Where even the name before an @ may be a token, or a key."""


class _Known:
    """The values that are known so far."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: set[str] = set()
        self._short: set[str] = set()
        self.pattern: re.Pattern[str] | None = None
        self.spellings: tuple[_Spelling, ...] = ()
        self.listener: Callable[[frozenset[str]], None] | None = None

    def add(self, value: str) -> None:
        found = {value, value.strip(), *value.splitlines(), *_inside(value)}
        with self._lock:
            new = {it for it in found if len(it.strip()) >= LEAST} - self._values
            if not new:
                return
            self._values |= new
            longest_first = sorted(self._values, key=len, reverse=True)
            self.spellings = tuple(spelling for it in longest_first for spelling in _spellings(it))
            self.pattern = re.compile("|".join(it.pattern for it in self.spellings))
            if self.listener is not None:
                self.listener(frozenset(new))

    def listen(self, listener: Callable[[frozenset[str]], None] | None) -> None:
        with self._lock:
            self.listener = listener
            if listener is not None and self._values:
                listener(frozenset(self._values))

    def warn_once(self, name: str) -> bool:
        with self._lock:
            is_new = name not in self._short
            self._short.add(name)
        return is_new

    def mask(self, text: str) -> str:
        return text if self.pattern is None else self.pattern.sub(MASK, text)

    def clear(self) -> None:
        with self._lock:
            self._values, self._short, self.pattern, self.spellings = set(), set(), None, ()


_known = _Known()


def learn(value: str, name: str | None = None) -> str:
    """Remember a secret value, and return it.

    Args:
        value: The value; the credentials in it are secrets of their own when it is an address.
        name: What the user calls it, for a warning when it is too short to be masked.
    """
    if 0 < len(value.strip()) < LEAST and name is not None and _known.warn_once(name):
        warning = f"secret {name} is shorter than {LEAST} characters, so it can't be masked where it is shown"
        if sys.stderr is not None:
            sys.stderr.write(f"warning: {warning}\n")
    _known.add(value)
    return value


def learn_address(address: str) -> str:
    """Remember the credentials in an address, and return the address."""
    for value in _inside(address):
        _known.add(value)
    return address


def has_credentials(address: str) -> bool:
    """Say whether an address holds credentials as they are, rather than as `${secret:NAME}`."""
    return any(_inside(address))


def masked(text: str) -> str:
    """Return a text with every known secret replaced, URL- and JSON-encoded ones too."""
    return _known.mask(text)


def masked_data(data: Any) -> Any:
    """Return plain data with every known secret replaced in its texts, keys included."""
    if isinstance(data, str):
        return masked(data)
    if isinstance(data, Mapping):
        return {masked_data(key): masked_data(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return type(data)(map(masked_data, data))
    return data


def listen(listener: Callable[[frozenset[str]], None] | None) -> None:
    """Call a function with the values that are known, and with each new one before it is used; None for no function."""
    _known.listen(listener)


def forget() -> None:
    """Forget all values, for tests."""
    _known.clear()


def names_secret(key: str) -> bool:
    """Say whether the name of a setting or a parameter is one that secrets have: `fs.s3a.secret.key`, `api_key`."""
    return re.fullmatch(_SECRET_KEY, key, re.I) is not None


def without_credentials(address: str) -> str:
    """Return an address without what lets one in: passwords, tokens, keys; fit to be shown, kept and sent.

    The name of a database's user stays. Of an address that is none, what stands before an @ goes as well.
    """
    userinfo = _userinfo(address)
    if userinfo is not None:
        start, end, keeps_name = userinfo
        login = address[start:end]
        name = re.split(r":(?!\w*\})", login, maxsplit=1)[0]  # not at the colon of ${secret:NAME}
        if not _PLACEHOLDER.sub("", login.removeprefix(name) if keeps_name else login).strip(":"):
            name = login  # it names its secrets, and holds none
        elif not keeps_name:
            name = ""
        address = f"{address[:start]}{name}{'@' if name else ''}{address[end + 1 :]}"
    address = _QUERY.sub(lambda found: found["mark"] if found["mark"] == "?" else "", address)
    return re.sub(r"\?(?=[#\s]|$)", "", address.replace("?&", "?").replace("?;", "?"))


def _userinfo(address: str) -> tuple[int, int, bool] | None:
    """Return where credentials begin and end, and whether a name before them stays; None when there are none."""
    found = _SCHEME.match(address)
    scheme = found["scheme"].lower() if found else ""
    if scheme.partition("+")[0] in _NAMES_ALONE:
        return None
    start = found.end() if found and found["slashes"] else 0  # without slashes it is malformed: all of it is suspect
    whole = re.split(r"[?#\s]", address[start:], maxsplit=1)[0]
    name, _, rest = whole.partition("/")[0].partition(":")
    at = len(name) + 1 + rest.rfind("@") if "@" in rest else name.rfind("@")
    if at < 0 and rest and not _PORT.fullmatch(rest):
        at = whole.rfind("@")  # a `/` stands in the password
    if at < 0 or (start == 0 and "@" in name):  # git's own way to write one: git@host:path
        return None
    return start, start + at, scheme not in _BY_LOGIN


def _inside(value: str) -> Iterator[str]:
    """Yield the credentials in an address: as they are written, and as they are meant."""
    if "@" not in value and "=" not in value:
        return
    found = [match["value"] for match in _QUERY.finditer(value)]
    if (userinfo := _userinfo(value)) is not None:
        start, end, keeps_name = userinfo
        name, separator, word = value[start:end].partition(":")
        found += [word] if separator else []
        found += [] if keeps_name or _PLACEHOLDER.fullmatch(word) else [name]
    for each in found:
        if each and "${" not in each:
            yield from {each, unquote(each)}


class _Spelling:
    """One way in which a value may stand in a text, as patterns of its pieces."""

    def __init__(self, pieces: Sequence[str], after: str = "") -> None:
        self.pattern = "".join(pieces) + after
        self.longest = _REACH * len(pieces)
        self._pieces = pieces
        self._first = re.compile(f"(?:{pieces[0]})" + r"|[\\%&'][^\s]{0,11}\Z" if len(pieces[0]) > 1 else pieces[0])

    def begins(self, text: str, start: int) -> int | None:
        """Return where, from a place on, the end of a text may be the beginning of this; None when it can't."""
        while (found := self._first.search(text, start)) is not None:
            if self._goes_on(text, found.start()):
                return found.start()
            start = found.start() + 1
        return None

    def _goes_on(self, text: str, at: int) -> bool:
        last = at
        for piece in self._pieces:
            if at == len(text):
                return True
            found = _compiled(piece).match(text, at)
            if found is None:  # what a backslash, a percent sign or a quote begins may be cut short
                return any(_CUT_SHORT.match(text, it) for it in (last, at))
            last, at = at, found.end()
        return False


_CUT_SHORT = re.compile(r"[\\%&'][^\s]{0,11}\Z")
_compiled = cache(re.compile)


@cache
def _spellings(value: str) -> tuple[_Spelling, ...]:
    """Return the ways in which a value is written.

    Each of its characters as it is, or as URLs, JSON, HTML, SQL, shells or Python have it; the bytes of all of it in
    base 64, wherever they begin in what was encoded, or in base 16. Host names become lower case.
    """
    data = value.encode("utf-8", "surrogatepass")
    found = [_Spelling(list(map(_character, it))) for it in dict.fromkeys([value, value.lower()])]
    for before in range(3):
        text = base64.b64encode(b"\0" * before + data).decode().rstrip("=")
        rest = (before + len(data)) % 3  # the last letter then holds bits of what comes after
        core = text[[0, 2, 3][before] : -1 if rest else None]
        pieces = [{"+": "[+-]", "/": r"\\*[/_]"}.get(it, it) for it in core]  # JSON may have a `/` as `\\/`
        found.append(_Spelling(pieces, "[A-Za-z0-9+/_-]?={0,2}" if rest else ""))
    return (*found, _Spelling(list(data.hex())), _Spelling(list(data.hex().upper())))


@cache
def _character(it: str) -> str:
    if it.isascii() and it.isalnum():
        return it
    encoded = it.encode("utf-8", "surrogatepass")
    ways = [r"\\+" if it == "\\" else rf"\\*{re.escape(it)}"]
    if it == "'":
        ways[:0] = [r"'\"'\"'", r"'\\''", "''"]
    if it == " ":
        ways.append(r"\+")
    if it in _LETTERS:
        ways.append(rf"\\+{_LETTERS[it]}")
    if it in _HTML:
        ways.append(_HTML[it])
    ways.append(f"(?i:{''.join(f'%(?:25)*{byte:02x}' for byte in encoded)})")
    units = it.encode("utf-16-be", "surrogatepass")
    ways.append("(?i:" + "".join(rf"\\+u{units[n : n + 2].hex()}" for n in range(0, len(units), 2)) + ")")
    ways.append("(?i:" + "".join(rf"\\+x{byte:02x}" for byte in encoded) + ")")
    ways.append("".join(rf"\\+{byte:03o}" for byte in encoded))
    if 127 < ord(it) < 256:
        ways.append(rf"(?i:\\+x{ord(it):02x})")
    return f"(?:{'|'.join(ways)})"


class Masking:
    """Masks a text that comes in pieces: what may be the beginning of a secret is held back until it is clear."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """Add a piece; return what can be let out."""
        pattern = _known.pattern
        if pattern is None:
            return text
        text = self._held + text
        spellings = _known.spellings
        start = max(0, len(text) - max(it.longest for it in spellings))
        begun = (it.begins(text, start) for it in spellings)
        hold = min((it for it in begun if it is not None), default=len(text))
        if hold < len(text):  # it may lie inside of a whole one
            hold = next((it.start() for it in pattern.finditer(text) if it.start() < hold < it.end()), hold)
        self._held = text[hold:]
        return pattern.sub(MASK, text[:hold])

    def rest(self) -> str:
        """Return what was held back, when there is no more."""
        held, self._held = self._held, ""
        return masked(held)


class MaskedStream:
    """A text stream in front of another: what is written loses its secrets on the way, and lines stay whole.

    `print` writes a line in pieces; those of jobs that run side by side would mix. So a thread's line goes on once it
    is whole, or flushed.

    Attributes:
        stream: The other stream; it is what the file number, `buffer` and all that is not text belong to.
        target: Where text goes; the same, unless programs are held to the masks as well.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = self.target = stream
        self._masking = Masking()
        self._lock = threading.RLock()
        self._begun: dict[int, str] = {}  # by thread, the line that it has begun
        os.register_at_fork(after_in_child=self._forked)

    def write(self, text: str) -> int:
        """Write a text; say that all of it was written."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        with self._lock:
            thread = threading.get_ident()
            whole, end, begun = (self._begun.pop(thread, "") + text).rpartition("\n")
            if len(begun) > _LONGEST_LINE:
                whole, end, begun = whole + end, begun, ""
            if begun:
                self._begun[thread] = begun
            if end:
                self.target.write(self._masking.feed(whole + end))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write out what can be let out, the line that this thread has begun included."""
        with self._lock:
            if begun := self._begun.pop(threading.get_ident(), ""):
                self.target.write(self._masking.feed(begun))
            self.target.flush()
            if self.target is not self.stream:
                self.stream.flush()

    def end(self) -> None:
        """Write out what was held back: nothing follows it."""
        with self._lock:
            self.target.write(self._masking.feed("".join(self._begun.values())) + self._masking.rest())
            self._begun.clear()

    def isatty(self) -> bool:
        """Say whether people look at it."""
        return self.target.isatty()

    def _forked(self) -> None:
        self._lock = threading.RLock()
        self._begun = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self.stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
