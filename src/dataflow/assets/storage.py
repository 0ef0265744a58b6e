"""Files at an fsspec address that are written once: only if they are not there yet, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from dataflow.errors import DataflowError, UsageError, first_line
from dataflow.files import create_file
from dataflow.secret import learn_address, without_credentials

CHUNK = 1 << 20
_DAY = 24 * 3600
_LONGEST = 250  # bytes of a part of a name; file systems take 255
_PIECE = 200
_GOES_ON = "~+"  # stands in no part of an id
_DRAFTS = ".drafts"
_DRIVERS = {  # those whose file systems create exclusively; any other one would only look first, and lose a race
    "file": None,
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "az": "adlfs",
}


def spelled(name: str) -> str:
    """Spell a name so that no part of it is longer than file systems allow: what is too long goes on in a folder."""
    if len(name) <= _LONGEST:
        return name
    return "/".join(_parted(part) for part in name.split("/"))


def _parted(part: str) -> str:
    if len(part.encode()) <= _LONGEST:
        return part
    pieces = [part[start : start + _PIECE] for start in range(0, len(part), _PIECE)]
    return f"{_GOES_ON}/".join(pieces)


class Storage:
    """A folder of files at an address; their names use `/`.

    Attributes:
        address: Where it is, with its protocol.
    """

    def __init__(self, address: str) -> None:
        """Check an address; nothing is read or created yet.

        Args:
            address: Such as `file:///srv/registry`, `s3://bucket/folder`, or a path.

        Raises:
            UsageError: Its protocol is none that can create a file exclusively.
        """
        protocol, separator, rest = address.partition("://")
        if not separator:
            protocol, rest = "file", str(Path(address).expanduser().absolute())
        shown = without_credentials(learn_address(address))
        if protocol not in _DRIVERS:
            known = ", ".join(f"{it}://" for it in _DRIVERS)
            raise UsageError(f"a registry can't be at '{shown}'", f"it may be at a path, or at {known}")
        if shown != address:  # it is recorded with each deployment
            raise UsageError(
                f"the address of the registry at {shown} holds credentials",
                "put them where its driver looks, such as AWS_ACCESS_KEY_ID",
            )
        self.address = f"{protocol}://{rest.rstrip('/')}"
        self._protocol = protocol
        self._base = rest.rstrip("/")

    @cached_property
    def fs(self) -> Any:
        """The file system.

        Raises:
            DataflowError: Its driver is not installed.
        """
        import fsspec

        try:
            # A cached listing would not show what another process has just written.
            return fsspec.filesystem(self._protocol, use_listings_cache=False, skip_instance_cache=True)
        except ImportError:
            driver = _DRIVERS[self._protocol]
            raise DataflowError(f"a registry at {self._protocol}:// needs {driver}", f"pip install {driver}") from None

    def path(self, name: str) -> str:
        """Return where a file is, as the file system has it."""
        return f"{self._base}/{spelled(name)}".rstrip("/")

    def create(self, name: str, data: bytes | Path) -> bool:
        """Write a file unless there is one; return whether it was written.

        Args:
            name: Its name.
            data: What it is to hold, or a local file that holds it.
        """
        path = self.path(name)
        try:
            with self._translated_errors():
                if self._protocol == "file":
                    self._create_locally(data, Path(path))
                else:
                    self._send(data, path)
        except FileExistsError:
            return False
        except FileNotFoundError as error:
            raise DataflowError(f"the registry at {self.address} can't be written to: {error}") from error
        return True

    def read(self, name: str) -> bytes:
        """Return what a file holds.

        Raises:
            FileNotFoundError: There is none.
        """
        with self._translated_errors():
            data: bytes = self.fs.cat_file(self.path(name))
        return data

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file for reading.

        Raises:
            FileNotFoundError: There is none.
        """
        with self._translated_errors(), self.fs.open(self.path(name), "rb") as stream:
            yield stream

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes; None when there is none."""
        try:
            with self._translated_errors():
                return int(self.fs.size(self.path(name)))
        except FileNotFoundError:
            return None

    def listed(self, folder: str) -> list[tuple[str, bool]]:
        """Return the names in a folder, each with whether it is a folder itself."""
        found = []
        for name, is_folder in self._listed(folder):
            if is_folder and name.endswith(_GOES_ON):  # the beginning of longer names
                start = name.removesuffix(_GOES_ON)
                found += [(start + rest, more) for rest, more in self.listed(f"{folder}/{name}".lstrip("/"))]
            else:
                found.append((name, is_folder))
        return found

    def _listed(self, folder: str) -> list[tuple[str, bool]]:
        if self._protocol == "file":
            try:
                with os.scandir(self.path(folder)) as found:
                    return [(it.name, it.is_dir()) for it in found]
            except (FileNotFoundError, NotADirectoryError):
                return []
        try:
            with self._translated_errors():
                listed = self.fs.ls(self.path(folder), detail=True, refresh=True)
        except FileNotFoundError:
            return []
        return [(str(it["name"]).rpartition("/")[2], it["type"] == "directory") for it in listed]

    def below(self, prefix: str) -> Iterator[str]:
        """Yield the names of all files below a folder."""
        if self._protocol == "file":  # without fsspec, whose import takes longer than looking
            files = [os.path.join(folder, name) for folder, _, names in os.walk(self.path(prefix)) for name in names]  # noqa: PTH118
        else:
            with self._translated_errors():
                files = self.fs.find(self.path(prefix))
        start = len(self.path("")) + 1
        yield from (str(file)[start:].replace(f"{_GOES_ON}/", "") for file in files)

    @contextlib.contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Turn an error of the storage into one message; whether a file exists is an answer, and stays as it is."""
        try:
            yield
        except (FileNotFoundError, FileExistsError, DataflowError):
            raise
        except Exception as error:  # each client has exceptions of its own
            raise DataflowError(f"the registry at {self.address} can't be used: {first_line(error)}") from error

    def _create_locally(self, data: bytes | Path, path: Path) -> None:
        drafts = Path(self.path(_DRAFTS))
        for folder in (path.parent, drafts):
            folder.mkdir(parents=True, exist_ok=True)
        _tidy(drafts)
        create_file(path, data, drafts=drafts, durable=True)  # nothing is ever written here again

    def _send(self, data: bytes | Path, path: str) -> None:
        """Put a file that must not be there yet; where S3 can't tell who was first (409), ask again."""
        from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

        put = self.fs.put_file if isinstance(data, Path) else self.fs.pipe_file
        arguments = (str(data), path) if isinstance(data, Path) else (path, data)
        undecided = retry_if_exception(lambda error: _s3_code(error) == "ConditionalRequestConflict")
        waits = wait_random_exponential(multiplier=0.05, max=2)
        try:
            for attempt in Retrying(retry=undecided, wait=waits, stop=stop_after_attempt(20), reraise=True):
                with attempt:
                    put(*arguments, mode="create")
        except OSError as error:
            if _s3_code(error) == "PreconditionFailed":  # s3fs knows it by a field that not every S3 has
                raise FileExistsError(path) from error
            raise


def _s3_code(error: BaseException) -> str:
    """Return what S3 calls an error; an empty text for any other."""
    answer = getattr(error.__cause__ or error, "response", None)
    return str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, dict) else ""


def _tidy(drafts: Path) -> None:
    """Remove what writers that were killed have left, long after any could still be at it."""
    for left in drafts.iterdir():
        with contextlib.suppress(OSError):  # another one tidies as well
            if left.stat().st_mtime < time.time() - _DAY:
                left.unlink()
