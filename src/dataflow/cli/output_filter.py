"""What programs write by themselves to a command's standard output and error, masked as its own words are.

Once a command knows a secret, its file descriptors 1 and 2 lead into a process of its own, this module, that masks what
comes and passes it on; what the command itself prints goes straight on. A process, as a thread could not read while C
code that writes holds Python's lock, and as programs left in the background write on when the command is over.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence

from dataflow.secret import MaskedStream, Masking, learn, listen

_ENDS_WITHIN = 5.0  # seconds in which all that was written is shown, on a busy machine as well
_CHUNK = 65536
_NOT_FOR_IT = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTTOU, signal.SIGPIPE}
"""The filter has to show what others say when these come."""


class Filter:
    """The filter of a command, which begins with the first secret that it learns.

    Args:
        streams: Its standard output and error, of those that are open.
    """

    def __init__(self, streams: Sequence[MaskedStream]) -> None:
        self._streams = {number: it for it in streams if (number := _number(it)) in (1, 2)}
        self._process: subprocess.Popen[bytes] | None = None
        self._real: dict[int, int] = {}

    def begin(self) -> None:
        """Wait for the first secret."""
        if self._streams:
            listen(self._learned)

    def end(self) -> None:
        """Give the streams back; what programs wrote until now is shown first."""
        listen(None)
        for stream in self._streams.values():
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
            stream.target = stream.stream
        for number, real in self._real.items():
            os.dup2(real, number)
            os.close(real)
        self._real = {}
        process = self._process
        if process is not None and process.stdin is not None and process.stdout is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
                select.select([process.stdout], [], [], _ENDS_WITHIN)  # it closes that once all is shown
            process.stdout.close()

    def _learned(self, values: frozenset[str]) -> None:
        """Send them to the filter, before anybody can print them."""
        try:
            if self._process is None:
                self._process = self._start()
            if self._process.stdin is not None:
                self._process.stdin.write(json.dumps(sorted(values)).encode() + b"\n")
                self._process.stdin.flush()
        except OSError as error:
            cause = error.strerror or type(error).__name__
            sys.stderr.write(f"warning: what programs print by themselves is not masked: {cause}\n")
            self._streams = {}

    def _start(self) -> subprocess.Popen[bytes]:
        for stream in self._streams.values():
            with contextlib.suppress(OSError, ValueError):  # a full disk is reported when the command ends
                stream.flush()
        real = {number: os.dup(number) for number in self._streams}
        numbers = list(real)
        if len(numbers) == 2 and os.path.sameopenfile(*numbers):  # in the order written
            ways = dict.fromkeys(numbers, _way(numbers[0]))
        else:
            ways = {number: _way(number) for number in numbers}
        pairs = {source: number for number, (source, _) in reversed(ways.items())}
        command = [sys.executable, "-P", "-m", __spec__.name, *(f"{source}:{real[it]}" for source, it in pairs.items())]
        before = signal.pthread_sigmask(
            signal.SIG_BLOCK, _NOT_FOR_IT
        )  # it starts with these blocked, and keeps them so
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[*pairs, *real.values()]
            )
        except BaseException:
            for number in real.values():
                os.close(number)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            for source in pairs:
                os.close(source)
        for number, (_, entrance) in ways.items():
            os.dup2(entrance, number)
            stream = self._streams[number]
            stream.target = open(  # noqa: SIM115, PTH123 - as long as the command runs
                os.dup(real[number]), "w", encoding=stream.encoding, errors=stream.errors, buffering=1
            )
        for entrance in {entrance for _, entrance in ways.values()}:
            os.close(entrance)
        self._real = real
        return process


def _number(stream: MaskedStream) -> int | None:
    try:
        return int(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return None


def _way(number: int) -> tuple[int, int]:
    """Return both ends of what takes a descriptor's place: a terminal for a terminal, so that programs see one."""
    if not os.isatty(number):
        return os.pipe()
    import pty
    import tty

    source, entrance = pty.openpty()
    tty.setraw(entrance)
    _resize(number, source)
    return source, entrance


def _resize(real: int, source: int) -> None:
    import fcntl
    import termios

    with contextlib.suppress(OSError):
        fcntl.ioctl(source, termios.TIOCSWINSZ, fcntl.ioctl(real, termios.TIOCGWINSZ, bytes(8)))


# ------------------------------------------------------------------------------ the process


def main() -> None:
    """Pass on what comes, masked, until all that write are gone; values to mask come line by line from stdin."""
    pairs = {int(source): int(real) for source, real in (it.split(":") for it in sys.argv[1:])}

    def resized(*_: object) -> None:
        for source, real in pairs.items():
            if os.isatty(source):
                _resize(real, source)

    signal.signal(signal.SIGWINCH, resized)
    passing = {source: _Passing(source, real) for source, real in pairs.items()}
    values = _Values()
    is_over = False
    while passing:
        ready, _, _ = select.select([*passing, *values.open], [], [], None if values.open or is_over else 0)
        values.read()  # first: what comes may hold what was just learned
        if not ready and not is_over:
            os.close(1)  # the command waits for this
            is_over = True
        for source in ready:
            if source in passing and not passing[source].pass_on():
                os.close(source)
                del passing[source]


class _Values:
    """What is to be masked, as the command learns it."""

    def __init__(self) -> None:
        self.open = [0]
        self._begun = b""
        os.set_blocking(0, False)

    def read(self) -> None:
        """Learn what came since, without waiting."""
        while self.open:
            try:
                data = os.read(0, _CHUNK)
            except BlockingIOError:
                return
            if not data:
                self.open = []
            *lines, self._begun = (self._begun + data).split(b"\n")
            for line in lines:
                for value in json.loads(line):
                    learn(value)


class _Passing:
    """One way from programs to what they mean to write to."""

    def __init__(self, source: int, real: int) -> None:
        self._source, self._real = source, real
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._masking = Masking()

    def pass_on(self) -> bool:
        """Pass on what is there; say whether there may be more."""
        try:
            data = os.read(self._source, _CHUNK)
        except OSError:  # a terminal that nobody has open any more
            data = b""
        text = self._masking.feed(self._decoder.decode(data, final=not data))
        if not data:
            text += self._masking.rest()
        return _written(self._real, text.encode("utf-8", "surrogateescape")) and bool(data)


def _written(real: int, data: bytes) -> bool:
    while data:
        try:
            data = data[os.write(real, data) :]
        except BlockingIOError:
            select.select([], [real], [])
        except OSError:  # the reader had enough: so have those that write
            return False
    return True


if __name__ == "__main__":
    main()
