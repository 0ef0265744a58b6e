"""Masking: personal data is found, types and joins stay, and what was there is gone."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.errors import UsageError
from dataflow.mocks import Mock, MockColumn
from dataflow.mocks.arrow import SourceColumn
from dataflow.mocks.masking import Mask, Rule, apply_masks, mask_key, plan_masks
from dataflow.mocks.rewrite import round_trips
from dataflow.mocks.write import render_mock
from dataflow.tables.schema.spark_types import parse_type
from tests.support.mock_schemas import columns, rows

KEY = b"secret"


def source(name: str, type_: str = "string", comment: str = "", *, nullable: bool = True) -> SourceColumn:
    return SourceColumn(MockColumn(name, parse_type(type_)), nullable, comment)


def masked(type_: str, rule: Rule, *values: Any, key: bytes = KEY) -> list[Any]:
    column = MockColumn("x", parse_type(type_))
    found = apply_masks([(value,) for value in values], [column], [Mask(("x",), rule, "")], key)
    return [row[0] for row in found]


@pytest.mark.parametrize(
    "name",
    ["email", "user_email", "userEmail", "E-Mail", "phone_number", "first_name", "lastname", "customer_name", "ssn",
     "iban", "date_of_birth", "dob", "ip_address", "client_ip", "billing_address", "zip_code", "password"],
)  # fmt: skip
def test_a_column_named_as_personal_data_is_masked_by_default(name: str) -> None:
    (mask,) = plan_masks([source(name)], [])

    assert (mask.path, mask.rule) == ((name,), Rule.FAKE)
    assert mask.why.startswith("its name says ")


@pytest.mark.parametrize(
    "name", ["title_id", "country_code", "name", "table_name", "emails_sent", "phonetic", "zipped", "ship_date", "tip"]
)
def test_other_columns_are_shown_as_they_are(name: str) -> None:
    assert plan_masks([source(name)], []) == []
    assert plan_masks([source("is_mobile", "boolean")], []) == []


def test_a_comment_or_a_property_tags_a_column_and_a_struct_is_looked_into() -> None:
    found = plan_masks(
        [
            source("note", comment="free text [PII]"),
            source("handle"),
            source("contact", "struct<email:string,since:date>"),
            source("others", "array<struct<phone:string>>"),
        ],
        [],
        {"dataflow.personal-data": "handle, other"},
    )

    assert {".".join(mask.path): mask.why for mask in found} == {
        "contact.email": "its name says email",
        "handle": "named by the table's dataflow.personal-data",
        "note": "its comment says 'PII'",
        "others.phone": "its name says phone",
    }


def test_what_is_asked_for_wins_and_keep_shows_a_column() -> None:
    columns_ = [source("email"), source("phone"), source("id", "int")]

    found = plan_masks(columns_, ["email=keep", "phone=null", "id=hash"])

    assert [(mask.path, mask.rule) for mask in found] == [(("id",), Rule.HASH), (("phone",), Rule.NULL)]
    with pytest.raises(UsageError, match="the column can't be null"):
        plan_masks([source("email", nullable=False)], ["email=null"])


def test_a_fake_has_the_shape_of_what_it_stands_for() -> None:
    (mail,) = masked("string", Rule.FAKE, "Anna.Berg7@corp.com")
    (phone,) = masked("string", Rule.FAKE, "+47 912 34 567")
    (day,) = masked("date", Rule.FAKE, dt.date(1980, 2, 29))
    (number,) = masked("bigint", Rule.FAKE, 12345678)

    assert re.fullmatch(r"[A-Z][a-z]{3}\.[A-Z][a-z]{3}\d@example\.org", mail)
    assert re.fullmatch(r"\+\d\d \d{3} \d\d \d{3}", phone)
    assert day.year == 1980
    assert len(str(number)) == 8
    assert "Anna" not in mail
    assert phone != "+47 912 34 567"


def test_equal_values_stay_equal_in_all_tables_and_others_differ() -> None:
    for rule in (Rule.HASH, Rule.FAKE):
        ids = [masked(type_, rule, 70_001, 70_002) for type_ in ("int", "bigint")]
        assert ids[0] == ids[1]
        assert ids[0][0] != ids[0][1]
        names = masked("string", rule, "anna@corp.com", "bert@corp.com", "anna@corp.com")
        assert names[0] == names[2] != names[1]
        assert masked("string", rule, "anna@corp.com", key=b"another") != names[:1]


def test_redact_and_null_leave_nothing_of_a_value() -> None:
    noon = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
    assert masked("string", Rule.REDACT, "Anna", None) == ["***", None]
    assert masked("timestamp", Rule.REDACT, noon) == [dt.datetime(1970, 1, 1, tzinfo=dt.UTC)]
    assert masked("map<string,int>", Rule.REDACT, {"Anna": 7}) == [{"***": 0}]
    assert masked("array<string>", Rule.NULL, ["Anna"]) == [None]


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_masked_value_still_has_its_type(data: st.DataObject) -> None:
    of = data.draw(columns())
    some = data.draw(rows(of))
    rule = data.draw(st.sampled_from([Rule.HASH, Rule.FAKE, Rule.REDACT, Rule.NULL]))

    found = apply_masks(some, of, [Mask((column.name,), rule, "") for column in of], KEY)

    mock = Mock(Path("mock.yaml"), None, of, tuple(found))
    assert round_trips(render_mock(mock), mock)
    for row, before in zip(found, some, strict=True):
        for value, was in zip(row, before, strict=True):
            assert (value is None) == (was is None or rule is Rule.NULL)


def test_the_key_is_made_once_is_its_owners_and_a_team_can_give_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path))
    monkeypatch.delenv("DATAFLOW_MASK_KEY", raising=False)

    first = mask_key()

    assert len(first) == 64
    assert mask_key() == first
    assert (tmp_path / "mask.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["mask.key"]
    monkeypatch.setenv("DATAFLOW_MASK_KEY", "ours")
    assert mask_key() == b"ours"
