"""The table of figures, for the terminal and for RESULTS.md."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import elsewhere
from benchmarks.cases import CASES, Figure

FILE = Path(__file__).with_name("RESULTS.md")
_SECTION = "## "
_HEAD = """\
# Measured side by side

Made by `nox -s benchmarks`, with the names of cases for some of them; do not edit. Whole processes, by turns in one
session; the median of at least the runs that each command names.
The wall time is the user's: a JVM of Dataflow's ends behind the command, and the next run waits for that.
The bare script is `benchmarks/bare_main.py`: the same work by hand, on Spark's default settings.
Other tools' unit tests are in `benchmarks/rivals`, on their defaults. A next test is a ninth of what ten take
beyond one.
"""
_HEADER = ("measured", "dataflow", "compared with", "its figure", "ratio", "target", "met")


def rows(figures: Sequence[Figure]) -> list[tuple[str, ...]]:
    """Return the figures as text, a row each."""
    return [
        (
            figure.what,
            _amount(figure.ours, figure.unit),
            figure.against or "-",
            "-" if figure.theirs is None else _amount(figure.theirs, figure.unit),
            "-" if figure.ratio is None else f"{figure.ratio:.2f}",
            _target(figure),
            "-" if figure.target is None else "yes" if figure.met else "no",
        )
        for figure in figures
    ]


def _target(figure: Figure) -> str:
    if figure.target is None:
        return "-"
    return f"≤ {figure.target:g}" + (f" {figure.unit}" if figure.ratio is None else "")


def show(figures: Sequence[Figure]) -> None:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*_HEADER)
    for row in rows(figures):
        table.add_row(*row)
    Console(width=140).print(table)


def write(measured: Mapping[str, Sequence[Figure]], runs: int) -> None:
    """Write what was measured into RESULTS.md: a section for each case, with where, when and how; others stay."""
    sections = {**_sections(), **{case: _section(case, figures, runs) for case, figures in measured.items()}}
    ordered = [case for case in CASES if case in sections]
    unfinished = FILE.with_suffix(".tmp")
    unfinished.write_text("\n".join([_HEAD, *(sections[case] for case in ordered)]), encoding="utf-8")
    unfinished.replace(FILE)


def _sections() -> dict[str, str]:
    """Return the sections that RESULTS.md has, by case."""
    parts = FILE.read_text(encoding="utf-8").split(_SECTION)[1:] if FILE.exists() else []
    return {part.partition("\n")[0]: f"{_SECTION}{part}".rstrip("\n") + "\n" for part in parts}


def _section(case: str, figures: Sequence[Figure], runs: int) -> str:
    lines = [
        f"{_SECTION}{case}",
        "",
        f"`nox -s benchmarks -- {case} --runs {runs}`",
        "",
        _markdown(_HEADER),
        _markdown(["---"] * len(_HEADER)),
        *map(_markdown, rows(figures)),
        "",
        *(f"- {name}: {value}" for name, value in _circumstances().items()),
        "",
    ]
    return "\n".join(lines)


def _circumstances() -> dict[str, str]:
    ours = [f"{name} {importlib.metadata.version(name)}" for name in ("dataflow-recipes", "pyspark")]
    java = subprocess.run(
        [shutil.which("java") or "java", "-version"], capture_output=True, text=True, check=False
    ).stderr.partition("\n")[0]
    return {
        "Date": f"{dt.datetime.now(dt.UTC):%Y-%m-%d}",
        "Machine": f"{os.cpu_count()} cores, {_memory_gib():.0f} GiB, {platform.system()} {platform.machine()}; "
        f"load average at the end {os.getloadavg()[0]:.1f}",
        "Versions": ", ".join([*ours, f"Python {platform.python_version()}", java.replace('"', "")]),
        "Compared with": ", ".join(elsewhere.versions()),
    }


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3


def _amount(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if unit == "MB" else f"{value:.2f} {unit}"


def _markdown(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
