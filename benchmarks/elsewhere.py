"""Other tools, installed as their users install them: each in an environment of its own, from pinned versions."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Command, RunFailed, seconds

_FOLDER = Path(__file__).with_name("rivals")
_ENVIRONMENTS = Path(__file__).resolve().parent.parent / ".nox" / "rivals"

_TEST = "titles_are_ranked_by_the_hours_of_a_day"
_TESTS = {"dbt": "models/top_titles.yml", "sqlmesh": "tests/test_top_titles.yaml"}

NAMES = ("chispa", "dbt", "sqlmesh")


def versions() -> list[str]:
    """Return what is installed of the rivals themselves."""
    pins = {line for name in NAMES for line in _requirements(name).read_text("utf-8").split()}
    return sorted(pin.replace("==", " ") for pin in pins)


class Rivals:
    """The rivals' projects, copied to where they may write."""

    def __init__(self, folder: Path) -> None:
        """Name the place; nothing is made yet.

        Args:
            folder: Where the projects are copied to.
        """
        self._folder = folder

    def prepare(self) -> None:
        """Install them, copy the projects, and do once what is not to be measured.

        Raises:
            RunFailed: Something could not be installed, or a project does not pass.
        """
        for name in NAMES:
            _install(name)
        shutil.copytree(_FOLDER, self._folder, dirs_exist_ok=True)
        for name, tests in _TESTS.items():
            _make_ten(self._folder / name, self._folder / f"{name}-ten", tests)
        for folder in ("dbt", "dbt-ten"):
            seconds(self._dbt(folder, "seed"))
        for command in (self.dbt(), self.sqlmesh(), self.chispa("2026-01-01"), self.dbt(ten=True)):
            seconds(command)

    def chispa(self, *only: str) -> Command:
        """Return the ten tests on plain PySpark, or those of some days."""
        project = self._folder / "chispa"
        return Command([(_python("chispa"), "-m", "pytest", "-q", str(project), *_chosen(only))], cwd=project)

    def ours(self, *only: str, engine: str = "spark") -> tuple[Sequence[str], Path]:
        """Return the command line of the same ten tests with Dataflow's fixtures, and where it runs."""
        project = self._folder / "ours"
        chosen = () if engine == "spark" else (f"--dataflow-engine={engine}",)
        return (sys.executable, "-m", "pytest", "-q", *chosen, str(project), *_chosen(only)), project

    def dbt(self, *, ten: bool = False) -> Command:
        """Return dbt's unit test on DuckDB, or ten of it."""
        return self._dbt("dbt-ten" if ten else "dbt", "test", "--select", "test_type:unit")

    def sqlmesh(self, *, ten: bool = False) -> Command:
        """Return SQLMesh's unit test on DuckDB, or ten of it."""
        program = str(_environment("sqlmesh") / "bin" / "sqlmesh")
        folder = self._folder / ("sqlmesh-ten" if ten else "sqlmesh")
        return Command([(program, "test")], {"SQLMESH__DISABLE_ANONYMIZED_ANALYTICS": "1"}, cwd=folder)

    def _dbt(self, folder: str, *arguments: str) -> Command:
        program = str(_environment("dbt") / "bin" / "dbt")
        env = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "0"}
        return Command([(program, *arguments)], env, cwd=self._folder / folder)


class SqlMeshOnSpark:
    """SQLMesh on the same Spark, Iceberg, catalog and source: its model of the same day, audited."""

    _NAME = "sqlmesh-spark"
    _MODEL = "demo.top_titles"
    _PHYSICAL = "sqlmesh__demo"  # the schema of the model's own tables; what the model is called is a view

    def __init__(self, folder: Path, home: Path, memory: str) -> None:
        """Name the places; nothing is made yet.

        Args:
            folder: Where the project is copied to.
            home: The Dataflow home, whose catalog it shares.
            memory: The driver's.
        """
        self._folder = folder / self._NAME
        self._home = home
        self._memory = memory

    def prepare(self) -> None:
        """Install it, copy the project, and make its table and its state, without rows.

        Raises:
            RunFailed: It could not be installed, or its table not be made.
        """
        if self._folder.exists():
            return
        _install(self._NAME)
        shutil.copytree(_FOLDER / self._NAME, self._folder)
        seconds(self._plan("--empty-backfill"))

    def day(self, day: dt.date) -> Command:
        """Return the command that computes a day, again where it was computed before."""
        return self._plan("--restate-model", self._MODEL, "--start", str(day), "--end", str(day))

    def table(self) -> str:
        """Return the table that the model's rows are in.

        Raises:
            RunFailed: There is none.
        """
        named = (
            "SELECT table_name FROM iceberg_tables WHERE table_namespace = ? AND table_name LIKE 'demo__top_titles%'"
        )
        with contextlib.closing(sqlite3.connect(self._home / "catalog.db")) as catalog:
            found = catalog.execute(named, [self._PHYSICAL]).fetchall()
        if len(found) != 1:
            raise RunFailed(f"SQLMesh has {len(found)} tables of its model")
        return f"{self._PHYSICAL}.{found[0][0]}"

    def _plan(self, *more: str) -> Command:
        from benchmarks.bare_main import PACKAGES

        program = str(_environment(self._NAME) / "bin" / "sqlmesh")
        env = {
            "SQLMESH__DISABLE_ANONYMIZED_ANALYTICS": "1",
            "BENCHMARK_HOME": str(self._home),
            "BENCHMARK_MEMORY": self._memory,
            "BENCHMARK_PACKAGES": PACKAGES,
        }
        return Command(
            [(program, "plan", "--auto-apply", "--no-prompts", "--skip-tests", *more)], env, cwd=self._folder
        )


def _make_ten(project: Path, copy: Path, tests: str) -> None:
    """Copy a project with its test ten times, under ten names."""
    shutil.copytree(project, copy, dirs_exist_ok=True)
    file = copy / tests
    head, name, body = file.read_text("utf-8").partition(_TEST)
    first = f"{head.rpartition(chr(10))[2]}{name}"  # what stands before the name on its line
    above = head.removesuffix(head.rpartition("\n")[2])
    file.write_text(above + "".join(f"{first}_{i}{body.rstrip()}\n" for i in range(10)), "utf-8")


def _chosen(only: Sequence[str]) -> Sequence[str]:
    return ("-k", " or ".join(only)) if only else ()


def _requirements(name: str) -> Path:
    return _FOLDER / name / "requirements.txt"


def _environment(name: str) -> Path:
    digest = hashlib.sha256(_requirements(name).read_bytes() + sys.version.encode()).hexdigest()[:12]
    return _ENVIRONMENTS / f"{name}-{digest}"


def _python(name: str) -> str:
    return str(_environment(name) / "bin" / "python")


def _install(name: str) -> None:
    """Make a rival's environment, unless it is there."""
    folder, requirements = _environment(name), str(_requirements(name))
    if folder.exists():
        return
    unfinished = folder.with_suffix(".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    if uv := shutil.which("uv"):
        steps = [
            [uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(unfinished)],
            [uv, "pip", "install", "--quiet", "--python", str(unfinished / "bin" / "python"), "-r", requirements],
        ]
    else:  # pip writes the folder's name into the programs: it is made where it stays
        unfinished = folder
        steps = [
            [sys.executable, "-m", "venv", str(unfinished)],
            [str(unfinished / "bin" / "python"), "-m", "pip", "install", "--quiet", "-r", requirements],
        ]
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise RunFailed(f"{' '.join(step)}:\n{done.stderr.strip()[-3000:]}")
    if unfinished != folder:
        unfinished.replace(folder)
