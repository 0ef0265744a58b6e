"""A law: whatever the rows are, and whatever the query is of what Sail may answer, both engines have the same rows."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dataflow.sail.server import Sail, SailError
from tests.support.two_engines import TwoEngines, rows_of, types_of

pytestmark = pytest.mark.spark

MOMENTS = st.datetimes(dt.datetime(1600, 1, 1), dt.datetime(2400, 1, 1))
TYPES = {
    "i": (pa.int32(), st.one_of(st.integers(-5, 5), st.integers(-(2**31), 2**31 - 1))),
    "l": (pa.int64(), st.one_of(st.integers(-5, 5), st.integers(-(2**63), 2**63 - 1))),
    "x": (pa.float64(), st.one_of(st.sampled_from([0.0, 1.0, -1.5]), st.floats(-1e50, 1e50), st.floats())),
    "n": (
        pa.decimal128(10, 2),
        st.decimals(-9999, 9999, places=2).map(lambda it: Decimal(it).quantize(Decimal("0.01"))),
    ),
    "s": (pa.string(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)),
    "u": (pa.string(), st.sampled_from(["a", "b", "A", "", "é", "10", "9"])),
    "b": (pa.bool_(), st.booleans()),
    "d": (pa.date32(), st.dates(dt.date(1600, 1, 1), dt.date(2400, 1, 1))),
    "m": (pa.timestamp("us", "UTC"), MOMENTS.map(lambda it: it.replace(tzinfo=dt.UTC))),
    "q": (pa.list_(pa.int32()), st.lists(st.none() | st.integers(0, 3), max_size=2)),
    "r": (
        pa.struct([("k", pa.int32()), ("v", pa.string())]),
        st.fixed_dictionaries({"k": st.none() | st.integers(-2, 2), "v": st.none() | st.sampled_from(["", "é"])}),
    ),
    "mm": (
        pa.map_(pa.string(), pa.int32()),
        st.dictionaries(st.sampled_from(["a", "b", "é"]), st.none() | st.integers(0, 3), max_size=2).map(
            lambda it: list(it.items())
        ),
    ),
}
COLUMNS = [name for name in TYPES if name not in ("q", "r", "mm")]
NUMBERS = ["i", "l", "x", "n"]


@st.composite
def tables(draw):
    count = draw(st.integers(0, 8))
    columns = {
        name: draw(st.lists(st.none() | values, min_size=count, max_size=count)) for name, (_, values) in TYPES.items()
    }
    arrays = {name: pa.array(values, TYPES[name][0]) for name, values in columns.items()}
    return pa.table({"id": pa.array(range(count), pa.int32()), **arrays})


column, number = st.sampled_from(COLUMNS), st.sampled_from(NUMBERS)
sign = st.sampled_from(["=", "<>", "<", "<=", ">", ">=", "<=>"])
direction = st.sampled_from(["", " DESC", " NULLS LAST", " DESC NULLS FIRST"])


@st.composite
def conditions(draw):
    one, other = draw(column), draw(column)
    return draw(
        st.sampled_from(
            [
                f"{one} IS NULL", f"{one} {draw(sign)} {one}", f"{draw(number)} {draw(sign)} {draw(number)}",
                f"{draw(number)} {draw(sign)} {draw(st.sampled_from(['0', '1', '-1', '2.5', '100']))}", "NOT b",
                f"u {draw(sign)} 'a'", f"s LIKE '%{draw(st.sampled_from('ab1é_'))}%'", f"{one} IN ({other}, NULL)",
                f"coalesce({one}, {one}) {draw(sign)} {one}", f"d {draw(sign)} '2000-01-01'",
                f"m {draw(sign)} TIMESTAMP'2000-01-01 00:00:00'", f"b AND {one} IS NOT NULL",
            ]
        )
    )  # fmt: skip


@st.composite
def expressions(draw):
    one, other = draw(column), draw(column)
    return draw(
        st.sampled_from(
            [
                one, f"{draw(number)} + {draw(number)}", f"{draw(number)} * {draw(number)}", f"-{draw(number)}", "q",
                f"coalesce({one}, {other})", f"CASE WHEN {draw(conditions())} THEN {one} END", f"upper({one})",
                f"concat({one}, {other})", f"length({one})", f"CAST({one} AS STRING)", f"CAST({one} AS INT)",
                f"CAST({one} AS DOUBLE)", f"CAST({one} AS DATE)", f"substring(s, {draw(st.integers(-3, 3))}, 2)",
                f"year({one})", f"date_add(d, {draw(st.integers(-9, 9))})", "date_format(m, 'yyyy-MM-dd')",
                f"abs({draw(number)})", f"greatest({one}, {one})", f"nullif({one}, {other})", f"trim({one})",
                f"rank() OVER (PARTITION BY u ORDER BY {one}{draw(direction)})", "dayofweek(d)", "weekofyear(d)",
                f"sum({draw(number)}) OVER (PARTITION BY u)", f"lag({one}) OVER (ORDER BY id)", "lower(s)",
                f"round({draw(number)}, {draw(st.integers(0, 4))})", f"{draw(number)} / 3", f"{draw(number)} % 7",
                f"{draw(number)} / nullif({draw(number)}, 0)", f"round({draw(number)} / 7, 2)", f"{draw(number)} * 0.5",
                "date_format(m, 'yyyy-MM-dd HH:mm')", "datediff(d, m)", "d + INTERVAL 3 DAYS",
                "m - INTERVAL 90 MINUTES",
                "r.k", "r.v", "mm['a']", "split(u, 'a')", "regexp_replace(s, '[a-e]+', '-')", "u RLIKE '^[0-9]'",
                f"avg({draw(number)}) OVER (PARTITION BY b)", f"coalesce({draw(number)}, 0)",
                f"max({one}) OVER (PARTITION BY b ORDER BY id)", "reverse(s)", "date_trunc('MONTH', m)",
            ]
        )
    )  # fmt: skip


@st.composite
def queries(draw):
    kind = draw(st.sampled_from(["rows", "groups", "joins", "unions", "sorted"]))
    one, other, where = draw(column), draw(column), draw(conditions())
    aggregate = st.sampled_from(
        [
            f"count({one})",
            f"count(DISTINCT {one})",
            f"min({one})",
            f"max({other})",
            f"sum({draw(number)})",
            f"avg({draw(number)})",
            f"round(sum({draw(number)}), 3)",
            f"sum({draw(number)}) / count(*)",
            f"sum({draw(number)} * 2)",
            f"round(avg({draw(number)}), 1)",
        ]
    )
    match kind:
        case "rows":
            selected = f"id, {draw(expressions())} AS a, {draw(expressions())} AS c"
            return f"SELECT {selected} FROM edges WHERE {where} ORDER BY id"
        case "groups":
            return (
                f"SELECT {one} AS k, {draw(aggregate)} AS a, {draw(aggregate)} AS c, count(*) AS n FROM edges"
                f" WHERE {where} GROUP BY {one} ORDER BY k{draw(direction)}"
            )
        case "joins":
            side = draw(st.sampled_from(["", "LEFT ", "RIGHT ", "FULL "]))
            joined = f"edges AS a {side}JOIN edges AS o ON a.{one} = o.{one}"
            return f"SELECT a.id AS x, o.id AS y FROM {joined} ORDER BY a.id, o.id"
        case "unions":
            word = draw(st.sampled_from(["UNION", "UNION ALL", "EXCEPT", "INTERSECT"]))
            second = draw(st.sampled_from([one, other]))
            return f"SELECT {one} AS k FROM edges WHERE {where} {word} SELECT {second} FROM edges ORDER BY k"
    return f"SELECT *, id AS again FROM edges WHERE {where} ORDER BY {one}{draw(direction)}, id LIMIT 5"


@pytest.fixture(scope="module")
def sail():
    with Sail(threads=1) as it:
        yield it


LONG = settings.get_current_profile_name() == "long"


# Nothing is made smaller: that would ask both engines for minutes.
@settings(
    max_examples=400 if LONG else 10,
    derandomize=not LONG,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(table=tables(), sqls=st.lists(queries(), min_size=6, max_size=6))
def test_both_engines_have_the_same_rows(spark, sail, tmp_path_factory, table, sqls):
    engines = TwoEngines(spark, sail, tmp_path_factory.mktemp("rows"), table)
    for sql in sqls:
        if engines.reason(sql) is not None:
            continue
        try:
            found = engines.sail_rows(sql)
        except SailError:
            continue
        expected = engines.spark_rows(sql)
        assert (sql, found.schema.names) == (sql, expected.schema.names)
        assert (sql, types_of(found)) == (sql, types_of(expected))
        one, other = tuple(rows_of(found)), tuple(rows_of(expected))
        assert engines.are_equal(one, other, sql), (sql, one, other)
