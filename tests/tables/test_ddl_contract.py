from __future__ import annotations

import pytest

from dataflow.tables.ddl_contract import ContractError, reconcile

pytestmark = pytest.mark.spark

DDL = """
CREATE TABLE IF NOT EXISTS {table} (
  id INT COMMENT 'the id',
  name STRING,
  place STRUCT<city: STRING, code: INT>,
  date DATE
) USING iceberg PARTITIONED BY (date) COMMENT 'a table' TBLPROPERTIES ('write.wap.enabled' = 'true')
"""


@pytest.fixture
def table(spark, namespace):
    name = f"{namespace}.contract"
    spark.sql(DDL.format(table=name))
    return name


def against(spark, table, *replacements):
    """Reconcile the table with its DDL after some edits of the text."""
    text = DDL
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return reconcile(spark, spark._jsparkSession.sessionState().sqlParser().parsePlan(text.format(table=table)))


def columns(spark, table):
    return [f"{f.name} {f.dataType.simpleString()}" for f in spark.table(table).schema.fields]


def test_a_table_that_agrees_with_its_ddl_is_left_alone(spark, table):
    assert against(spark, table) == []


def test_a_new_nullable_column_is_added_where_the_ddl_has_it(spark, table):
    changes = against(spark, table, ("name STRING,", "name STRING, grade DOUBLE COMMENT 'from 0 to 1',"))
    assert changes == [f"{table}: added column grade double"]
    assert columns(spark, table)[1:3] == ["name string", "grade double"]
    assert against(spark, table, ("name STRING,", "name STRING, grade DOUBLE COMMENT 'from 0 to 1',")) == []


def test_a_new_field_of_a_struct_is_added(spark, table):
    changes = against(spark, table, ("code: INT", "code: INT, street: STRING"))
    assert changes == [f"{table}: added column place.street string"]
    assert columns(spark, table)[2] == "place struct<city:string,code:int,street:string>"


def test_a_type_is_widened(spark, table):
    assert against(spark, table, ("id INT", "id BIGINT")) == [f"{table}: widened id from int to bigint"]
    assert columns(spark, table)[0] == "id bigint"


def test_comments_and_properties_follow_the_ddl(spark, table):
    changes = against(
        spark, table, ("'the id'", "'it\\'s the key'"), ("'a table'", "'the table'"), ("'true'", "'false'")
    )
    assert changes == [
        f"{table}: new comment on id",
        f"{table}: set write.wap.enabled = false",
        f"{table}: new comment on the table",
    ]
    assert spark.table(table).schema["id"].metadata["comment"] == "it's the key"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("name STRING,", "", "column name is missing in the DDL"),
        ("name STRING", "title STRING", "column name is missing in the DDL"),
        ("id INT", "id STRING", "column id is int in the table and string in the DDL"),
        ("name STRING", "name STRING NOT NULL", "column name is NOT NULL in the DDL"),
        ("name STRING,", "name STRING, grade INT NOT NULL,", "new column grade is NOT NULL"),
        ("code: INT", "code: STRING", "column place.code is int in the table and string in the DDL"),
        ("PARTITIONED BY (date)", "PARTITIONED BY (id)", r"partitioned by \(date\), the DDL says \(id\)"),
        ("id INT COMMENT 'the id',\n  name STRING", "name STRING, id INT", "stand in another order"),
    ],
)
def test_whatever_is_not_safe_stops_and_changes_nothing(spark, table, old, new, reason):
    before = columns(spark, table)
    with pytest.raises(ContractError, match=reason):
        against(spark, table, (old, new))
    assert columns(spark, table) == before


def test_days_and_bucket_partitions_are_compared(spark, namespace):
    table = f"{namespace}.hidden"
    columns, partitions = "id INT, at TIMESTAMP", "days(at), bucket(4, id)"
    text = f"CREATE TABLE IF NOT EXISTS {table} ({columns}) USING iceberg PARTITIONED BY ({partitions})"
    spark.sql(text)
    parse = spark._jsparkSession.sessionState().sqlParser().parsePlan
    assert reconcile(spark, parse(text)) == []
    with pytest.raises(ContractError, match="partitioned by"):
        reconcile(spark, parse(text.replace("bucket(4", "bucket(8")))


def test_a_ddl_may_spell_types_and_partitions_that_iceberg_stores_otherwise(spark, namespace):
    ddl = (
        f"CREATE TABLE IF NOT EXISTS {namespace}.spelled (a SMALLINT, b TINYINT, c VARCHAR(10), d CHAR(2), e DECIMAL, "
        "f TIMESTAMP_LTZ COMMENT 'then', g STRUCT<h: SMALLINT>) USING iceberg "
        "PARTITIONED BY (day(f), truncate(`c`, 3), bucket(4, a))"
    )
    spark.sql(ddl)
    parse = spark._jsparkSession.sessionState().sqlParser().parsePlan
    assert reconcile(spark, parse(ddl)) == []
    assert reconcile(spark, parse(ddl.replace("'then'", "'later'"))) == [f"{namespace}.spelled: new comment on f"]
    with pytest.raises(
        ContractError, match=r"by \(days\(f\), truncate\(3, c\), bucket\(4, a\)\), the DDL says \(hours"
    ):
        reconcile(spark, parse(ddl.replace("day(f)", "hour(f)")))


def test_what_changes_in_arrays_and_maps_is_carried_out_as_in_structs(spark, namespace):
    name = f"{namespace}.inside"
    ddl = f"CREATE TABLE IF NOT EXISTS {name} (a ARRAY<INT>, b MAP<INT, STRUCT<c: FLOAT>>) USING iceberg"
    spark.sql(ddl)
    parse = spark._jsparkSession.sessionState().sqlParser().parsePlan
    wider = ddl.replace("ARRAY<INT>", "ARRAY<BIGINT>").replace("c: FLOAT", "c: DOUBLE, d: INT")
    assert reconcile(spark, parse(wider)) == [
        f"{name}: widened a.element from int to bigint",
        f"{name}: widened b.value.c from float to double",
        f"{name}: added column b.value.d int",
    ]
    assert reconcile(spark, parse(wider)) == []
    with pytest.raises(ContractError, match="column b is map<int,struct"):
        reconcile(spark, parse(wider.replace("MAP<INT", "MAP<BIGINT")))
