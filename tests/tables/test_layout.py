"""How a write lays out a table's files: chosen by what the table is and by what its days came to."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.tables import layout
from dataflow.tables.embedded_catalog import metadata
from dataflow.tables.iceberg import load, properties
from dataflow.tables.layout import DISTRIBUTION, TARGET, TableFacts, choose, facts_in, facts_of
from dataflow.tables.properties import DISTRIBUTED, FILE_SIZE

MIB, GIB, TIB = 1024**2, 1024**3, 1024**4
BY_DAY = (("date", "identity"),)


def facts(*days, fields=BY_DAY, is_sorted=False, **given):
    return TableFacts(fields, is_sorted, {key.replace("_", "."): value for key, value in given.items()}, days)


@pytest.mark.parametrize(
    ("table", "tasks", "lines"),
    [
        (
            facts(),
            200,
            (
                "distribution hash: one partition, whose rows come together first",
                "files up to 512 MiB: Iceberg's own, no day was published yet",
            ),
        ),
        (
            facts(3 * MIB, 2 * MIB),
            200,
            (
                "distribution hash: one partition, whose rows come together first",
                "files up to 512 MiB: Iceberg's own, a day has 3.0 MiB",
            ),
        ),
        (
            facts(2 * GIB),
            200,
            (
                "distribution hash: one partition, whose rows come together first",
                "files up to 128 MiB: a day has 2.0 GiB",
            ),
        ),
        (
            facts(2 * GIB),
            8,
            (
                "distribution none: one partition of 2.0 GiB, which each task writes as it has it",
                "files up to 128 MiB: a day has 2.0 GiB",
            ),
        ),
        (
            facts(100 * TIB),
            20_000,
            (
                "distribution none: one partition of 100.0 TiB, which each task writes as it has it",
                "files up to 1,024 MiB: a day has 100.0 TiB",
            ),
        ),
        (
            facts(TIB, fields=(*BY_DAY, ("country", "identity"), ("id", "bucket[16]"))),
            200,
            ("distribution hash: rows of one country, id come together", "files up to 1,024 MiB: a day has 1.0 TiB"),
        ),
        (
            facts(fields=()),
            200,
            (
                "distribution none: the table has no partitions",
                "files up to 512 MiB: Iceberg's own, no day was published yet",
            ),
        ),
        (
            facts(TIB, is_sorted=True),
            200,
            ("distribution range: the table has a sort order", "files up to 1,024 MiB: a day has 1.0 TiB"),
        ),
        (
            dataclasses.replace(facts(TIB), properties={DISTRIBUTION: "hash", TARGET: str(64 * MIB)}),
            200,
            (
                "distribution hash: the table's write.distribution-mode",
                "files up to 64 MiB: the table's write.target-file-size-bytes",
            ),
        ),
    ],
)
def test_the_layout_follows_from_the_table_and_from_its_days(table, tasks, lines):
    assert choose(table, ["DATE"], tasks).lines() == lines


sizes = st.lists(st.integers(0, 400 * TIB), max_size=7).map(tuple)
values = st.fixed_dictionaries(
    {},
    optional={
        DISTRIBUTION: st.sampled_from(["none", "hash", "range"]),
        TARGET: st.sampled_from(["134217728", "536870912", "a lot"]),
        DISTRIBUTED: st.just("none"),
        FILE_SIZE: st.sampled_from(["134217728", "268435456"]),
    },
)
tables = st.builds(
    TableFacts, st.sampled_from([(), BY_DAY, (*BY_DAY, ("id", "bucket[4]"))]), st.booleans(), values, sizes
)


def applied(table, wanted):
    found = {**table.properties, **wanted}
    return dataclasses.replace(table, properties={key: value for key, value in found.items() if value is not None})


@given(tables, st.integers(0, 100_000))
def test_what_is_chosen_is_chosen_again_and_what_somebody_set_stays(table, tasks):
    first = choose(table, ["date"], tasks)
    after = applied(table, first.wanted)
    again = choose(after, ["date"], tasks)
    assert again.wanted == {}
    assert (again.distribution, again.file_size) == (first.distribution, first.file_size)
    for key, marker in ((DISTRIBUTION, DISTRIBUTED), (TARGET, FILE_SIZE)):
        if table.properties.get(key) not in (None, table.properties.get(marker)):
            assert after.properties[key] == table.properties[key]
            assert marker not in after.properties


@given(tables, st.integers(0, 100_000), st.floats(0.8, 1.25))
def test_a_day_that_is_a_little_larger_or_smaller_changes_nothing(table, tasks, factor):
    stays = applied(table, choose(table, ["date"], tasks).wanted)
    for _ in range(2):  # there and back
        grown = dataclasses.replace(stays, days=tuple(int(size * factor) for size in table.days))
        moved = applied(grown, choose(grown, ["date"], tasks).wanted)
        back = dataclasses.replace(moved, days=table.days)
        settled = applied(back, choose(back, ["date"], tasks).wanted)
        assert choose(dataclasses.replace(settled, days=grown.days), ["date"], tasks).wanted == {}
        stays = settled


@pytest.mark.spark
def test_spark_and_the_metadata_file_tell_the_same_of_a_published_table(package):
    package.edit("ddl.sql", "PARTITIONED BY (date)", "PARTITIONED BY (date, bucket(4, id))")
    package.add_source((1, 1.0, 1), (2, 2.0, 1), (3, 3.0, 2))
    for day in (1, 2):
        assert package.run(day=day).status == "succeeded"
    table = load(package.spark, package.target)
    found = facts_of(table)
    assert found == facts_in(metadata(str(table.operations().current().metadataFileLocation())))
    assert found.fields == (("date", "identity"), ("id", "bucket[4]"))
    assert len(found.days) == 2
    assert all(size > 0 for size in found.days)
    assert {DISTRIBUTION, TARGET, DISTRIBUTED, FILE_SIZE} & properties(table).keys() == set()


@pytest.mark.spark
def test_a_large_day_is_written_as_tasks_have_it_and_the_table_says_so(package, monkeypatch):
    package.add_source((1, 1.0, 1), (2, 2.0, 1), (3, 3.0, 2))
    assert package.run(day=1).status == "succeeded"
    monkeypatch.setattr(layout, "_LARGE_FOR_A_TASK", 1)
    monkeypatch.setattr(layout, "_LEAST", 16)
    for _ in range(2):
        assert package.run(day=2).status == "succeeded"
    assert package.rows() == [(1, 1), (2, 1), (3, 2)]
    chosen = properties(load(package.spark, package.target))
    assert (chosen[DISTRIBUTION], chosen[DISTRIBUTED]) == ("none", "none")
    assert chosen[TARGET] == chosen[FILE_SIZE]
    package.spark.sql(f"ALTER TABLE {package.target} SET TBLPROPERTIES ('{DISTRIBUTION}' = 'hash')")
    assert package.run(day=1).status == "succeeded"
    kept = properties(load(package.spark, package.target))
    assert (kept[DISTRIBUTION], kept.get(DISTRIBUTED)) == ("hash", None)
    assert package.rows() == [(1, 1), (2, 1), (3, 2)]
