"""Which parameters name tables, by what they are called."""

from __future__ import annotations

import pytest

from dataflow.lineage.program_tables import tables_in_program
from dataflow.lineage.table_parameters import TableRole, is_table, source_tables, table_role


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("SOURCE_TABLE", TableRole.SOURCE),
        ("PLAYS_SOURCES", TableRole.SOURCE),
        ("INPUT2", TableRole.SOURCE),
        ("FROM", TableRole.SOURCE),
        ("TARGET_TABLE", TableRole.TARGET),
        ("OUTPUT", TableRole.TARGET),
        ("INTO_TABLE", TableRole.TARGET),
        ("TITLES_TABLE", TableRole.UNSAID),
        ("RESOURCE", None),
        ("EXECUTION_DATE", None),
        ("dataflow.package_id", None),
    ],
)
def test_a_parameter_s_name_says_what_its_table_is_for(name: str, role: TableRole | None) -> None:
    assert table_role(name) is role


def test_sources_are_tables_of_a_database_each_once() -> None:
    params = {"SOURCE_TABLE": "a.b", "SOURCE": "a.b", "INPUT_DAY": "2026-01-01", "SOURCE_FILE": "x", "TARGET": "c.d"}
    assert source_tables(params) == ("a.b",)
    assert not is_table("2026.5")


def test_a_program_that_asks_for_a_parameter_reads_or_writes_its_table() -> None:
    text = 'run(args["TITLES_TABLE"], args["OUTPUT"], args["SOURCE"], args["DAY"])'
    params = {"TITLES_TABLE": "a.titles", "OUTPUT": "a.out", "SOURCE": "a.plays", "DAY": "b.c", "INPUT": "a.unasked"}
    found = tables_in_program(text, ".py", params)
    assert (set(found.reads), found.writes) == ({"a.titles", "a.plays"}, ("a.out",))
