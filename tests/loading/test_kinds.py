from __future__ import annotations

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.loading.convert import converted
from dataflow.loading.kinds import STRING, DifferentKindsError, common, kind_of, kind_of_text, settled


@pytest.mark.parametrize(
    ("texts", "type_"),
    [
        ("1 -2 0", "bigint"),
        ("1 007", None),
        ("007", "string"),
        ("+491701234567", "string"),
        ("9223372036854775807 -9223372036854775808", "bigint"),
        ("9223372036854775808", "decimal(38,0)"),
        ("1" * 38, "decimal(38,0)"),
        ("1" * 39, "string"),
        ("1.5 10", "decimal(18,1)"),
        ("0.000001 123456789012.5", "decimal(18,6)"),
        ("0.0000001 123456789012.5", "decimal(38,7)"),
        ("1.5 1e3", "double"),
        ("1e999", "string"),
        ("1,5", "string"),
        ("NaN", "string"),
        ("true FALSE", "boolean"),
        ("yes", "string"),
        ("2026-01-31 2024-02-29", "date"),
        ("2026-02-30", "string"),
        ("31.01.2026", "string"),
        ("20260131", "bigint"),
        ("2026-01-31T10:00:00Z 2026-01-31T10:00:00.123456+01:00", "timestamp"),
        ("2026-01-31T10:00", "timestamp_ntz"),
        ("2026-01-31T10:00:00.123456789", "string"),
        ("2026-01-31T25:00:00", "string"),
        ("2026-01-31 2026-01-31T10:00:00", None),
        ("2026-01-31T10:00:00 2026-01-31T10:00:00Z", None),
        ("\u0661", "string"),
    ],
)
def test_a_type_loses_nothing_of_its_texts(texts, type_):
    kinds = map(kind_of_text, texts.split())
    if type_ is None:
        with pytest.raises(DifferentKindsError):
            functools.reduce(common, kinds)
    else:
        assert str(settled(functools.reduce(common, kinds))) == type_


def test_text_of_json_is_a_number_only_where_it_is_written_as_one():
    assert kind_of("12") == STRING
    assert kind_of("2026-01-31").name == "date"
    assert str(kind_of([None, []])) == "array<array<void>>"
    assert str(settled(kind_of([None]))) == "array<string>"


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from("0123456789-+.eETZ: truefals"), min_size=1, max_size=12), min_size=1))
def test_what_a_type_is_seen_in_can_be_loaded_as_that_type(texts):
    try:
        type_ = settled(functools.reduce(common, map(kind_of_text, texts)))
    except DifferentKindsError:
        type_ = STRING
    array, wrong = converted(texts, type_)
    assert not wrong
    assert array.null_count == 0
    assert len(array) == len(texts)
