"""Changes and their class, by the table as it is."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from dataflow.errors import UsageError
from dataflow.migration.changes import ChangeRequest, TableChange, changes_of, new_name
from dataflow.migration.steps import steps_for
from dataflow.tables.schema.columns import Column, of_spark, sql_type
from dataflow.tables.schema.table_schema import TableSchema
from tests.support.shapes import DDL, SAME, SHAPE


def classed(wish):
    return {str(change): change.safe for change in changes_of(SHAPE, wish)}


def to(columns, partition="date"):
    return classed(ChangeRequest(ddl=DDL.format(columns, partition)))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (SAME + ", extra STRING", {"add column extra STRING": True}),
        (SAME + ", extra STRING NOT NULL", {"add column extra STRING": False}),
        (SAME.replace("FLOAT", "DOUBLE"), {"change the type of hours to DOUBLE": True}),
        (SAME.replace("(10,2)", "(12,2)"), {"change the type of paid to DECIMAL(12, 2)": True}),
        (SAME.replace("(10,2)", "(12,3)"), {"change the type of paid to DECIMAL(12, 3)": False}),
        (SAME.replace("(10,2)", "(8,2)"), {"change the type of paid to DECIMAL(8, 2)": False}),
        (SAME.replace("id INT", "id BIGINT"), {"change the type of id to BIGINT": True}),
        (SAME.replace("id INT", "id STRING"), {"change the type of id to STRING": False}),
        (SAME.replace("id INT NOT NULL", "id INT"), {"allow NULL in id": True}),
        (SAME.replace("date DATE", "date DATE NOT NULL"), {"forbid NULL in date": False}),
        (SAME.replace("how long", "in hours"), {"change the comment of hours": True}),
        (SAME.replace(", paid DECIMAL(10,2)", ""), {"drop column paid": False}),
        ("hours FLOAT COMMENT 'how long', id INT NOT NULL, paid DECIMAL(10,2), date DATE",
         {"change the order of the columns": False}),
    ],
)  # fmt: skip
def test_a_new_definition_is_compared_column_by_column_and_each_change_classed(columns, expected):
    assert to(columns) == expected


def test_another_partition_breaks():
    assert to(SAME, "months(date)") == {"partition by months(date)": False}


def test_a_new_type_does_not_take_over_a_column_that_has_its_name_already():
    taken = replace(SHAPE, columns=(*SHAPE.columns, Column("Hours_int", "INT")))
    with pytest.raises(UsageError, match="a column 'hours_int' already exists"):
        changes_of(taken, ChangeRequest(types={"hours": "int"}))


def test_an_option_and_a_definition_may_ask_for_the_same():
    wish = ChangeRequest(types={"id": "bigint"}, ddl=DDL.format(SAME.replace("id INT", "id BIGINT"), "date"))
    assert classed(wish) == {"change the type of id to BIGINT": True}
    assert len(changes_of(SHAPE, wish)) == 1


def test_options_say_the_same_in_short():
    wish = ChangeRequest(rename={"hours": "view_hours"}, drop=["PAID"], types={"id": "bigint"})
    assert classed(wish) == {
        "rename column hours to view_hours": False,
        "drop column paid": False,
        "change the type of id to BIGINT": True,
    }


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (ChangeRequest(rename={"hour": "h"}), r"prod\.plays has no column 'hour'; did you mean 'hours'\?"),
        (ChangeRequest(rename={"hours": "PAID"}), "already has a column 'PAID'"),
        (ChangeRequest(rename={"hours": "a b"}), "'a b' is not a valid column name"),
        (ChangeRequest(types={"id": "bigit"}), "'bigit' is not a known type"),
        (ChangeRequest(types={"id": "int"}), "nothing would change on prod.plays"),
        (
            ChangeRequest(rename={"hours": "h", "paid": "H"}),
            "can't rename column paid to H: a column 'H' already exists",
        ),
        (
            ChangeRequest(rename={"hours": "h"}, drop=["HOURS"]),
            "can't rename column hours to h and drop column hours in one",
        ),
        (
            ChangeRequest(rename={"hours": "h"}, types={"hours": "int"}),
            "can't rename column hours to h and change the type of",
        ),
        (
            ChangeRequest(rename={"hours": "h"}, ddl=DDL.format(SAME.replace("hours FLOAT", "h INT"), "date")),
            "can't rename",
        ),
        (
            ChangeRequest(types={"hours": "string"}, rename={"paid": "hours_string"}),
            "a column 'hours_string' already exists",
        ),
        (ChangeRequest(ddl="SELECT 1"), "should be one CREATE TABLE"),
        (ChangeRequest(ddl="CREATE TABLE ("), "can't be read"),
        (ChangeRequest(ddl="CREATE VIEW v (id) AS SELECT 1"), "should be one CREATE TABLE"),
        (ChangeRequest(ddl="CREATE TABLE t (id)"), "column id has no type"),
        (ChangeRequest(ddl="CREATE TABLE t (id INT, ID INT)"), "column id stands twice"),
        (ChangeRequest(types={"hours": "int"}, names={"hours": "paid"}), "a column 'paid' already exists"),
        (ChangeRequest(types={"hours": "int"}, names={"hours": "a-b"}), "'a-b' is not a valid column name"),
        (
            ChangeRequest(types={"id": "bigint"}, names={"id": "key"}),
            "id widens to BIGINT in place; the column name",
        ),
    ],
)
def test_bad_input_is_one_clear_line(wish, said):
    with pytest.raises(UsageError, match=said) as caught:
        changes_of(SHAPE, wish)
    assert "\n" not in caught.value.message


def test_types_are_compared_in_one_spelling():
    assert sql_type("long") == sql_type("BIGINT")
    assert sql_type("array<struct<a: int>>").type == sql_type("ARRAY<STRUCT<a INT>>").type == "ARRAY<STRUCT<a: INT>>"
    assert [sql_type(text).type for text in ("byte", "smallint", "varchar(10)", "decimal", "timestamp_ltz")] == [
        "INT", "INT", "STRING", "DECIMAL(10, 0)", "TIMESTAMP",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("int; drop table x", "is not a known type"),
        ("string comment 'x'", "is not a known type"),
        ("int not null", "is not a known type"),
        ("", "is not a known type"),
        ("struct<a int", "is not a known type"),
        ("timestamp_ns", "is not a known type"),
        ("decimal(50,2)", "'decimal(50, 2)' is not a type of Iceberg tables"),
        ("decimal(10,20)", "is not a type of Iceberg tables"),
        ("decimal(0)", "is not a type of Iceberg tables"),
        ("array<decimal(50,2)>", "'decimal(50, 2)' is not a type of Iceberg tables"),
        ("struct<a: int, A: int>", "is not a type of Iceberg tables"),
        ("map<string, array>", "'array' is not a type of Iceberg tables"),
        ("map<int>", "'map<int>' is not a type of Iceberg tables"),
        ("int(11)", "'int(11)' is not a type of Iceberg tables"),
        *(
            (kind, f"'{kind}' is not a type of Iceberg tables")
            for kind in (
                "interval", "interval day", "json", "variant", "array", "struct", "varchar", "uuid", "time", "datetime",
            )
        ),
    ],
)  # fmt: skip
def test_a_type_that_no_column_can_have_is_refused_and_so_is_what_stands_behind_one(text, said):
    for wish in (ChangeRequest(types={"hours": text}), ChangeRequest(ddl=DDL.format(f"{SAME}, extra {text}", "date"))):
        if wish.ddl is None or said.endswith("can have"):
            with pytest.raises(UsageError) as caught:
                changes_of(SHAPE, wish)
            assert said in caught.value.message
            assert "\n" not in caught.value.message


def test_a_column_of_a_type_that_is_newer_than_we_are_may_stay_as_it_is():
    newer = replace(SHAPE, columns=(*SHAPE.columns, Column("doc", "VARIANT")))
    (change,) = changes_of(
        newer, ChangeRequest(ddl=DDL.format(SAME.replace("FLOAT", "DOUBLE") + ", doc VARIANT", "date"))
    )
    assert str(change) == "change the type of hours to DOUBLE"


STORED = TableSchema(
    "prod.plays",
    (
        Column("id", "INT"),
        Column("tiny", "INT"),
        Column("code", "STRING"),
        Column("flag", "STRING"),
        Column("paid", "DECIMAL(10, 0)"),
        Column("at", "TIMESTAMP"),
        Column("day", "DATE", comment="set by hand"),
    ),
    ("day", "hours(at)", "bucket(16, id)", "truncate(3, code)"),
    ("id",),
    "by hand as well",
)
WRITTEN = (
    "CREATE TABLE prod.plays (id SMALLINT, tiny TINYINT, code VARCHAR(10), flag CHAR(1), paid DECIMAL, "
    "at TIMESTAMP_LTZ, day DATE) USING iceberg "
    "PARTITIONED BY (`day`, HOUR(`at`), bucket(16, `id`), truncate(code, 3))"
)


def test_a_table_s_own_definition_changes_nothing_however_it_is_written():
    with pytest.raises(UsageError, match="nothing would change"):
        changes_of(STORED, ChangeRequest(ddl=WRITTEN))
    (change,) = changes_of(STORED, ChangeRequest(ddl=WRITTEN.replace("HOUR", "DAY")))
    assert str(change) == "partition by day, days(at), bucket(16, id), truncate(3, code)"


PLACE = of_spark("place", "STRUCT<town: STRING COMMENT 'where', at: STRUCT<lat: FLOAT NOT NULL>>")
NESTED = TableSchema("prod.plays", (PLACE, of_spark("tags", "ARRAY<STRUCT<n: INT>>"), of_spark("by", "MAP<INT, INT>")))


@pytest.mark.parametrize(
    ("old", "new", "sql"),
    [
        ("town: STRING", "town: STRING COMMENT 'city'", "ALTER COLUMN `place`.`town` COMMENT 'city'"),
        ("lat: FLOAT", "lat: DOUBLE", "ALTER COLUMN `place`.`at`.`lat` TYPE DOUBLE"),
        ("lat: FLOAT NOT NULL", "lat: FLOAT", "ALTER COLUMN `place`.`at`.`lat` DROP NOT NULL"),
        ("lat: FLOAT NOT NULL", "lat: FLOAT NOT NULL, lon: STRUCT<a: INT COMMENT 'its'> COMMENT 'x'",
         "ADD COLUMN `place`.`at`.`lon` STRUCT<a: INT COMMENT 'its'> COMMENT 'x' AFTER `lat`"),
        ("town: STRING", "zip: INT, town: STRING", "ADD COLUMN `place`.`zip` INT FIRST"),
        ("n: INT", "n: BIGINT", "ALTER COLUMN `tags`.`element`.`n` TYPE BIGINT"),
        ("n: INT", "n: INT, m: INT", "ADD COLUMN `tags`.`element`.`m` INT AFTER `n`"),
        ("MAP<INT, INT>", "MAP<INT, BIGINT>", "ALTER COLUMN `by`.`value` TYPE BIGINT"),
        ("MAP<INT, INT>", "MAP<BIGINT, INT>", ""),
        ("lat: FLOAT", "lat: STRING", ""),
        ("town: STRING", "town: STRING NOT NULL", ""),
        ("town: STRING, ", "", ""),
        ("town: STRING, ", "zip: INT NOT NULL, town: STRING, ", ""),
        ("n: INT", "m: INT", ""),
    ],
)  # fmt: skip
def test_what_changes_inside_a_column_is_safe_where_iceberg_changes_it_in_place(old, new, sql):
    written = (
        "CREATE TABLE ${T} (place STRUCT<town: STRING, at: STRUCT<lat: FLOAT NOT NULL>>, "
        "tags ARRAY<STRUCT<n: INT>>, by MAP<INT, INT>)"
    )
    assert old in written
    (change,) = changes_of(NESTED, ChangeRequest(ddl=written.replace(old, new)))
    assert change.safe == bool(sql)
    if sql:
        (step,) = steps_for("prod.plays", [change])
        assert step.sql == f"ALTER TABLE `prod`.`plays` {sql}"
        assert step.adds == (change.path if change.kind == "add" else "")
        assert TableChange(**json.loads(json.dumps(asdict(replace(change, shared=()))))).within == change.within
    else:
        assert (change.kind, change.within) == ("type", ())


def test_a_new_column_stands_where_the_definition_has_it():
    sql = [
        step.sql.partition("ADD COLUMN ")[2]
        for step in steps_for(
            "t",
            changes_of(
                SHAPE, ChangeRequest(ddl=DDL.format("a INT, b INT, " + SAME.replace(", date", ", c INT, date"), "date"))
            ),
        )
    ]
    assert sql == ["`a` INT FIRST", "`b` INT AFTER `a`", "`c` INT AFTER `paid`"]


KEYED = replace(STORED, key=("id", "code"))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (WRITTEN.replace("day DATE)", "day DATE, PRIMARY KEY (id))"), "make (id) the primary key"),
        (WRITTEN.replace("id SMALLINT", "id SMALLINT PRIMARY KEY"), "make (id) the primary key"),
        (WRITTEN + " TBLPROPERTIES ('dataflow.primary-key' = 'id, at')", "make (id, at) the primary key"),
        (WRITTEN + " TBLPROPERTIES ('dataflow.primary-key' = '')", "make nothing the primary key"),
        (WRITTEN + " TBLPROPERTIES ('dataflow.primary-key' = 'CODE,id')", None),
        (WRITTEN + " TBLPROPERTIES ('dataflow.primary-key' = '${KEY}')", None),
        (WRITTEN, None),
    ],
)
def test_another_key_breaks(written, said):
    if said is None:
        with pytest.raises(UsageError, match="nothing would change"):
            changes_of(KEYED, ChangeRequest(ddl=written))
        return
    (change,) = changes_of(KEYED, ChangeRequest(ddl=written))
    assert (str(change), change.safe) == (said, False)
    with pytest.raises(UsageError, match="can't be migrated column by column"):
        steps_for("prod.plays", [change])


def test_a_key_that_follows_a_rename_is_the_same():
    written = WRITTEN.replace("flag CHAR(1)", "mark CHAR(1)")
    keyed = replace(STORED, key=("flag",))
    for name in ("mark", "flag"):
        wish = ChangeRequest(
            rename={"flag": "mark"}, ddl=f"{written} TBLPROPERTIES ('dataflow.primary-key' = '{name}')"
        )
        assert [str(change) for change in changes_of(keyed, wish)] == ["rename column flag to mark"]


def test_a_definition_that_says_two_keys_is_refused():
    both = WRITTEN.replace("day DATE)", "day DATE, PRIMARY KEY (id))") + " TBLPROPERTIES ('dataflow.primary-key'='at')"
    with pytest.raises(UsageError, match=r"has two primary keys: \(id\) and \(at\)"):
        changes_of(KEYED, ChangeRequest(ddl=both))


@pytest.mark.parametrize("said", ["COMMENT 'new'", "TBLPROPERTIES ('comment' = 'new')"])
def test_another_comment_of_the_table_is_safe(said):
    (change,) = changes_of(STORED, ChangeRequest(ddl=f"{WRITTEN} {said}"))
    assert (str(change), change.safe) == ("change the comment of the table", True)
    (step,) = steps_for("prod.plays", [change])
    assert step.sql == "ALTER TABLE `prod`.`plays` SET TBLPROPERTIES ('comment' = 'new')"


@pytest.mark.parametrize(
    ("name", "is_other"),
    [
        ("prod.other", True), ("test.plays", True), ("dataflow.prod.other", True), ("${DB}.other", True),
        ("prod.plays", False), ("`prod`.`plays`", False), ("dataflow.prod.plays", False), ("${TARGET_TABLE}", False),
        ("${DB}.plays", False), ("prod.${NAME}", False), ("prod.play${SUFFIX}", False), ("plays", False),
        ("anything", False),
    ],
)  # fmt: skip
def test_a_definition_of_another_table_is_refused(name, is_other):
    wish = ChangeRequest(ddl=WRITTEN.replace("prod.plays", name).replace("day DATE", "day DATE, extra INT"))
    if is_other:
        with pytest.raises(UsageError, match=r"the new definition is of .*, not of prod\.plays"):
            changes_of(STORED, wish)
    else:
        assert [str(change) for change in changes_of(STORED, wish)] == ["add column extra INT"]


def test_the_name_of_the_column_for_a_new_type_is_plain_or_chosen():
    (change,) = changes_of(SHAPE, ChangeRequest(types={"hours": "decimal(10,2)"}))
    assert new_name(change) == "hours_decimal_10_2"
    (change,) = changes_of(NESTED, ChangeRequest(types={"place": "struct<town: string, street: string, at: string>"}))
    assert new_name(change) == "place_struct"
    (change,) = changes_of(SHAPE, ChangeRequest(types={"hours": "decimal(10,2)"}, names={"HOURS": "view_hours"}))
    assert new_name(change) == "view_hours"
    assert steps_for("prod.plays", [change])[1].adds == "view_hours"
    (change,) = changes_of(SHAPE, ChangeRequest(types={"id": "bigint"}))
    assert new_name(change) == ""


def test_a_definition_may_name_a_column_of_another_type_as_it_is_called_in_the_end():
    wish = ChangeRequest(types={"hours": "decimal(10,2)"}, names={"hours": "view_hours"})
    for name in ("hours", "view_hours"):
        written = DDL.format(SAME.replace("hours FLOAT", f"{name} DECIMAL(10,2)"), "date")
        found = changes_of(SHAPE, replace(wish, ddl=written))
        assert [(str(change), new_name(change)) for change in found if not change.safe] == [
            ("change the type of hours to DECIMAL(10, 2)", "view_hours")
        ]


@pytest.mark.parametrize("partition", ["date", "days(date)", "bucket(16, date)"])
@pytest.mark.parametrize(
    "wish",
    [ChangeRequest(rename={"date": "day"}), ChangeRequest(drop=["date"]), ChangeRequest(types={"date": "string"})],
)
def test_what_a_table_is_partitioned_by_can_t_go_from_under_its_rows(partition, wish):
    with pytest.raises(UsageError, match=r"date can't be dropped: prod\.plays is partitioned by it") as caught:
        changes_of(replace(SHAPE, partition=(partition,)), wish)
    assert "--replace-by NEW" in caught.value.hint


def test_a_definition_may_leave_out_what_a_migration_moves_and_has_to_leave_out_what_one_took_away():
    moving = replace(STORED, columns=(*STORED.columns, Column("mark", "STRING")), optional=frozenset({"flag", "mark"}))
    with pytest.raises(UsageError, match="nothing would change"):
        changes_of(moving, ChangeRequest(ddl=WRITTEN))
    gone = replace(STORED, retired=frozenset({"old"}))
    with pytest.raises(UsageError, match=r"Old was dropped from prod\.plays by a migration; it would come back empty"):
        changes_of(gone, ChangeRequest(ddl=WRITTEN.replace("day DATE", "day DATE, Old INT")))
    assert [str(change) for change in changes_of(gone, ChangeRequest(rename={"flag": "old"}))] == [
        "rename column flag to old"
    ]
