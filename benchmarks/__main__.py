"""Measure the speed claims: `python -m benchmarks [CASE ...] [--runs N]`. Each case has its section of RESULTS.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import results
from benchmarks.bench import Bench
from benchmarks.cases import CASES, SLOW, Figure
from benchmarks.measure import RunFailed


def main() -> None:
    """Measure; exit with 1 when a run fails or a claim does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    some = f"some of {', '.join(CASES)}; without any all but {' and '.join(SLOW)}"
    parser.add_argument("cases", nargs="*", metavar="CASE", help=some)
    parser.add_argument("--runs", type=int, default=3, help="runs of each command (default: 3)")
    given = parser.parse_args()
    if unknown := set(given.cases) - set(CASES):
        parser.error(f"no case is called {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    chosen = given.cases or [case for case in CASES if case not in SLOW]
    try:
        with tempfile.TemporaryDirectory(prefix="dataflow-benchmarks-") as folder:
            figures = _measured(Bench(Path(folder)), chosen, given.runs)
    except RunFailed as error:
        sys.exit(f"error: {error}")
    results.show([figure for found in figures.values() for figure in found])
    results.write(figures, given.runs)
    if missed := [figure.what for found in figures.values() for figure in found if not figure.met]:
        sys.exit(f"missed: {', '.join(missed)}")


def _measured(bench: Bench, cases: list[str], runs: int) -> dict[str, list[Figure]]:
    print("preparing: package, source, tables, class-data archive", flush=True)
    bench.prepare()
    figures: dict[str, list[Figure]] = {}
    for case in cases:
        print(case, flush=True)
        figures[case] = list(CASES[case](bench, runs, lambda line: print(line, flush=True)))
        if case in {"main", "big-day", "huge-day", "backfill", "year"}:
            bench.compare()
    return figures


if __name__ == "__main__":
    main()
