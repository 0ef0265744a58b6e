"""Names of tables, whatever characters they have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.lineage.model import plain_name
from dataflow.workflow.table_names import is_name, joined, plain, quoted, quoted_parts, split, typed

parts = st.lists(st.text(alphabet="ab1_-. `é日", min_size=1).filter(lambda part: part.strip() == part), min_size=1)


@given(parts)
def test_what_is_put_together_is_taken_apart_again(found: list[str]) -> None:
    assert split(quoted_parts(found)) == split(joined(found)) == split(typed(joined(found))) == tuple(found)
    assert quoted(joined(found)) == quoted(quoted_parts(found)) == quoted_parts(found)
    assert is_name(quoted_parts(found))


@pytest.mark.parametrize(
    ("name", "said", "sql", "into"),
    [
        ("db.table", "db.table", "`db`.`table`", "db.table"),
        ("db.`my-table`", "db.my-table", "`db`.`my-table`", "db.`my-table`"),
        ("db.my-table", "db.my-table", "`db`.`my-table`", "db.`my-table`"),
        ("`db`.`a.b`", "db.`a.b`", "`db`.`a.b`", "db.`a.b`"),
        ("db.`a``b`", "db.`a``b`", "`db`.`a``b`", "db.`a``b`"),
        (" db . t ", "db.t", "`db`.`t`", "db.t"),
    ],
)
def test_a_name_is_said_quoted_and_typed(name: str, said: str, sql: str, into: str) -> None:
    assert (plain(name), quoted(name), typed(name)) == (said, sql, into)


@pytest.mark.parametrize("name", ["", "db.", ".t", "db..t", "db.`t", "db.``", "`a`b.t"])
def test_what_can_not_be_a_name_is_none(name: str) -> None:
    assert not is_name(name)


def test_a_name_of_a_run_has_no_catalog_in_front() -> None:
    assert plain_name("dataflow.db.`my-table`", "dataflow") == "db.my-table"
    assert plain_name("`dataflow`.db.`a.b`", "dataflow") == "db.`a.b`"
    assert plain_name("dataflow.t", "dataflow") == "dataflow.t"
