"""What is measured, against what, and how fast it is meant to be."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

from benchmarks import (
    accuracy,
    changed_days,
    deployed,
    lineage_graph,
    mock_create,
    pages,
    python_environment,
    small_steps,
)
from benchmarks.bench import BIG_DAYS, DAYS, SOURCE, YEAR, Bench
from benchmarks.measure import Command, in_turns, peak_megabytes, seconds

Report = Callable[[str], None]


@dataclass(frozen=True)
class Figure:
    """One measured claim.

    Attributes:
        what: What was measured.
        ours: Dataflow's median.
        target: What it, or its ratio to the other one, must not exceed; None where the figure is there to be known.
        unit: `s`, `MB` or `%`.
        against: What it is compared with; nothing for an absolute target.
        theirs: The other one's median.
    """

    what: str
    ours: float
    target: float | None
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
        return self.target is None or (self.ours if self.ratio is None else self.ratio) <= self.target


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


def big_day(bench: Bench, runs: int, report: Report) -> Iterator[Figure]:
    """One day of 400,000 and one of 20 million source rows, with Comet and without, by hand and by SQLMesh."""
    for day, rows, target in ((DAYS[0], 400_000, 0.5), (BIG_DAYS[0], 20_000_000, 0.65)):
        _prepare_day(bench, day, rows, ("none", "comet"))
        ours = {"dataflow": "none", "dataflow with Comet": "comet", "dataflow, auto": "auto"}
        commands = _by_others(bench, day)
        commands |= {name: bench.accelerated_run(day, accelerator) for name, accelerator in ours.items()}
        yield from _held_to_bare(f"a day of {rows:,} rows", in_turns(commands, runs, seconds, report), target)


def huge_day(bench: Bench, runs: int, report: Report) -> Iterator[Figure]:
    """One day of 100 million source rows beside one of 20 million; BENCHMARK_HUGE_ROWS says how many instead.

    It takes the better part of an hour.
    """
    big, huge = BIG_DAYS
    big_rows, huge_rows = 20_000_000, int(os.environ.get("BENCHMARK_HUGE_ROWS", "100_000_000"))
    _prepare_day(bench, big, big_rows, ("auto",))
    _prepare_day(bench, huge, huge_rows, ("auto",))
    auto = {day: bench.accelerated_run(day, "auto") for day in BIG_DAYS}
    commands = _by_others(bench, huge) | {"dataflow, auto": auto[huge], "20 million": auto[big]}
    medians = in_turns(commands, runs, seconds, report)
    smaller = medians.pop("20 million")
    what, than = f"a day of {huge_rows:,} rows", f"a day of {big_rows:,}"
    yield from _held_to_bare(what, medians, None)
    each, before = (took / rows * 1e6 for took, rows in ((medians["dataflow, auto"], huge_rows), (smaller, big_rows)))
    yield Figure(f"{what}, a million of them", each, 1.0, "s", than, before)
    for processes, but, target in (("all processes", None, None), ("all but the JVM", "java", 1.1)):
        peaks = in_turns({str(day): auto[day] for day in BIG_DAYS}, 1, partial(peak_megabytes, but=but), report)
        yield Figure(f"{what}, peak memory of {processes}", peaks[str(huge)], target, "MB", than, peaks[str(big)])


def _prepare_day(bench: Bench, day: dt.date, rows: int, accelerators: Sequence[str]) -> None:
    """Make a day's source; make the archive of each class path, and fetch the jar; have its rows by hand."""
    seconds(bench.big_source(day, rows))
    for accelerator in accelerators:
        for _ in range(2):
            seconds(bench.accelerated_run(day, accelerator))
    seconds(bench.bare(day))


def _by_others(bench: Bench, day: dt.date) -> dict[str, Command]:
    """Return the commands that do a day's work by hand and by SQLMesh, whose rows are ours."""
    bench.sqlmesh.prepare()
    seconds(bench.sqlmesh.day(day))
    bench.compare_sqlmesh(day)
    return {
        "bare": bench.bare(day),
        "bare with Comet": bench.bare(day, comet=True),
        "SQLMesh on Spark": bench.sqlmesh.day(day),
    }


def _held_to_bare(what: str, medians: dict[str, float], target: float | None) -> Iterator[Figure]:
    """Yield the figure of `auto`, and those of all others, each beside the bare script's."""
    against, bare, ours = "bare PySpark script", medians["bare"], "dataflow, auto"
    yield Figure(f"{what}, accelerator auto", medians[ours], target, "s", against, bare)
    for name, took in medians.items():
        if name not in ("bare", ours):
            yield Figure(f"{what}, {name}", took, None, "s", against, bare)


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


def year(bench: Bench, runs: int, report: Report) -> Iterator[Figure]:
    """A year by `workflow backfill`, one day after the other and two at a time, and by hand in one session.

    It takes hours: each command runs once unless more is asked for, and BENCHMARK_DAYS=30 measures a month.
    """
    seconds(bench.source(YEAR))
    measured = {"bare": bench.bare(*YEAR), "one": bench.range(YEAR, 1), "two": bench.range(YEAR, 2)}
    medians = {name: it / len(YEAR) for name, it in in_turns(measured, min(runs, 1), seconds, report).items()}
    days, loop = f"a day of {len(YEAR)}", "bare loop, one session"
    yield Figure(f"{days}, one after the other", medians["one"], 1.0, "s", loop, medians["bare"])
    yield Figure(f"{days}, two at a time", medians["two"], 1.0, "s", loop, medians["bare"])
    yield Figure(f"{days}, two at a time", medians["two"], 1.0, "s", "one after the other", medians["one"])


def query(bench: Bench, runs: int, report: Report) -> Iterator[Figure]:
    """Two looks at the source's 5,600,000 rows, as whole processes: by Sail, and by Spark with the archive."""
    day = f"date = DATE'{DAYS[0]}'"
    looks = {
        "a count": f"SELECT count(*) AS n FROM {SOURCE} WHERE {day}",
        "ranks of a day's sums": f"SELECT country_code, title_id, rank() OVER (PARTITION BY country_code ORDER BY hours"
        f" DESC) AS place FROM (SELECT country_code, title_id, round(sum(view_hours), 6) AS hours FROM {SOURCE}"
        f" WHERE {day} AND view_hours > 0 GROUP BY country_code, title_id)",
    }
    for name, sql in looks.items():
        commands = {it: bench.dataflow(("query", sql, "--engine", it)) for it in ("sail", "spark")}
        medians = in_turns(commands, max(runs, 5), seconds, report)
        yield Figure(f"dataflow query, {name}", medians["sail"], 1.2)
        yield Figure(f"dataflow query, {name}", medians["sail"], 0.5, "s", "--engine spark", medians["spark"])


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


def tests(bench: Bench, runs: int, report: Report) -> Iterator[Figure]:
    """Unit tests: the first one, the next ones, ten of them, and the same elsewhere."""
    bench.rivals.prepare()
    one = "2026-01-01"
    medians = in_turns(
        {
            "dataflow, 1 test": bench.tests(one),
            "dataflow, 10 tests": bench.tests(),
            "chispa, 1 test": bench.rivals.chispa(one),
            "chispa, 10 tests": bench.rivals.chispa(),
            "dbt": bench.rivals.dbt(),
            "sqlmesh": bench.rivals.sqlmesh(),
        },
        runs, seconds, report,
    )  # fmt: skip
    first, all_ten = medians["dataflow, 1 test"], medians["dataflow, 10 tests"]
    plain = "PySpark + chispa, defaults"
    yield Figure("first Spark test, with the archive", first, 5.0)
    yield Figure("first Spark test, with the archive", first, None, "s", plain, medians["chispa, 1 test"])
    yield Figure("first Spark test, with the archive", first, None, "s", _DBT, medians["dbt"])
    yield Figure("first Spark test, with the archive", first, None, "s", _SQLMESH, medians["sqlmesh"])
    next_of = {name: (medians[f"{name}, 10 tests"] - medians[f"{name}, 1 test"]) / 9 for name in ("dataflow", "chispa")}
    yield Figure("each next simple test", next_of["dataflow"], 0.25)
    yield Figure("each next simple test", next_of["dataflow"], None, "s", plain, next_of["chispa"])
    yield Figure("10 tests, with the archive", all_ten, 0.6, "s", plain, medians["chispa, 10 tests"])


def inner_loop(bench: Bench, runs: int, report: Report) -> Iterator[Figure]:
    """The first test and ten of them, by Sail and by Spark, beside tools that test on DuckDB, in its dialect."""
    bench.rivals.prepare()
    one = "2026-01-01"
    measured = {
        "Sail, 1 test": bench.tests(one, engine="sail", plain=True),
        "Sail, 10 tests": bench.tests(engine="sail", plain=True),
        "Spark, 1 test": bench.tests(one, plain=True),
        "Spark, 10 tests": bench.tests(plain=True),
        "dbt, 1 test": bench.rivals.dbt(),
        "dbt, 10 tests": bench.rivals.dbt(ten=True),
        "sqlmesh, 1 test": bench.rivals.sqlmesh(),
        "sqlmesh, 10 tests": bench.rivals.sqlmesh(ten=True),
    }
    medians = in_turns(measured, max(runs, 5), seconds, report)
    for count, target in (("1 test", 1.5), ("10 tests", 1.8)):
        ours = medians[f"Sail, {count}"]
        yield Figure(f"{count} by Sail", ours, target)
        yield Figure(f"{count} by Sail", ours, 1.0, "s", f"dbt on DuckDB, {count}", medians[f"dbt, {count}"])
        yield Figure(f"{count} by Sail", ours, 1.0, "s", f"SQLMesh on DuckDB, {count}", medians[f"sqlmesh, {count}"])
        yield Figure(f"{count} by Sail", ours, None, "s", f"the same by Spark, {count}", medians[f"Spark, {count}"])


def watching(bench: Bench, runs: int, report: Report) -> Iterator[Figure]:
    """From the save of a script to the verdict of the package's two tests, which write Iceberg tables five times."""
    bench.rivals.prepare()
    with bench.watcher() as watcher:
        measured: dict[str, Callable[[], float]] = {
            "dataflow": watcher.break_it,
            "dbt": partial(seconds, bench.rivals.dbt()),
            "sqlmesh": partial(seconds, bench.rivals.sqlmesh()),
        }
        watcher.by_sail.clear()
        medians = in_turns(measured, max(runs, 5), _called, report)
        by_sail = median(watcher.by_sail)
    ours = medians["dataflow"]
    yield Figure("project test --watch, save to Sail's verdict", by_sail, 0.4)
    yield Figure("project test --watch, save to verdict", ours, 1.5)
    yield Figure("project test --watch, save to verdict", ours, 1.0, "s", _DBT, medians["dbt"])
    yield Figure("project test --watch, save to verdict", ours, 1.0, "s", _SQLMESH, medians["sqlmesh"])


def mocks(bench: Bench, runs: int, report: Report) -> Iterator[Figure]:
    """A mock of a table of 50 million rows, from a sample and from all of them."""
    for found in mock_create.measured(bench.folder / "mocks", runs, report):
        limit, most = found.at_most
        yield Figure(found.what, found.seconds, limit)
        yield Figure(f"{found.what}, peak memory", found.megabytes, most, "MB")


def lineage(bench: Bench, runs: int, report: Report) -> Iterator[Figure]:
    """Questions to the lineage of 10,000 tables, 100,000 edges between their columns, in SQLite."""
    medians = in_turns(lineage_graph.prepare(bench.folder / "lineage"), max(runs, 5), seconds, report)
    for what, (_, target) in lineage_graph.ASKED.items():
        yield Figure(what, medians[what], target)


def steps(bench: Bench, runs: int, report: Report) -> Iterator[Figure]:  # noqa: ARG001  # each is 500 of them
    """Jobs of ten rows: what each costs beside its bare statement, and whether that grows over 500 of them."""
    for kind, found in small_steps.measured(bench.folder / "steps", small_steps.STEPS, report).items():
        last, first = found.growth
        yield Figure(f"{kind} as a job, beyond the statement", found.over, 0.2)
        jobs = f"{kind}, the last {small_steps.END} of {small_steps.STEPS} jobs"
        yield Figure(jobs, last, 1.1, "s", "the first of them", first)


def lineage_accuracy(bench: Bench, runs: int, report: Report) -> Iterator[Figure]:  # noqa: ARG001
    """How much of the lineage of a corpus of statements is missed, and how much is wrong."""
    yield from accuracy.figures(report)


def _called(measured: Callable[[], float]) -> float:
    return measured()


_DBT = "dbt unit test, DuckDB"
_SQLMESH = "SQLMesh unit test, DuckDB"


def environment(bench: Bench, runs: int, report: Report) -> Iterator[Figure]:
    """The start of a run whose Python code needs packages: the environment is there already."""
    without, within = python_environment.measured(bench.folder / "environment", max(runs, 7), report)
    yield Figure("start of a run, without packages", without, None)
    yield Figure("start of a run, with packages", within, None)
    yield Figure("how much later that is", within - without, 0.3)


def late_days(bench: Bench, runs: int, report: Report) -> Iterator[Figure]:
    """Finding the days that changed among 10,000 partitions, without a JVM, in a process of its own."""
    for what, found, target in changed_days.measured(bench.folder / "changed-days", runs, report):
        yield Figure(what, found, target)


def site(bench: Bench, runs: int, report: Report) -> Iterator[Figure]:
    """Pages of `dataflow ui` over 10,000 runs of 1,000 tables: what an answer takes the server."""
    for what, found, target, unit in pages.measured(bench.folder / "ui", max(runs, 5), report):
        yield Figure(what, found, target, unit)


def deployments(bench: Bench, runs: int, report: Report) -> Iterator[Figure]:
    """1,000 deployed workflows: one change to them as DAG files of Airflow, and what is due of them elsewhere."""
    medians = in_turns(deployed.prepare(bench.folder / "deployed", bench.home), runs, seconds, report)
    count = f"{2 * deployed.PACKAGES:,} deployed workflows"
    for what, target in (("deploying one change", 3.0), ("deploying no change", 3.0), ("workflow due", 1.0)):
        yield Figure(f"{what} among {count}", medians[what], target)


CASES = {
    "commands": commands,
    "main": main_run,
    "big-day": big_day,
    "huge-day": huge_day,
    "backfill": backfill,
    "year": year,
    "query": query,
    "memory": memory,
    "tests": tests,
    "inner-loop": inner_loop,
    "watching": watching,
    "mocks": mocks,
    "lineage": lineage,
    "steps": steps,
    "accuracy": lineage_accuracy,
    "python-environment": environment,
    "changed-days": late_days,
    "deployed": deployments,
    "ui": site,
}
SLOW = ("huge-day", "year")
"""What is measured where it is named: each takes an hour or more."""
