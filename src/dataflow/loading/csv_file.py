"""CSV: fields that may hold quotes, delimiters and line breaks, each row with the line that it begins on."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from dataflow.errors import UsageError, display_path
from dataflow.loading.chunks import ROWS, BadRows, Chunk, require_names
from dataflow.loading.text_files import is_utf8, opened
from dataflow.tables.schema.spark_types import SqlType
from dataflow.wording import plural

DELIMITERS = (",", ";", "\t", "|")
_LOOKED_AT = 20  # rows that a delimiter is guessed by
_LONGEST_FIELD = 16_000_000  # characters; a quote that is never closed would take the rest of the file


class CsvFile:
    """A CSV file, with a header.

    Attributes:
        path: The file.
        is_text: Whether it writes everything as text.
    """

    is_text = True

    def __init__(self, path: Path, delimiter: str | None = None) -> None:
        self.path = path
        self._delimiter = delimiter

    @property
    def types(self) -> Mapping[str, SqlType]:
        """None: a CSV file is text."""
        return {}

    @cached_property
    def delimiter(self) -> str:
        """What stands between its fields: what splits most of the first rows into as many as the header."""
        if self._delimiter:
            return self._delimiter
        return max(DELIMITERS, key=self._evenness)

    @cached_property
    def names(self) -> Sequence[str]:
        """The columns that its header names.

        Raises:
            UsageError: It has no header, or one that is not a header.
        """
        _, header = next(self._rows(self.delimiter), (0, []))
        names = [name.strip() for name in header]
        if not names:
            raise UsageError(f"{display_path(self.path)} is empty")
        if not is_utf8("".join(names)):
            raise UsageError(f"{display_path(self.path)}:1: the header is not UTF-8", "save the file as UTF-8")
        require_names(self.path, names)
        return names

    def chunks(self, bad: BadRows) -> Iterator[Chunk]:
        """Yield its rows; those with too few or too many fields, and what is not UTF-8, are noted."""
        rows = itertools.islice(self._rows(self.delimiter, bad), 1, None)
        good = ((line, row) for line, row in rows if self._is_good(line, row, bad))
        while some := list(itertools.islice(good, ROWS)):
            columns = zip(*(row for _, row in some), strict=True)
            texts = ([text or None for text in column] for column in columns)  # an empty field is a null
            yield Chunk(dict(zip(self.names, texts, strict=True)), [line for line, _ in some])

    def _is_good(self, line: int, row: Sequence[str], bad: BadRows) -> bool:
        if len(row) != len(self.names):
            bad.add(self.path, line, f"{plural(len(row), 'field')}, and the header names {len(self.names):,}")
        elif not is_utf8("".join(row)):
            bad.add(self.path, line, "is not UTF-8")
        else:
            return True
        return False

    def _rows(self, delimiter: str, bad: BadRows | None = None) -> Iterator[tuple[int, list[str]]]:
        """Yield the fields of each row that is not empty, with the line that it begins on."""
        csv.field_size_limit(_LONGEST_FIELD)
        with opened(self.path) as stream:
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            while True:
                line = reader.line_num + 1
                try:
                    row = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    if bad is not None:
                        bad.add(self.path, line, f"the quotes of this row are not right ({error})")
                    continue
                if row:
                    yield line, row

    def _evenness(self, delimiter: str) -> tuple[int, int]:
        """Say how many of the first rows a delimiter splits as it does the first, and into how many fields."""
        first = [len(row) for _, row in itertools.islice(self._rows(delimiter), _LOOKED_AT)]
        if not first or first[0] == 1:
            return 0, 0
        return sum(count == first[0] for count in first), first[0]
