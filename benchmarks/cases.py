"""What is measured, against what, and how fast it is meant to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.bench import DAYS, Bench
from benchmarks.measure import in_turns, peak_megabytes, seconds

Report = Callable[[str], None]


@dataclass(frozen=True)
class Figure:
    """One measured claim.

    Attributes:
        what: What was measured.
        ours: Dataflow's median.
        target: What it, or its ratio to the other one, must not exceed.
        unit: `s` or `MB`.
        against: What it is compared with; nothing for an absolute target.
        theirs: The other one's median.
    """

    what: str
    ours: float
    target: float
    unit: str = "s"
    against: str = ""
    theirs: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours over theirs."""
        return None if self.theirs is None else self.ours / self.theirs

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        return (self.ours if self.ratio is None else self.ratio) <= self.target


def commands(bench: Bench, runs: int, report: Report) -> Iterator[Figure]:
    """The commands that one waits for without having asked for work."""
    measured = {
        "dataflow --help": (bench.dataflow(("--help",)), 0.3),
        "dataflow --version": (bench.dataflow(("--version",)), 0.3),
        "generating a package": (bench.generate(bench.folder / "another"), 1.0),
    }
    medians = in_turns({name: command for name, (command, _) in measured.items()}, max(runs, 5), seconds, report)
    for name, (_, target) in measured.items():
        yield Figure(name, medians[name], target)


def main_run(bench: Bench, runs: int, report: Report) -> Iterator[Figure]:
    """One day: 400,000 source rows, table and source there already."""
    medians = in_turns(
        {
            "bare": bench.bare(DAYS[0]),
            "plain": bench.main_run(DAYS[0], archive=False),
            "archive": bench.main_run(DAYS[0]),
        },
        runs, seconds, report,
    )  # fmt: skip
    against, bare = "bare PySpark script", medians["bare"]
    yield Figure("main run, no class-data archive", medians["plain"], 1.0, "s", against, bare)
    yield Figure("main run, with the archive", medians["archive"], 0.6, "s", against, bare)


def backfill(bench: Bench, runs: int, report: Report) -> Iterator[Figure]:
    """Fourteen days in one session, by hand in one session, and in a process each."""
    medians = in_turns(
        {
            "bare": bench.bare(*DAYS),
            "plain": bench.backfill(archive=False),
            "archive": bench.backfill(),
            "processes": bench.main_run(*DAYS),
        },
        runs, seconds, report,
    )  # fmt: skip
    days, loop = f"{len(DAYS)}-day backfill", "bare loop, one session"
    yield Figure(f"{days}, no class-data archive", medians["plain"], 1.25, "s", loop, medians["bare"])
    yield Figure(f"{days}, with the archive", medians["archive"], 1.25, "s", loop, medians["bare"])
    processes = f"{len(DAYS)} runs, one process each"
    yield Figure(f"{days}, with the archive", medians["archive"], 0.3, "s", processes, medians["processes"])


def memory(bench: Bench, runs: int, report: Report) -> Iterator[Figure]:
    """Peak of the driver's JVM and Python together, equal `-Xmx`."""
    medians = in_turns(
        {
            "bare": bench.bare(DAYS[0]),
            "plain": bench.main_run(DAYS[0], archive=False),
            "archive": bench.main_run(DAYS[0]),
        },
        runs, peak_megabytes, report,
    )  # fmt: skip
    against, bare = "bare PySpark script", medians["bare"]
    yield Figure("peak memory, no class-data archive", medians["plain"], 1.25, "MB", against, bare)
    yield Figure("peak memory, with the archive", medians["archive"], 1.25, "MB", against, bare)


CASES = {"commands": commands, "main": main_run, "backfill": backfill, "memory": memory}
