"""What must hold for any data and any history, tried on random ones."""

from __future__ import annotations

import math
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.places import ROOT

pytestmark = pytest.mark.spark

RECIPES = ROOT / "recipes"
SCRIPTS = {
    "spark-sql": RECIPES / "spark-sql" / "src" / "sparksql_write.sql",
    "pyspark": RECIPES / "pyspark" / "src" / "pyspark_write.py",
}
few = settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], print_blob=True
)

# Hours whose sums tie, cancel out, and depend on the order of summation.
hours = st.sampled_from([None, -1.0, 0.0, 0.1, 0.2, 0.3, 0.7, 1e-7, 1.0, 1e8, 3.3333333])
viewings = st.lists(
    st.tuples(st.one_of(st.none(), st.integers(1, 150)), st.sampled_from(["US", "LI", "ÅX"]), hours, st.integers(1, 2)),
    min_size=1,
    max_size=400,
)


def reference(rows, day):
    """Compute the top titles of a day the plain way, with exact sums."""
    watched = defaultdict(list)
    for title, country, hour, on in rows:
        if on == day and title is not None and hour is not None and hour > 0:
            watched[country, title].append(hour)
    summed = {key: round(math.fsum(values), 6) for key, values in watched.items()}
    found = set()
    for (country, title), total in summed.items():
        rank = 1 + sum(other > total for (place, _), other in summed.items() if place == country)
        if rank <= 100:
            found.add((title, country, rank, total))
    return found


@pytest.mark.parametrize("recipe", SCRIPTS)
@few
@given(rows=viewings)
def test_what_is_published_equals_a_plain_reference(package, recipe, rows):
    script = SCRIPTS[recipe]
    package.write("ddl.sql", (RECIPES / "shared" / "results.sql").read_text())
    package.write(f"write{script.suffix}", script.read_text())
    main = package.folder / "main.sch.yaml"
    main.write_text(main.read_text().replace("write.sql", f"write{script.suffix}"))
    if "empty: publish" not in main.read_text():
        package.edit("main.sch.yaml", "      write:\n", "      empty: publish\n      write:\n")
        package.edit("main.sch.yaml", "columns: [date, id]", "columns: [date, country_code, title_id]")
        package.edit("main.sch.yaml", "columns: [hours]", "columns: [view_hours]")
    values = ", ".join(
        f"({'NULL' if title is None else title}, '{country}', {'NULL' if hour is None else f'{hour!r}D'}, "
        f"DATE '2026-01-0{day}')"
        for title, country, hour, day in rows
    )
    package.spark.sql(f"DROP TABLE IF EXISTS {package.source}")
    package.spark.sql(
        f"CREATE TABLE {package.source} USING iceberg AS "
        "SELECT CAST(title_id AS INT) title_id, country_code, CAST(view_hours AS DOUBLE) view_hours, date "
        f"FROM VALUES {values} AS t(title_id, country_code, view_hours, date)"
    )
    result = package.run(day=1)
    assert result.status == "succeeded", [step.error for _, step in result.failed_steps]
    found = package.spark.sql(
        f"SELECT title_id, country_code, title_rank, view_hours FROM {package.target} WHERE date = DATE '2026-01-01'"
    ).collect()
    assert len(found) == len({tuple(row) for row in found})
    wanted = {(title, country): (rank, total) for title, country, rank, total in reference(rows, 1)}
    assert {(row.title_id, row.country_code) for row in found} == wanted.keys()
    for row in found:
        rank, total = wanted[row.title_id, row.country_code]
        assert row.title_rank == rank
        assert row.view_hours == pytest.approx(total, rel=1e-9)


day_runs = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3), st.booleans()), min_size=1, max_size=6)


@few
@given(history=day_runs)
def test_each_day_holds_the_rows_of_its_last_successful_run(package, history):
    package.spark.sql(f"DROP TABLE IF EXISTS {package.target}")
    expected: dict[int, list[int]] = {}
    for day, count, good in history:
        package.spark.sql(f"DELETE FROM {package.source}")
        ids = list(range(count)) if good else [0, 0]  # a key twice fails the audit
        package.add_source(*((id_, float(count), day) for id_ in ids))
        result = package.run(day=day)
        assert (result.status == "succeeded") == good
        if good:
            expected[day] = ids
        if expected:
            assert package.rows() == sorted((id_, on) for on, ids_ in expected.items() for id_ in ids_)
