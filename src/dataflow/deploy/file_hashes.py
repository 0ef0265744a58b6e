"""Checksums of files, and a cache in the Dataflow home of results that depend on nothing but files."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from dataflow.errors import DataflowError, display_path
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
                with open(text, "rb") as stream:  # noqa: PTH123 - thousands of them
                    self._known[text] = hashlib.file_digest(stream, "sha256").hexdigest()
            except OSError as error:
                raise DataflowError(f"can't read {display_path(Path(path))}: {error.strerror}") from None
        return self._known[text]

    def forget(self, path: Path) -> None:
        """Forget a file whose content has changed."""
        self._known.pop(os.fspath(path), None)


def read_cached(kind: str, key: str, model: type[M]) -> M | None:
    """Return the cached value of a key; None where there is none that can be read."""
    try:
        return model.model_validate_json((subfolder("cache", kind) / f"{key}.json").read_bytes())
    except (OSError, ValidationError):
        return None


def write_cached(kind: str, key: str, value: BaseModel) -> None:
    """Cache a value under a key."""
    _write(subfolder("cache", kind) / f"{key}.json", value.model_dump_json(exclude_defaults=True))


def _write(file: Path, text: str) -> None:
    """Write a file whole or not at all; that it can't be written costs time alone."""
    with contextlib.suppress(OSError):
        handle, draft = tempfile.mkstemp(prefix=".part-", dir=file.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            os.replace(draft, file)  # noqa: PTH105
        except BaseException:
            os.unlink(draft)  # noqa: PTH108
            raise
