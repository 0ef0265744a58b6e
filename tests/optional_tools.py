"""The tools that some tests look for and that not every machine has: which are missing, and what that skips.

A test says by `@pytest.mark.tools("Maven", "JDK")` what it looks for: it is skipped, with the reason, where that is
missing. One that has something to hold without them too is marked with `needed=False`, and calls `require` where it
goes no further. At the end of a test run stands for each missing tool how many tests it skipped, and how to get it.

`python3 tests/optional_tools.py programs` lists the programs that may be missing, `… packages` what Debian has of the
tools, and `… skips FILE` adds up what `--skips FILE` kept of several test runs.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

_PROPERTY = "missing tool"  # of a skipped test; pytest-xdist brings it to where the summary is written


@dataclass(frozen=True)
class Tool:
    """Something that a machine may have.

    Attributes:
        programs: What has to be on the PATH.
        packages: What Debian calls it.
        get: How to get it where Debian doesn't have it.
    """

    programs: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    get: str = ""

    @property
    def remedy(self) -> str:
        """How to get it."""
        return f"sudo apt-get install {' '.join(self.packages)}" if self.packages else self.get


TOOLS: Mapping[str, Tool] = {
    "R": Tool(("R", "Rscript"), ("r-base-core",)),
    "R's dbplyr": Tool(packages=("r-cran-dbplyr",)),
    "R's dplyr": Tool(packages=("r-cran-dplyr",)),
    "R's lintr": Tool(packages=("r-cran-lintr",)),
    "R's sparklyr": Tool(get="Rscript -e 'install.packages(\"sparklyr\")'"),
    "R's testthat": Tool(packages=("r-cran-testthat",)),
    "R's yaml": Tool(packages=("r-cran-yaml",)),
    "JDK": Tool(packages=("default-jdk-headless",)),
    "Gradle": Tool(("gradle",), ("gradle",)),
    "Maven": Tool(("mvn",), ("maven",)),
    "sbt": Tool(("sbt",), get="see www.scala-sbt.org; without it, its launcher is fetched"),
    "Airflow": Tool(get="nox -s airflow installs it, into an environment of its own"),
    "Chromium": Tool(("chromium",), ("chromium",)),
    "Playwright": Tool(get="uv pip install playwright axe-playwright-python: the group `browser`"),
    "Docker": Tool(("docker", "dockerd"), ("docker.io",)),
    "OpenSSL": Tool(("openssl",), ("openssl",)),
    "Iceberg's REST server": Tool(get="see www.maven.org: its jars are fetched from there, or from a mirror"),
    "PySpark's client": Tool(get="pip install 'dataflow-recipes[pandas]'"),
    "OpenLineage's schema": Tool(
        get="git clone https://github.com/OpenLineage/OpenLineage; export OPENLINEAGE_SPEC=OpenLineage/spec"
    ),
}

SPARKLYR_RECIPE = ("R's testthat", "R's dplyr", "R's dbplyr", "R's yaml")
"""What the sparklyr recipe's package needs, beside sparklyr."""


def missing(*names: str) -> str | None:
    """Return the first tool that is not there, or None. Of R's packages it is R itself where there is none."""
    return next((gone for name in names if (gone := _missing(name))), None)


def reason(name: str) -> str:
    """Say in one line that a tool is missing, and how to get it."""
    return f"{name} is not installed: {TOOLS[name].remedy}"


def require(item: pytest.Item, *names: str) -> None:
    """Skip the rest of a test where a tool is missing; with `--all-tools`, fail it where Debian has the tool."""
    import pytest

    if (gone := missing(*names)) is None:
        return
    if item.config.getoption("--all-tools") and TOOLS[gone].packages:
        pytest.fail(reason(gone), pytrace=False)
    item.user_properties.append((_PROPERTY, gone))
    pytest.skip(reason(gone))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the options."""
    parser.addoption("--all-tools", action="store_true", help="fail where a tool that Debian has is missing")
    parser.addoption("--skips", type=Path, metavar="FILE", help="add how many tests each missing tool skipped, as JSON")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what can't run here, before anything is made for it."""
    for mark in item.iter_markers("tools"):
        if mark.kwargs.get("needed", True):
            require(item, *mark.args)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests each missing tool skipped."""
    reports = terminalreporter.stats.get("skipped", [])
    found = Counter(value for report in reports for name, value in report.user_properties if name == _PROPERTY)
    if not found:
        return
    terminalreporter.section("skipped, as a tool is missing")
    for line in summary(found):
        terminalreporter.line(line)
    if file := terminalreporter.config.getoption("--skips"):
        with file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(found) + "\n")


def summary(skipped: Mapping[str, int]) -> Iterator[str]:
    """Yield a line for each missing tool: how many tests it skipped, and how to get it."""
    for name, number in sorted(skipped.items()):
        yield f"{number} {'test' if number == 1 else 'tests'}: {reason(name)}"


@cache
def _missing(name: str) -> str | None:
    tool = TOOLS[name]
    if any(shutil.which(program) is None for program in tool.programs):
        return name
    if name.startswith("R's "):
        return _missing("R") or (None if name.removeprefix("R's ") in _r_packages() else name)
    there = {
        "JDK": _has_compiler,
        "Airflow": _has_airflow,
        "Iceberg's REST server": _has_rest_server,
        "OpenLineage's schema": lambda: "OPENLINEAGE_SPEC" in os.environ,
        "Playwright": lambda: _has_modules("playwright", "axe_playwright_python"),
        "PySpark's client": lambda: _has_modules("pandas", "grpc_status"),
    }.get(name, lambda: True)
    return None if there() else name


def _has_modules(*names: str) -> bool:
    return all(find_spec(it) for it in names)


def _has_airflow() -> bool:
    from tests.support.airflow import is_installed

    return is_installed()


@cache
def _r_packages() -> Mapping[str, str]:
    from dataflow.jobs.spark.r_script import find_r

    found = find_r([name.removeprefix("R's ") for name in TOOLS if name.startswith("R's ")])
    return found.packages if found else {}


def _has_compiler() -> bool:
    """Say whether the Java that builds run on can compile: many machines have a JRE alone."""
    from dataflow.errors import DataflowError
    from dataflow.spark.java import find_java

    try:
        return (find_java().home / "bin" / "javac").exists()
    except DataflowError:
        return False


def _has_rest_server() -> bool:
    from tests.support.rest_catalog import server_jars

    return server_jars() is not None


def main(what: str, file: str = "") -> None:
    """Print what the command line asks for: `programs`, `packages`, or `skips FILE`, those of several test runs."""
    if what == "skips":
        total: Counter[str] = Counter()
        for line in Path(file).read_text("utf-8").splitlines() if Path(file).exists() else ():
            total.update(json.loads(line))
        print(*summary(total) if total else ["no test was skipped for want of a tool"], sep="\n")
        return
    print(*(name for tool in TOOLS.values() for name in getattr(tool, what)))


if __name__ == "__main__":
    main(*sys.argv[1:])
