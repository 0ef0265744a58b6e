"""Which reader a file needs, by its name or as the user says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dataflow.errors import UsageError, broken_link, display_path
from dataflow.loading.chunks import Reader
from dataflow.loading.csv_file import CsvFile
from dataflow.loading.json_file import JsonFile
from dataflow.loading.parquet_file import ParquetFile

FORMATS = {
    "csv": (".csv", ".tsv", ".txt"),
    "json": (".json", ".jsonl", ".ndjson"),
    "parquet": (".parquet", ".pq"),
}
"""The formats, and what the names of their files end with."""

_PACKED = ".gz"


def readers_of(files: Sequence[Path], format_: str | None, delimiter: str | None) -> list[Reader]:
    """Return a reader for each file.

    Args:
        files: The files.
        format_: Their format; by their names when omitted.
        delimiter: What stands between the fields of CSV; seen in the first rows when omitted.

    Raises:
        UsageError: A file is not there, or nobody knows its format.
    """
    if delimiter is not None and len(delimiter) != 1:
        raise UsageError(f"--delimiter {delimiter!r} is not one character", r"a tab is written --delimiter $'\t'")
    if twice := next((it for it in files if files.count(it) > 1), None):
        raise UsageError(f"{display_path(twice)} is named twice")
    return [_reader(file, format_, delimiter) for file in files]


def looks_like_a_file(name: str) -> bool:
    """Say whether a table's name is rather that of a file, which somebody forgot to write a table behind."""
    return Path(name).is_file() or Path(name.lower()).suffix in {*sum(FORMATS.values(), ()), _PACKED}


def _reader(file: Path, format_: str | None, delimiter: str | None) -> Reader:
    if not file.is_file():
        why = "is a folder: name its files" if file.is_dir() else "is not there"
        raise UsageError(broken_link(file) or f"{display_path(file)} {why}")
    match format_ or _format(file):
        case "csv":
            return CsvFile(file, delimiter)
        case "json":
            return JsonFile(file)
    return ParquetFile(file)


def _format(file: Path) -> str:
    suffix = Path(file.name.lower().removesuffix(_PACKED)).suffix
    for name, suffixes in FORMATS.items():
        if suffix in suffixes:
            return name
    raise UsageError(
        f"{display_path(file)}: nobody can tell its format by its name", f"say it: --format {'|'.join(FORMATS)}"
    )
