"""A table as its page shows it: real tables, written by PyIceberg, and the properties that runs leave with them."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from pyiceberg.transforms import BucketTransform, HourTransform, IdentityTransform, MonthTransform

from dataflow.errors import DataflowError
from dataflow.tables.changed_days.present import present_periods
from dataflow.tables.high_water_mark import HighWater
from dataflow.ui.read.calendar import State, calendar
from dataflow.ui.read.table import table_detail
from dataflow.workflow.periods import Cadence
from tests.support.catalog_tables import add_files, catalog, create, day, days, micros, plays
from tests.support.hostile import HOSTILE

__all__ = ["catalog"]

TODAY = day("2026-02-10")
MARK = {
    "dataflow.hwm": "2026-02-03",
    "dataflow.hwm.timezone": "Europe/Berlin",
    "dataflow.hwm.ahead": json.dumps({"2026-02-06": {}, "2026-02-07": {}}),
}


def shown(table, water=None, today=TODAY):
    return {it.label: it for it in calendar(table, water or HighWater(), today).cells}


def test_a_table_tells_its_columns_its_owner_and_its_history(catalog):
    made = create(
        catalog,
        "prod.plays",
        properties={
            "comment": "one row a play",
            "dataflow.owner": "alice",
            "dataflow.tags": "gold, films",
            "dataflow.lifetime-days": "400",
            "dataflow.primary-key": "date, ID",
            "dataflow.moving-columns": json.dumps({"hours": "view_hours", "at": None}),
        },
    )
    made.append(plays("2026-02-01"), {"dataflow.run-id": "20260201t1", "dataflow.partition": "date=2026-02-01"})
    made.append(plays("2026-02-02", "2026-02-03"))
    found = table_detail(catalog, "lake.prod.plays", TODAY)
    assert (found.owner, found.tags, found.lifetime_days, found.key) == (
        "alice",
        ("gold", "films"),
        400,
        ("date", "ID"),
    )
    assert (found.rows, found.files, found.comment) == (6, 3, "one row a play")
    assert [(it.name, it.depth, it.type, it.nullable, it.is_key, it.moves) for it in found.columns] == [
        ("id", 0, "BIGINT", False, True, None),
        ("hours", 0, "DOUBLE", True, False, "view_hours"),
        ("date", 0, "DATE", True, True, None),
        ("at", 0, "TIMESTAMP_NTZ", True, False, ""),
        ("viewer", 0, "STRUCT", True, False, None),
        ("country", 1, "STRING", True, False, None),
        ("tags", 1, "ARRAY", True, False, None),
        ("element", 2, "STRING", True, False, None),
    ]
    assert found.columns[1].comment == HOSTILE[0]
    assert [(it.operation, it.added, it.rows, it.run_id, it.partition, it.refs) for it in found.snapshots] == [
        ("append", 4, 6, None, None, ("main",)),
        ("append", 2, 2, "20260201t1", "date=2026-02-01", ()),
    ]
    assert found.ddl == (
        "CREATE TABLE prod.plays (\n"
        "  id BIGINT NOT NULL COMMENT 'the title\\'s number',\n"
        "  hours DOUBLE COMMENT '<script>document.title=\\'pwned\\'</script>',\n"
        "  date DATE COMMENT 'the day of the play',\n"
        "  at TIMESTAMP_NTZ,\n"
        "  viewer STRUCT<country: STRING COMMENT 'ISO 3166', tags: ARRAY<STRING>> COMMENT 'who looked'\n"
        ")\nUSING iceberg\nPARTITIONED BY (date)\nCOMMENT 'one row a play';\n"
    )


def test_the_calendar_tells_complete_days_from_empty_missing_and_coming_ones(catalog):
    made = create(catalog, "prod.plays", properties=MARK)
    made.append(plays("2026-01-30", "2026-02-01", "2026-02-05", "2026-02-06", None))
    found = table_detail(catalog, "prod.plays", TODAY)
    assert (found.mark.label, found.mark.timezone) == ("2026-02-03", "Europe/Berlin")
    assert found.mark.ahead == ("2026-02-06", "2026-02-07")
    cells = {it.label: (it.state, it.rows) for it in found.calendar.cells}
    assert len(cells) == 371
    assert cells["2026-01-29"] == (State.BEFORE, 0)
    assert cells["2026-01-30"] == (State.COMPLETE, 2)
    assert cells["2026-01-31"] == (State.EMPTY, 0)
    assert cells["2026-02-03"] == (State.EMPTY, 0)
    assert cells["2026-02-04"] == (State.MISSING, 0)
    assert cells["2026-02-05"] == (State.ROWS, 2)
    assert cells["2026-02-06"] == (State.COMPLETE, 2)
    assert cells["2026-02-07"] == (State.EMPTY, 0)
    assert (found.calendar.missing, found.calendar.first, found.calendar.last) == (1, "2026-01-30", "2026-02-06")
    assert found.calendar.gaps == (("2026-02-04", "2026-02-04", 1),)
    weeks = found.calendar.columns_of_weeks
    assert {len(week) for week in weeks} == {7}
    assert all(it is None or it.start.weekday() == n for week in weeks for n, it in enumerate(week))


def test_a_table_without_a_mark_shows_what_it_has(catalog):
    made = create(catalog, "prod.plays")
    made.append(plays("2026-02-01", "2026-02-03"))
    cells = shown(made)
    assert [cells[f"2026-02-0{n}"].state for n in (1, 2, 3)] == [State.ROWS, State.MISSING, State.ROWS]


def test_a_file_of_many_days_has_rows_of_each_perhaps(catalog):
    made = create(catalog, "prod.plays", by=[("date", MonthTransform())])
    month = (2026 - 1970) * 12 + 1
    add_files(made, (month, 7, {"date": (days("2026-02-01"), days("2026-02-03"))}), (month - 1, 1, {}))
    water = HighWater(mark=Cadence.DAILY.parse("2026-02-01"))
    cells = shown(made, water)
    assert [(cells[f"2026-02-0{n}"].state, cells[f"2026-02-0{n}"].rows) for n in (1, 2, 3)] == [
        (State.COMPLETE, None),
        (State.MAYBE, None),
        (State.MAYBE, None),
    ]
    assert cells["2026-01-15"].state is State.COMPLETE
    assert calendar(made, water, TODAY).notes == (
        "some files hold several days: of each of them nobody can tell the rows without reading data",
    )


def test_a_table_of_months_has_a_calendar_of_months(catalog):
    made = create(catalog, "prod.plays", by=[("date", MonthTransform())])
    first = (2025 - 1970) * 12 + 10
    add_files(made, (first, 2, {}), (first + 2, 3, {}))
    cells = shown(made)
    assert [(it, cells[it].state, cells[it].rows) for it in ("2025-10", "2025-11", "2025-12", "2026-01")] == [
        ("2025-10", State.BEFORE, 0),
        ("2025-11", State.ROWS, 2),
        ("2025-12", State.MISSING, 0),
        ("2026-01", State.ROWS, 3),
    ]


def test_a_table_of_hours_has_days_with_the_hours_that_they_have(catalog):
    made = create(catalog, "prod.plays", by=[("at", HourTransform())])
    five = micros("2026-02-01T05:00") // 3_600_000_000
    add_files(made, (five, 2, {}), (five + 24, 2, {}))
    cells = shown(made)
    assert (cells["2026-02-01"].parts, cells["2026-02-01"].state) == (1, State.MISSING)
    water = HighWater(mark=Cadence.HOURLY.parse("2026-02-02T05"))
    cells = shown(made, water)
    assert (cells["2026-02-01"].parts, cells["2026-02-01"].state, cells["2026-02-01"].rows) == (19, State.COMPLETE, 2)
    assert (cells["2026-02-02"].parts, cells["2026-02-02"].state) == (6, State.COMPLETE)


def test_a_day_that_stands_for_never_does_not_move_the_calendar(catalog):
    made = create(catalog, "prod.plays")
    made.append(plays("2026-02-01", "9999-12-31", "0001-01-01"))
    found = calendar(made, HighWater(), TODAY)
    assert found.cells[-1].label == str(TODAY)
    assert {it.state for it in found.cells[-8:]} == {State.AFTER}
    assert (found.cells[-10].label, found.cells[-10].state, found.missing) == ("2026-02-01", State.ROWS, 0)
    assert (found.first, found.last) == ("0001-01-01", "9999-12-31")


def test_a_partition_that_was_evolved_is_told_by_each_of_its_files(catalog):
    made = create(catalog, "prod.plays", by=[])
    made.append(plays("2026-01-30"))
    with made.update_spec() as update:
        update.add_identity("date")
    made.append(plays("2026-02-01"))
    cells = shown(made)
    assert [cells[it].state for it in ("2026-01-30", "2026-01-31", "2026-02-01")] == [
        State.ROWS,
        State.MISSING,
        State.ROWS,
    ]


def test_an_empty_table_and_one_without_days_have_no_calendar(catalog):
    create(catalog, "prod.empty")
    found = table_detail(catalog, "prod.empty", TODAY)
    assert (found.rows, found.bytes, found.snapshots, found.calendar.cells) == (0, 0, (), ())
    add_files(create(catalog, "prod.unordered", by=[("id", BucketTransform(4))]), (1, 2, {}))
    found = table_detail(catalog, "prod.unordered", TODAY)
    assert found.calendar is None
    assert found.why_no_calendar.startswith("nobody can tell which column of prod.unordered is the day of a row")
    assert found.partitioned_by == ("bucket(4, id)",)
    assert table_detail(catalog, "prod.nothing", TODAY) is None
    assert table_detail(catalog, "nothing", TODAY) is None


def test_items_that_are_complete_are_listed(catalog):
    items = json.dumps([[{"prod.s": [1, 2]}, ["DE", HOSTILE[0]]]])
    create(catalog, "prod.by_country", by=[("id", IdentityTransform())], properties={"dataflow.hwm.items": items})
    assert table_detail(catalog, "prod.by_country", TODAY).items == (HOSTILE[0], "DE")


@pytest.mark.parametrize("name", HOSTILE)
def test_names_and_properties_may_be_anything(catalog, name):
    properties = dict.fromkeys(("comment", "dataflow.owner", "dataflow.tags", "dataflow.primary-key"), name)
    broken = dict.fromkeys(("dataflow.hwm", "dataflow.hwm.items", "dataflow.moving-columns"), name)
    create(catalog, ("prod", name), properties=properties | broken | {"dataflow.lifetime-days": name})
    called = f"prod.`{name}`" if "." in name else f"prod.{name}"
    found = table_detail(catalog, called, TODAY)
    assert (found.name, found.comment, found.owner, found.lifetime_days, found.mark) == (called, name, name, None, None)


def test_a_manifest_that_is_gone_is_said(catalog, tmp_path):
    made = create(catalog, "prod.plays")
    made.append(plays("2026-02-01"))
    for file in (tmp_path / "warehouse").rglob("snap-*.avro"):
        file.unlink()
    found = table_detail(catalog, "prod.plays", TODAY)
    assert found.why_no_calendar.startswith("can't read ")
    with pytest.raises(DataflowError, match="can't read"):
        present_periods(made, Cadence.DAILY, 10, today=Cadence.DAILY.at(TODAY))


def test_the_calendar_grows_with_its_window_and_not_with_the_table(catalog):
    made = create(catalog, "prod.plays")
    start = dt.date(2020, 1, 1)
    for year in range(2020, 2026):
        made.append(plays(*(str(start.replace(year=year) + dt.timedelta(days=n)) for n in range(40)), per_day=1))
    found = present_periods(made, Cadence.DAILY, 60, today=Cadence.DAILY.at(TODAY))
    assert len(found.window) == 60
    assert len(found.rows) == 40
    assert found.first.label == "2020-01-01"
