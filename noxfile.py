"""Everything that is checked on each change: `nox` runs it all, `nox -s NAME` one part, `nox -l` lists them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import nox

nox.options.sessions = ["lint", "tests", "spark", "recipes", "sparklyr"]
nox.options.default_venv_backend = "uv|virtualenv"
nox.needs_version = ">=2025.5"

PROJECT = nox.project.load_toml("pyproject.toml")

# Two workers fill two cores, which one JVM after the other does not; more would take more memory than a laptop has.
SPARK_WORKERS = ("--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder")  # a file's tests share what it makes
RECIPE_WORKERS = ("--numprocesses=2", "--dist=worksteal")  # half of the recipes each, and then what the other has left


def install(session: nox.Session, group: str) -> None:
    """Install the project as it stands, with a group of development dependencies."""
    session.install("-e", ".", *nox.project.dependency_groups(PROJECT, group))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types, layers, and that generated files in the repository are up to date."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports", "--no-cache")  # its cache misses modules that were added
    session.run("python", "-m", "tests.generated", "--check")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the fast tests: no JVM, under a minute."""
    install(session, "test")
    session.run("pytest", "-n", "auto", "-m", "not spark and not recipe", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Read files of any content for ten minutes; `tests` does so for one. FUZZ_SEED=… brings a run back."""
    install(session, "test")
    env = {"FUZZ_SECONDS": "600"}
    session.run("pytest", "-n", "2", "tests/test_fuzz.py", "-rA", "--verbose", *session.posargs, env=env)


@nox.session
def spark(session: nox.Session) -> None:
    """Run the tests that share a Spark session, and those that run the command line on Spark."""
    install(session, "test")
    session.run("pytest", *SPARK_WORKERS, "-m", "spark and not recipe", "--durations=10", *session.posargs)


@nox.session
def recipes(session: nox.Session) -> None:
    """Generate every recipe's package, test it, run it for real, and hold it to the golden rows.

    `nox -s recipes -- --recipe scala` does it for one.
    """
    install(session, "test")
    session.run("python", "-m", "tests.generated", "--check")
    session.run("pytest", *RECIPE_WORKERS, "-m", "recipe", "tests/recipes", "--durations=0", *session.posargs)


@nox.session
def sparklyr(session: nox.Session) -> None:
    """Run the sparklyr recipe with sparklyr itself; `recipes` runs its dplyr steps as Spark SQL instead."""
    if not has_sparklyr():
        session.skip("R or sparklyr is not installed: Rscript -e 'install.packages(\"sparklyr\")'")
    install(session, "test")
    session.run("pytest", "-m", "recipe", "tests/recipes", "--sparklyr", "--recipe", "sparklyr", *session.posargs)


def has_sparklyr() -> bool:
    """Say whether R has sparklyr."""
    look = ["Rscript", "-e", 'quit(status = !requireNamespace("sparklyr", quietly = TRUE))']
    return shutil.which("Rscript") is not None and subprocess.run(look, check=False).returncode == 0


@nox.session
def kills(session: nox.Session) -> None:
    """Kill deployments at 200 random moments; the default sessions do so at 20."""
    install(session, "test")
    session.run("pytest", "tests/deploy/test_kills.py", "--kills", "200", *session.posargs)


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
