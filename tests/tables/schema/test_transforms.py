from __future__ import annotations

import pytest

from dataflow.tables.schema.transforms import plain_transform, source_of, transform_of


@pytest.mark.parametrize(
    ("written", "plain", "source"),
    [
        ("`Day`", "day", "day"),
        ("identity(day)", "day", "day"),
        ("DAY(`ts`)", "days(ts)", "ts"),
        ("date(ts)", "days(ts)", "ts"),
        ("date_hour( ts )", "hours(ts)", "ts"),
        ("months(place.`at`)", "months(place.at)", "place.at"),
        ("bucket(16,`id`)", "bucket(16, id)", "id"),
        ("truncate(name, 4)", "truncate(4, name)", "name"),
        ("truncate(4, `a b`)", "truncate(4, a b)", "a b"),
    ],
)
def test_a_transform_has_one_spelling_however_it_is_written(written, plain, source):
    assert plain_transform(written) == plain
    assert source_of(plain) == source


def test_iceberg_s_own_names_are_spelled_the_same():
    assert transform_of("identity", "Day") == "day"
    assert transform_of("day", "ts") == "days(ts)"
    assert transform_of("bucket[16]", "id") == "bucket(16, id)"
    assert transform_of("truncate[4]", "name") == "truncate(4, name)"
