"""Git LFS: a commit holds a pointer, a few lines that name what belongs there by checksum and size."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from dataflow import git

MARK = b"version https://git-lfs.github.com/spec/v1\n"
LIMIT = 1024
"""No pointer is longer, as its specification says."""

_OID = re.compile(rb"^oid sha256:([0-9a-f]{64})$", re.M)
_SIZE = re.compile(rb"^size ([0-9]+)$", re.M)


@dataclass(frozen=True)
class Pointer:
    """What belongs in the place of a pointer.

    Attributes:
        sha256: Its checksum.
        size: Its size in bytes.
    """

    sha256: str
    size: int

    @classmethod
    def parse(cls, data: bytes) -> Pointer | None:
        """Read a pointer; None where it is none."""
        data = data.replace(b"\r\n", b"\n") if len(data) < LIMIT else b""
        if not data.startswith(MARK):
            return None
        oid, size = _OID.search(data), _SIZE.search(data)
        return cls(oid[1].decode(), int(size[1])) if oid and size else None

    def is_of(self, data: bytes) -> bool:
        """Say whether this is what it stands for."""
        return len(data) == self.size and hashlib.sha256(data).hexdigest() == self.sha256


def stored(repository: Path, pointer: Pointer) -> bytes | None:
    """Return what a repository's own store has for a pointer; None where it has nothing, or something else."""
    place = git.ask(repository, "config", "lfs.storage") or "lfs"
    common = git.ask(repository, "rev-parse", "--path-format=absolute", "--git-common-dir") or ".git"
    folder = Path(common, place, "objects", pointer.sha256[:2], pointer.sha256[2:4])
    try:
        data = (folder / pointer.sha256).read_bytes()
    except OSError:
        return None
    return data if pointer.is_of(data) else None


def filtered(repository: Path, commit: str, name: str, pointer: Pointer) -> bytes | None:
    """Return what git's own filter makes of a pointer, which may fetch it; None where the content does not match."""
    answer = git.run(repository, "cat-file", "--filters", f"{commit}:{name}", timeout=900)
    return answer.data if answer.code == 0 and pointer.is_of(answer.data) else None
