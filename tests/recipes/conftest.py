from __future__ import annotations

import pytest

from dataflow.sample.recipes import RECIPES

ALL = [recipe.name for recipe in RECIPES]
_lines: dict[str, dict[str, str]] = {}


def pytest_addoption(parser):
    parser.addoption("--recipe", choices=ALL, help="only this recipe")
    parser.addoption("--sparklyr", action="store_true", help="run the sparklyr recipe with sparklyr itself")


def pytest_generate_tests(metafunc):
    if "recipe" in metafunc.fixturenames:
        only = metafunc.config.getoption("--recipe")
        metafunc.parametrize("recipe", [only] if only else ALL)


@pytest.fixture
def table_line(recipe):
    """Return the recipe's line of the table that is printed at the end."""
    return _lines.setdefault(recipe, {})


def pytest_terminal_summary(terminalreporter):
    if not _lines:
        return
    columns = list(dict.fromkeys(key for line in _lines.values() for key in line))
    rows = [["recipe", *columns], *([name, *(line.get(key, "") for key in columns)] for name, line in _lines.items())]
    widths = [max(len(row[n]) for row in rows) for n in range(len(columns) + 1)]
    terminalreporter.section("recipes")
    for row in rows:
        terminalreporter.line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
