"""What the tests of recipes share: a home, where the demo source is made once, and one package of each recipe."""

from __future__ import annotations

from tests.support.places import ROOT
import time
import warnings
from pathlib import Path

import pytest
from tests.optional_tools import SPARKLYR_RECIPE

from dataflow.sample.recipes import recipes

ALL = [recipe.name for recipe in recipes()]
LOOKS_FOR = {"scala": ("sbt",), "sparklyr": (*SPARKLYR_RECIPE, "R's sparklyr")}
"""The tools that a recipe's tests do more with, or otherwise, where they are there."""


def pytest_addoption(parser):
    parser.addoption("--recipe", choices=ALL, help="only this recipe")
    parser.addoption("--sparklyr", action="store_true", help="run the sparklyr recipe with sparklyr itself")


def pytest_generate_tests(metafunc):
    if "recipe" in metafunc.fixturenames:
        only = metafunc.config.getoption("--recipe")
        # For the session: all that is asked of a recipe comes one after the other, and shares its package.
        metafunc.parametrize("recipe", [looking(it, metafunc.config) for it in ([only] if only else ALL)], scope="session")


def looking(recipe, config):
    """Mark a recipe with the tools that it looks for."""
    tools = LOOKS_FOR.get(recipe)
    needed = recipe == "sparklyr" and config.getoption("--sparklyr")
    return pytest.param(recipe, marks=pytest.mark.tools(*tools, needed=needed) if tools else ())


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """The Dataflow home of all recipes, in each of pytest-xdist's workers the same."""
    folder = tmp_path_factory.getbasetemp()
    return (folder.parent if "popen-" in folder.name else folder) / "home-of-recipes"


@pytest.fixture(scope="session")
def package(recipe, home, spark_commands, tmp_path_factory):
    """Generate a recipe's package with Copier, as `copier copy --trust` does; return the command line in its folder."""
    from copier import run_copy

    command = spark_commands(tmp_path_factory.mktemp(recipe), home)
    command.folder /= "package"
    began = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # uncommitted changes of the recipe are meant to be tested
        run_copy(
            str(ROOT),
            command.folder,
            data={"recipe": recipe, "workflow_id": f"alice.{recipe.replace('-', '')}"},
            vcs_ref="HEAD",
            defaults=True,
            unsafe=True,
            quiet=True,
        )
    command.seconds_to_generate = time.monotonic() - began
    return command


@pytest.fixture
def table_line(recipe, request):
    """Return the recipe's line of the table that is printed at the end; lines of several tests are joined."""
    line: dict[str, str] = {}
    request.node.user_properties.append(("table line", (recipe, line)))
    return line


def pytest_terminal_summary(terminalreporter):
    lines: dict[str, dict[str, str]] = {}
    reports = (report for found in terminalreporter.stats.values() for report in found)
    for report in reports:
        if getattr(report, "when", None) == "call":
            for name, value in report.user_properties:
                if name == "table line":
                    lines.setdefault(value[0], {}).update(value[1])
    if not any(lines.values()):
        return
    columns = list(dict.fromkeys(key for name in ALL for key in lines.get(name, ())))
    columns.sort(key=lambda column: column == "defects caught")  # tested first, told last
    rows = [["recipe", *columns]]
    rows += [[name, *(lines[name].get(key, "") for key in columns)] for name in ALL if name in lines]
    widths = [max(len(row[n]) for row in rows) for n in range(len(columns) + 1)]
    terminalreporter.section("recipes")
    for row in rows:
        terminalreporter.line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
