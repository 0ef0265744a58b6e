"""Everything that is checked on each change: `nox` runs it all, `nox -s NAME` one part, `nox -l` lists them.

`nox` begins with what it will run and for about how long, and ends with how many tests were skipped for want of a tool.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import nox

# Without bytecode each process that a test starts compiles all that it imports: seconds, a thousand times.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

MINUTES = {"lint": 1, "tests": 2, "slow": 4, "spark": 24, "recipes": 6, "sparklyr": 1, "ui": 1}
"""The sessions that `nox` runs, each with about how long it takes on two cores that do nothing else."""

NIGHTLY = ("newest", "fuzz", "kills", "run_kills", "laws", "engines", "clusters")
"""The sessions that `nox -s nightly` runs."""

nox.options.sessions = ["plan", *MINUTES, "skips"]
nox.options.default_venv_backend = "uv|virtualenv"
nox.needs_version = ">=2025.5"

PROJECT = nox.project.load_toml("pyproject.toml")

FAST_WORKERS = ("--numprocesses=auto", "--dist=worksteal")
# Two workers fill two cores, which one JVM after the other does not; more would take more memory than a laptop has.
SPARK_WORKERS = ("--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder")  # a file's tests share what it makes
RECIPE_WORKERS = ("--numprocesses=2", "--dist=worksteal")  # half of the recipes each, and then what the other has left


TOOLS = "tests/optional_tools.py"  # which tools tests look for, and what a missing one skips


CONSTRAINTS = "constraints.txt"  # the versions that the tests passed with


def install(session: nox.Session, group: str, *, newest: bool = False) -> None:
    """Install the project as it stands, with a group of development dependencies.

    In the versions of `constraints.txt`, unless the newest are wanted: no release of others should turn a change red.
    """
    if shutil.which("git") is None or not Path(".git").exists():
        # Not only this session: each that follows would say the same.
        sys.exit("the tests need git, and a clone of the repository: they generate packages from it")
    needs = nox.project.dependency_groups(PROJECT, group)
    versions = () if newest else ("--constraint", CONSTRAINTS)
    session.install(*versions, "--find-links", str(built_wheels(session)), "-e", ".", *needs)


def built_wheels(session: nox.Session) -> Path:
    """Return the folder with PySpark's wheel, built once for all sessions.

    PyPI has its source alone. Where a registry's answers can't be kept, each session would fetch half a gigabyte,
    build it anew for half a minute, and leave 2 GB in uv's cache.
    """
    folder = session.cache_dir / "wheels"
    (pinned,) = (it for it in PROJECT["project"]["dependencies"] if it.startswith("pyspark=="))
    if not list(folder.glob(f"{pinned.replace('==', '-')}-*.whl")):
        session.install("pip")
        session.run("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), pinned)
    return folder


def kept_skips(session: nox.Session) -> Path:
    """Return the file where the sessions keep what they skipped for want of a tool."""
    return session.cache_dir / "skips.jsonl"


def pytest(session: nox.Session, *arguments: str, env: Mapping[str, str] | None = None) -> None:
    """Run pytest, and keep what it skipped for want of a tool."""
    session.run("pytest", f"--skips={kept_skips(session)}", *arguments, *session.posargs, env=env)


@nox.session(venv_backend="none")
def plan(session: nox.Session) -> None:
    """Say what `nox` runs, and for about how long."""
    kept_skips(session).unlink(missing_ok=True)
    for name, minutes in MINUTES.items():
        what = str(globals()[name].func.__doc__).partition("\n")[0]
        session.log(f"{name:<8} about {minutes:>2} min: {what}")
    session.log(f"all      about {sum(MINUTES.values())} min, on two cores; `nox -s tests` is the short proof")
    session.log("tests that look for a tool that is not here (R, Gradle, Maven, …) are skipped, and counted at the end")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types, layers, and that generated files in the repository are up to date."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports", "--no-cache")  # its cache misses modules that were added
    session.run("python", "-m", "tests.generated", "--check")
    session.run("python", "-m", "jvm.build", "--check")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the fast tests: no Spark, no builds."""
    install(session, "test")
    pytest(session, *FAST_WORKERS, "-m", "not spark and not recipe and not slow and not browser")


@nox.session
def slow(session: nox.Session) -> None:
    """Run what takes its time without Spark: builds, environments, kills, a minute of mutated files."""
    install(session, "test")
    wanted = "(slow or fuzz) and not airflow"
    pytest(session, *FAST_WORKERS, "-m", wanted, "--durations=10", env={"FUZZ_SECONDS": "60"})


@nox.session
def newest(session: nox.Session) -> None:
    """Run the fast tests, and all that reads SQL, with the newest version of each dependency."""
    install(session, "test", newest=True)
    pytest(session, *FAST_WORKERS, "-m", "not spark and not recipe and not slow and not browser")
    reads_sql = ("tests/sail", "tests/lineage", "tests/preview")
    pytest(session, *SPARK_WORKERS, "-m", "not (nightly or own_process)", *reads_sql)


@nox.session
def constraints(session: nox.Session) -> None:
    """Renew `constraints.txt` with the newest versions; commit it when `nox` is green with them."""
    session.install("uv")
    groups = ("--group=test", "--group=lint", "--group=browser")
    options = ("--quiet", "--universal", "--python-version=3.11", "--all-extras", "--no-annotate", "--upgrade")
    session.run(
        "uv", "pip", "compile", "pyproject.toml", *options, *groups, f"--output-file={CONSTRAINTS}",
        "--custom-compile-command=nox -s constraints",
    )  # fmt: skip


@nox.session
def fuzz(session: nox.Session) -> None:
    """Read files of any content for ten minutes; `slow` does so for one. FUZZ_SEED=… brings a run back."""
    install(session, "test")
    env = {"FUZZ_SECONDS": "600"}
    session.run("pytest", "-n", "2", "tests/test_fuzz.py", "-rA", "--verbose", *session.posargs, env=env)


@nox.session
def spark(session: nox.Session) -> None:
    """Run the tests that share a Spark session, and those that run the command line on Spark."""
    install(session, "test")
    pytest(session, *SPARK_WORKERS, "-m", "spark and not (recipe or nightly or own_process)", "--durations=10")
    pytest(session, "-m", "own_process and not nightly")


@nox.session
def recipes(session: nox.Session) -> None:
    """Generate every recipe's package, test it, run it for real, and hold it to the golden rows.

    `nox -s recipes -- --recipe scala` does it for one.
    """
    install(session, "test")
    session.run("python", "-m", "tests.generated", "--check")
    pytest(session, *RECIPE_WORKERS, "-m", "recipe", "tests/recipes", "--durations=0")


@nox.session
def sparklyr(session: nox.Session) -> None:
    """Run the sparklyr recipe with sparklyr itself; `recipes` runs its dplyr steps as Spark SQL instead."""
    install(session, "test")
    pytest(session, "-m", "recipe", "tests/recipes", "--sparklyr", "--recipe", "sparklyr")


@nox.session
def ui(session: nox.Session) -> None:
    """Look at the pages of `dataflow ui` in Debian's Chromium; without it that is skipped."""
    install(session, "browser")
    pytest(session, "-m", "browser", "tests/ui", "--durations=5")


@nox.session(venv_backend="none")
def skips(session: nox.Session) -> None:
    """Say how many tests were skipped for want of a tool, and how to get it."""
    session.run(sys.executable, TOOLS, "skips", str(kept_skips(session)), external=True)


@nox.session
def tools(session: nox.Session) -> None:
    """Run again what looks for R, a build tool, PySpark's client or Docker; `-- --all-tools` fails without one."""
    install(session, "test")
    session.install("--constraint", CONSTRAINTS, "-e", ".[pandas]")
    pytest(session, *RECIPE_WORKERS, "-m", "tools and not (nightly or airflow or browser)")


@nox.session
def airflow(session: nox.Session) -> None:
    """Let Airflow itself run what is deployed: installed from our freeze, once, into an environment of its own."""
    install(session, "test")
    session.run("python", "-m", "tests.support.airflow")
    pytest(session, "-m", "airflow", "--durations=0")


@nox.session
def docker(session: nox.Session) -> None:
    """Run commands in containers of Docker's own engine; root gets it by Debian's `docker.io` where it is missing."""
    if os.geteuid():
        session.skip("Docker's engine needs root to be started")
    if shutil.which("dockerd") is None:
        if shutil.which("apt-get") is None:
            session.skip("dockerd is not installed, and apt-get is not there to install docker.io")
        quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # nothing is started by the installation
        session.run("apt-get", "update", "--quiet=2", external=True)
        session.run(
            "apt-get", "install", "--quiet=2", "--yes", "--no-install-recommends", "docker.io", env=quiet, external=True
        )
    install(session, "test")
    pytest(session, "-m", "docker", "--durations=0")


@nox.session
def kills(session: nox.Session) -> None:
    """Kill deployments at 200 random moments; the default sessions do so at 20."""
    install(session, "test")
    pytest(session, "tests/deploy/test_kills.py", "--kills", "200")


@nox.session
def run_kills(session: nox.Session) -> None:
    """Kill runs at 100 random moments and maintenance at 20; `spark` does so at 10 and at 2."""
    install(session, "test")
    pytest(session, "tests/maintenance/test_maintain_kills.py", "-rA", env={"MAINTENANCE_KILLS": "20"})
    pytest(session, "tests/runner/test_run_kills.py", "--run-kills", "100", "-rA")


@nox.session
def laws(session: nox.Session) -> None:
    """Hold the laws of publishing and of expiry to many histories; the default sessions do so to a few."""
    install(session, "test")
    laws = ("tests/tables/test_law_of_publishing.py", "tests/maintenance/test_law_of_expiry.py")
    pytest(session, *laws, "--hypothesis-profile=long")


@nox.session
def engines(session: nox.Session) -> None:
    """Hold Sail and Comet to Spark on many random tables; `spark` does so on a few, and on all compared by hand."""
    install(session, "test")
    pytest(session, "tests/sail", "--hypothesis-profile=long")
    pytest(session, "-m", "own_process", "--hypothesis-profile=long")


@nox.session
def clusters(session: nox.Session) -> None:
    """Run programs of all kinds on Spark's own cluster manager; `spark` lets machines die, and tables be on S3."""
    install(session, "test")
    pytest(session, "tests/cluster", "-rA", "--durations=0")


@nox.session(venv_backend="none")
def nightly(session: nox.Session) -> None:
    """Run what is too long for each change: the sessions of NIGHTLY."""
    for name in NIGHTLY:
        session.notify(name)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Measure the speed claims side by side in one run; writes benchmarks/RESULTS.md."""
    install(session, "test")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session(venv_backend="none")
def clean(session: nox.Session) -> None:
    """Remove what builds and test runs leave behind."""
    for name in (".nox", ".pytest_cache", ".mypy_cache", ".ruff_cache", "dist", "build"):
        session.run("rm", "-rf", str(Path(name)), external=True)
