"""How right lineage is: the statements of `tests/lineage/corpus`, by what Spark's plans tell and by their text alone.

`python -m benchmarks.accuracy` measures it by itself; `python -m benchmarks accuracy` does so beside other cases.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.lineage.model import TableWrite
from tests.support import lineage_corpus as corpus

if TYPE_CHECKING:
    from benchmarks.cases import Figure
    from tests.support.lineage_corpus import Case

_AT_MOST = {"missed": 0.0, "wrong": 2.0, "missed deciding": 1.0}


def figures(report) -> Iterator[Figure]:
    """Yield in percent how much is missed and how much is wrong, of recorded and of static lineage."""
    from dataflow.testing.session import small_session

    with tempfile.TemporaryDirectory() as folder, small_session(Path(folder) / "log", report, Path(folder)) as spark:
        corpus.make_tables(spark)
        yield from _scored("recorded", {case: corpus.recorded(spark, case) for case in corpus.cases() if case.recorded})
    yield from _scored("static", {case: corpus.static(case) for case in corpus.cases() if case.static})


def _scored(way: str, found: Mapping[Case, Mapping[str, TableWrite]]) -> Iterator[Figure]:
    from benchmarks.cases import Figure

    direct, deciding = corpus.Score(), corpus.Score()
    for case, writes in found.items():
        direct.add(case.direct, corpus.all_direct(writes))
        deciding.add(case.deciders, corpus.all_deciders(writes))
    of = f"of {len(found)} statements, {way}"
    targets = _AT_MOST if way == "recorded" else dict.fromkeys(_AT_MOST)
    yield Figure(f"direct pairs missed {of}", 100 * (1 - direct.recall), targets["missed"], "%")
    yield Figure(f"direct pairs that are wrong {of}", 100 * (1 - direct.precision), targets["wrong"], "%")
    yield Figure(f"deciding columns missed {of}", 100 * (1 - deciding.recall), targets["missed deciding"], "%")
    yield Figure(f"deciding columns that are wrong {of}", 100 * (1 - deciding.precision), None, "%")


def main() -> None:
    """Measure, print, and keep the figures in RESULTS.md."""
    from benchmarks import results

    measured = list(figures(print))
    results.show(measured)
    results.write({"accuracy": measured}, 1)
    if missed := [figure.what for figure in measured if not figure.met]:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
