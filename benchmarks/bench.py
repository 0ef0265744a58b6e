"""The place where the measured commands run: a Dataflow home, a package and a source of its own."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.elsewhere import Rivals, SqlMeshOnSpark
from benchmarks.measure import Command, RunFailed, seconds
from benchmarks.watching import Watcher
from dataflow.spark.jars import COMET

SOURCE = "dataflow_demo.playback"
FIRST = dt.date(2026, 1, 1)
DAYS = tuple(FIRST + dt.timedelta(days=i) for i in range(14))
YEAR = tuple(FIRST + dt.timedelta(days=i) for i in range(int(os.environ.get("BENCHMARK_DAYS", "365"))))
BIG_DAYS = (dt.date(2025, 12, 1), dt.date(2025, 12, 2))
"""Days outside of the year, each of many rows."""
MEMORY = "1g"
"""`-Xmx` of both: Spark's default, and what Dataflow takes for small sources."""

_OURS = "bench_sandbox.bench_top_titles_results"
_CHECKOUT = Path(__file__).resolve().parent.parent
_BARE = Path(__file__).with_name("bare_main.py")


@dataclass(frozen=True)
class Bench:
    """Commands of one benchmark run.

    Attributes:
        folder: Where everything happens; nothing of it is kept.
    """

    folder: Path

    @property
    def home(self) -> Path:
        """The Dataflow home of the measured commands."""
        return self.folder / "home"

    @property
    def package(self) -> Path:
        """The generated package."""
        return self.folder / "top-titles"

    @property
    def rivals(self) -> Rivals:
        """What it is compared with."""
        return Rivals(self.folder / "rivals")

    @property
    def sqlmesh(self) -> SqlMeshOnSpark:
        """SQLMesh on the same catalog."""
        return SqlMeshOnSpark(self.folder / "rivals", self.home, MEMORY)

    def environ(self, *, archive: bool = True) -> dict[str, str]:
        """Return the variables of the measured commands."""
        return {
            "DATAFLOW_HOME": str(self.home),
            "DATAFLOW_USER": "bench",
            "DATAFLOW_CLASS_DATA": "on" if archive else "off",
        }

    def tests(self, *only: str, engine: str = "spark", plain: bool = False) -> Command:
        """Return the ten tests that the rivals have too, or those of some days.

        Args:
            only: The days.
            engine: What runs SQL.
            plain: Whether pytest has no plugins but Dataflow's, as in an environment of a user's.
        """
        argv, folder = self.rivals.ours(*only, engine=engine)
        own = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "dataflow.testing.plugin"} if plain else {}
        return Command([argv], {**self.environ(), **own}, cwd=folder)

    def watcher(self) -> Watcher:
        """Return a watcher of the package."""
        return Watcher(self.package, self.environ())

    def dataflow(self, *steps: tuple[str, ...], archive: bool = True) -> Command:
        """Return `dataflow` commands, with or without the class-data archive."""
        executable = str(Path(sys.executable).with_name("dataflow"))
        return Command([(executable, *step) for step in steps], self.environ(archive=archive))

    def generate(self, folder: Path) -> Command:
        """Return the command that generates a package, its place cleared first."""
        command = self.dataflow(
            ("sample", "workflow", "spark-sql", str(folder), "--source-path", str(_CHECKOUT), "--skip-info")
        )
        return Command(command.steps, command.env, before=lambda: shutil.rmtree(folder, ignore_errors=True))

    def main_run(self, *days: dt.date, archive: bool = True) -> Command:
        """Return main runs, a process for each day."""
        file = str(self.package / "main.sch.yaml")
        return self.dataflow(*(("workflow", "run", file, "--date", str(day)) for day in days), archive=archive)

    def backfill(self, *, archive: bool = True) -> Command:
        """Return the backfill of all days, in one process."""
        file = str(self.package / "backfill.sch.yaml")
        span = ("--param", f"FROM_DATE={DAYS[0]}", "--param", f"TO_DATE={DAYS[-1]}")
        return self.dataflow(("workflow", "run", file, *span), archive=archive)

    def range(self, days: Sequence[dt.date], parallel: int) -> Command:
        """Return the backfill of a range by its command, all days done anew."""
        file = str(self.package / "main.sch.yaml")
        span = ("--from", str(days[0]), "--to", str(days[-1]), "--only", "all", "--parallel", str(parallel))
        return self.dataflow(("workflow", "backfill", file, *span))

    def big_source(self, day: dt.date, rows: int) -> Command:
        """Return what makes a day of so many rows."""
        return self.dataflow(
            ("sample", "source", "--rows", str(rows), "--from", str(day), "--until", str(day)),
        )

    def source(self, days: Sequence[dt.date]) -> Command:
        """Return what makes the source's rows of a range."""
        return self.dataflow(("sample", "source", "--from", str(days[0]), "--until", str(days[-1])))

    def accelerated_run(self, day: dt.date, accelerator: str) -> Command:
        """Return the main run of a day in an environment with an accelerator."""
        run = self.main_run(day)
        text = f"version: 1\nproject: bench\nenvironments: {{sandbox: {{accelerator: {accelerator}}}}}\n"
        return replace(run, before=lambda: (self.folder / "dataflow.yaml").write_text(text))

    def bare(self, *days: dt.date, comet: bool = False) -> Command:
        """Return the same by hand: all days in one process."""
        (ddl,), (sql,) = self.package.glob("ddl/*.sql"), self.package.glob("src/*.sql")
        paths = ("--home", str(self.home), "--ddl", str(ddl), "--sql", str(sql))
        tables = ("--source", SOURCE, "--target", "bench_bare.results", "--memory", MEMORY)
        native = ("--comet", str(self.home / "jars" / COMET.file_name)) if comet else ()
        return Command([(sys.executable, str(_BARE), *paths, *tables, *native, *map(str, days))])

    def prepare(self) -> None:
        """Do once what is not to be measured: downloads, the source, the tables, the class-data archive.

        Raises:
            RunFailed: A command failed, or no archive came of the runs.
        """
        seconds(self.generate(self.package))
        seconds(self.dataflow(("sample", "source", "--from", str(DAYS[0]), "--until", str(DAYS[-1]))))
        for _ in range(3):  # one trains, the next one puts the archive in its place
            seconds(self.main_run(DAYS[0]))
            if list(self.home.glob("class-data/*.jsa")):
                break
        else:
            raise RunFailed("main runs left no class-data archive")
        seconds(self.bare(DAYS[0]))

    def compare(self) -> None:
        """Hold the rows of both against one another: a faster way to other rows is no faster way.

        Raises:
            RunFailed: They differ.
        """
        self._hold(f"SELECT * FROM {_OURS}", "SELECT * FROM bench_bare.results")

    def compare_sqlmesh(self, day: dt.date) -> None:
        """Hold the rows that SQLMesh wrote of a day against ours.

        Raises:
            RunFailed: They differ.
        """
        columns = "SELECT title_id, country_code, title_rank, view_hours, date FROM"
        ours, its = (f"{columns} {table} WHERE date = DATE'{day}'" for table in (_OURS, self.sqlmesh.table()))
        self._hold(ours, its)
        seconds(self.dataflow(("query", f"SELECT assert_true(count(*) > 0, 'it has no rows') AS some FROM ({its})")))

    def _hold(self, ours: str, others: str) -> None:
        both = " UNION ALL ".join(f"({one} EXCEPT ALL {two})" for one, two in ((ours, others), (others, ours)))
        equal = f"SELECT assert_true(count(*) = 0, 'the tables differ') AS equal FROM ({both})"
        seconds(self.dataflow(("query", equal)))
