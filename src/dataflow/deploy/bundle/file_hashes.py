"""Checksums of files, and a cache in the Dataflow home of results that depend on nothing but files."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from dataflow.errors import DataflowError, display_path
from dataflow.files import sha256_of, write_file
from dataflow.home import subfolder

M = TypeVar("M", bound=BaseModel)


class FileHashCache:
    """Checksums of files, each read once; hashing takes hardly longer than asking whether a file changed."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, path: Path | str) -> str:
        """Return the checksum of a file.

        Raises:
            DataflowError: It can't be read.
        """
        text = os.fspath(path)
        if text not in self._known:
            try:
                self._known[text] = sha256_of(text)
            except OSError as error:
                raise DataflowError(f"can't read {display_path(Path(path))}: {error.strerror}") from None
        return self._known[text]

    def forget(self, path: Path) -> None:
        """Forget a file whose content has changed."""
        self._known.pop(os.fspath(path), None)


def read_cached(kind: str, key: str, model: type[M]) -> M | None:
    """Return the cached value of a key; None where there is none that can be read."""
    file = subfolder("cache", kind) / f"{key}.json"
    try:
        found = model.model_validate_json(file.read_bytes())
        os.utime(file)  # it is in use: what is not for long is pruned
        return found
    except (OSError, ValidationError):
        return None


def write_cached(kind: str, key: str, value: BaseModel) -> None:
    """Cache a value under a key; where that fails, it only costs time."""
    file = subfolder("cache", kind) / f"{key}.json"
    with contextlib.suppress(OSError):
        write_file(file, value.model_dump_json(exclude_defaults=True), mode=0o600)
