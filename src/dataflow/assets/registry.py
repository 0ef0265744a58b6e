"""The registry: one address that holds every build and every deployment, and changes nothing that it holds.

    objects/<sha256>             what was built, by its checksum
    <series>/<n>.json            numbered entries: builds/…, environments/…; the highest number is current
    <name>.json                  notes that are written once: what was made of which inputs

Everything is written only if it is not there yet (an exclusive create, which S3 and its like offer as a
conditional put), so any number of writers need no lock: of two that want the same number, one gets it and the
other takes the next.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from dataflow.assets.storage import CHUNK, Storage
from dataflow.errors import DataflowError, display_path
from dataflow.files import canonical_json, draft_of, sha256_of
from dataflow.home import home

if TYPE_CHECKING:
    from dataflow.workflow.project import Project

ENVIRONMENTS = "environments"
"""Below this stand the switches of environments."""

_NUMBERED = re.compile(r"([1-9][0-9]*)\.json")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Registry:
    """A registry at an address.

    Attributes:
        address: Where it is, with its protocol.
    """

    def __init__(self, address: str) -> None:
        """Check an address, as `Storage` does; nothing is read or created yet."""
        self._storage = Storage(address)
        self.address = self._storage.address

    def __repr__(self) -> str:
        return f"Registry({self.address!r})"

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine's disk, so that a look costs nothing."""
        return self.address.startswith("file://")

    # ---------------------------------------------------------------------------------------- objects

    def put(self, data: bytes | Path) -> str:
        """Keep bytes, or a file's, and return their checksum; those that are there already are not sent again.

        Raises:
            DataflowError: Others are there under this checksum, or the registry can't be written to.
        """
        sha256, size = _digest(data)
        name = f"objects/{sha256}"
        found = self._storage.size(name)
        if found is None:
            self._storage.create(name, data)
        elif found != size:
            raise self._corrupted(sha256, f"{found} bytes long instead of {size}")
        return sha256

    def has(self, sha256: str) -> bool:
        """Say whether there is an object with this checksum."""
        return self._storage.size(f"objects/{_checked(sha256)}") is not None

    def get(self, sha256: str) -> bytes:
        """Return an object's bytes.

        Raises:
            DataflowError: It is missing, or it is not what it was any more.
        """
        with self._object(sha256) as stream:
            data = stream.read()
        self._verify(sha256, hashlib.sha256(data).hexdigest())
        return data

    def fetch(self, sha256: str, to: Path) -> Path:
        """Write an object to a file: whole and checked, or not at all.

        Raises:
            DataflowError: It is missing, or it is not what it was any more.
        """
        to.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with draft_of(to) as draft:
            with draft.open("xb") as target, self._object(sha256) as stream:
                while chunk := stream.read(CHUNK):
                    digest.update(chunk)
                    target.write(chunk)
            self._verify(sha256, digest.hexdigest())
        return to

    # ----------------------------------------------------------------------------------------- series

    def append(self, series: str, make: Callable[[int], Mapping[str, Any]]) -> tuple[int, dict[str, Any]]:
        """Add an entry under the next number of a series; numbers are consecutive, from 1, and never given twice.

        Args:
            series: Such as `environments/production`.
            make: Given the number, returns the entry. Called again with the next one when another writer was
                faster; what it raises ends the attempt, with nothing written.

        Returns:
            The number and the entry.
        """
        number = max(self.numbers(series), default=0) + 1
        while True:
            entry = dict(make(number))
            if self._create_note(f"{series}/{number}", entry):
                return number, entry
            number += 1

    def latest(self, series: str) -> tuple[int, dict[str, Any]] | None:
        """Return the entry with the highest number; None when there is none."""
        number = max(self.numbers(series), default=0)
        return (number, self.entry(series, number)) if number else None

    def entry(self, series: str, number: int) -> dict[str, Any]:
        """Return one entry.

        Raises:
            DataflowError: There is none of this number, or it is not what was written.
        """
        entry = self.note(f"{series}/{number}")
        if entry is None:
            raise DataflowError(f"the registry has no {series}/{number}.json ({self.address})")
        return entry

    def entries(self, series: str) -> list[tuple[int, dict[str, Any]]]:
        """Return all entries, in the order of their numbers."""
        return [(number, self.entry(series, number)) for number in self.numbers(series)]

    def numbers(self, series: str) -> list[int]:
        """Return the numbers of a series' entries, in order."""
        names = (name for name, is_folder in self._storage.listed(series) if not is_folder)
        return sorted(int(found[1]) for name in names if (found := _NUMBERED.fullmatch(name)))

    def newest(self, prefix: str) -> dict[str, int]:
        """Return the highest number of each series just below a prefix, such as `environments`, at one look."""
        found: dict[str, int] = {}
        for name in self._storage.below(prefix):
            series, _, file = name.removeprefix(f"{prefix}/").rpartition("/")
            if "/" not in series and (number := _NUMBERED.fullmatch(file)):
                found[series] = max(found.get(series, 0), int(number[1]))
        return found

    def series(self, prefix: str) -> list[str]:
        """Return the series below a prefix, such as `builds/jar`, that hold an entry."""
        found = {name.rpartition("/") for name in self._storage.below(prefix)}
        return sorted({folder for folder, _, name in found if _NUMBERED.fullmatch(name)})

    def folders(self, prefix: str) -> list[str]:
        """Return the names of the folders just below a prefix, in the order of the alphabet."""
        return sorted(name for name, is_folder in self._storage.listed(prefix) if is_folder)

    # ------------------------------------------------------------------------------------------ notes

    def write_once(self, name: str, entry: Mapping[str, Any]) -> bool:
        """Write a note, unless there is one of this name: then leave it, and return False."""
        return self._create_note(name, entry)

    def note(self, name: str) -> dict[str, Any] | None:
        """Return a note; None when there is none of this name.

        Raises:
            DataflowError: It is not what was written.
        """
        try:
            data = self._storage.read(f"{name}.json")
        except FileNotFoundError:
            return None
        return self._read_note(name, data)["entry"]  # type: ignore[no-any-return]

    def _create_note(self, name: str, entry: Mapping[str, Any]) -> bool:
        # A store's client that heard no answer asks again, and then meets what it wrote itself: the mark tells.
        mark = secrets.token_hex(8)
        text = canonical_json(entry)
        data = canonical_json({"entry": entry, "sha256": hashlib.sha256(text).hexdigest(), "mark": mark})
        if self._storage.create(f"{name}.json", data):
            return True
        there = self._read_note(name, self._storage.read(f"{name}.json"))
        return bool(there["mark"] == mark)

    def _read_note(self, name: str, data: bytes) -> dict[str, Any]:
        try:
            found = json.loads(data)
            intact = hashlib.sha256(canonical_json(found["entry"])).hexdigest() == found["sha256"] and "mark" in found
        except (ValueError, KeyError, TypeError):
            intact = False
        if not intact:
            raise DataflowError(
                f"{name}.json in the registry is corrupted: it is not what was written ({self.address})",
                "put it back from a backup; nothing rewrites what a registry holds",
                permanent=True,
            )
        return found  # type: ignore[no-any-return]

    @contextlib.contextmanager
    def _object(self, sha256: str) -> Iterator[IO[bytes]]:
        try:
            with self._storage.opened(f"objects/{_checked(sha256)}") as stream:
                yield stream
        except FileNotFoundError:
            raise DataflowError(
                f"object {sha256} is missing in the registry ({self.address})",
                "put it back from a backup, or deploy again what it was built from",
            ) from None

    def _verify(self, expected: str, actual: str) -> None:
        if actual != expected:
            raise self._corrupted(expected, f"its checksum is now {actual}")

    def _corrupted(self, sha256: str, how: str) -> DataflowError:
        return DataflowError(
            f"object {sha256} in the registry is corrupted: {how} ({self.address})",
            "put it back from a backup; or remove it there, and deploy again what it was built from",
            permanent=True,
        )


def open_registry(project: Project | None = None) -> Registry:
    """Return a project's registry: `DATAFLOW_REGISTRY`, what `dataflow.yaml` says, or a folder of the Dataflow home."""
    address = os.environ.get("DATAFLOW_REGISTRY")
    if not address and project is not None and project.registry:
        address = project.registry
        if "://" not in address and project.file is not None:
            address = str(project.file.parent / Path(address).expanduser())
    return Registry(address or str(home() / "registry"))


def _digest(data: bytes | Path) -> tuple[str, int]:
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest(), len(data)
    try:
        return sha256_of(data), data.stat().st_size
    except OSError as error:
        raise DataflowError(f"can't read {display_path(data)}: {error.strerror}") from None


def _checked(sha256: str) -> str:
    if not _SHA256.fullmatch(sha256):
        raise DataflowError(f"'{sha256}' is not a SHA-256 checksum", permanent=True)
    return sha256
