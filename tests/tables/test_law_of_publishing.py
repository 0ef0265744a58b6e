"""Whatever runs did and whoever came between: readers see exactly what the last good run of each partition made.

A plain Python model says what that is; a real table is held to it after each step. `--hypothesis-profile=long` tries
many histories of all kinds of steps instead of a few short ones.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dataflow.errors import DataflowError
from dataflow.tables import branch_publish
from dataflow.tables.publish import PublishConflict, outcome, publish
from tests.support.branching import settled, write

pytestmark = pytest.mark.spark

LONG = settings.get_current_profile_name() == "long"
laws = settings(
    max_examples=25 if LONG else 2,
    deadline=None,
    print_blob=True,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, *((Phase.shrink,) if LONG else ())),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_numbers = itertools.count(1)

DAY1, DAY2 = "DATE '2026-01-30'", "DATE '2026-01-31'"
HOUR1, HOUR2 = "TIMESTAMP '2026-01-31 22:15:00Z'", "TIMESTAMP '2026-01-31 23:45:00Z'"


@dataclass(frozen=True)
class Kind:
    """A kind of table.

    Attributes:
        columns: What it has besides an id and a value.
        by: What it is partitioned by.
        keys: Where rows can lie: the values of those columns, as SQL.
        parts: What a run may declare, each with the keys that it covers.
    """

    columns: str
    by: tuple[str, ...]
    keys: tuple[str, ...]
    parts: tuple[tuple[dict, tuple[int, ...]], ...]


def by_day(columns, by, keys, *values):
    return Kind(columns, by, keys, tuple(({"p": value}, (i,)) for i, value in enumerate(values)))


KINDS = {
    "nothing": Kind("p INT", (), ("1", "2"), (({}, (0, 1)),)),
    "date": by_day("p DATE", ("p",), (DAY1, DAY2), "2026-01-30", "2026-01-31"),
    "int": by_day("p INT", ("p",), ("20260130", "20260131"), 20260130, "20260131"),
    "string": by_day("p STRING", ("p",), ("'a/b=c'", "'d''é'"), "a/b=c", "d'é"),
    "hour": by_day("p TIMESTAMP", ("hours(p)",), (HOUR1, HOUR2), "2026-01-31T22:00", "2026-02-01T00:45+01:00"),
    "date and country": Kind(
        "p DATE, c STRING",
        ("p", "c"),
        (f"{DAY1}, 'US'", f"{DAY1}, 'CA'", f"{DAY2}, 'US'"),
        (({"P": "2026-01-30"}, (0, 1)), ({"p": "2026-01-30", "c": "CA"}, (1,)), ({"p": "2026-01-31"}, (2,))),
    ),
    "days and bucket": Kind(
        "p TIMESTAMP",
        ("days(p)", "bucket(4, id)"),
        ("TIMESTAMP '2026-01-30 01:00:00Z'", HOUR1),
        (({"p": "2026-01-30"}, (0,)), ({"p": "2026-01-31"}, (1,))),
    ),
}

step = st.tuples(st.integers(0, 5), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=4))


@dataclass
class World:
    """A table, and what readers have to see of it: rows of id, value and key."""

    spark: object
    kind: Kind
    table: str
    rows: Counter = field(default_factory=Counter)
    coarse: bool = False
    extra: int = 0
    bucketed: bool = False

    def check(self, told):
        """Hold the table to the model."""
        keys = " ".join(f"WHEN {self.where([i])} THEN {i}" for i in range(len(self.kind.keys)))
        found = self.spark.sql(f"SELECT id, v, CASE {keys} END AS k FROM {self.table}").collect()
        assert Counter((row.id, row.v, row.k) for row in found) == self.rows, told

    @property
    def names(self):
        return [column.split()[0] for column in self.kind.columns.split(", ")]

    def select(self, rows):
        """Return rows as a query; they lie where their key says."""
        return " UNION ALL ".join(f"SELECT {', '.join(self.cells(row))}" for row in rows)

    def cells(self, row):
        id_, v, key = row
        yield from (f"{id_} AS id", f"{v} AS v")
        yield from (f"{value} AS {name}" for name, value in self.at(key))
        yield from (f"NULL AS more_{number}" for number in range(self.extra))

    def at(self, key):
        return zip(self.names, self.kind.keys[key].split(", "), strict=True)

    def where(self, covers, of=""):
        """Return the condition for the rows at some keys."""
        each = (" AND ".join(f"{of}{name} = {value}" for name, value in self.at(key)) for key in covers)
        return f"({' OR '.join(f'({condition})' for condition in each)})"

    def merge(self, rows, covers):
        """Return a MERGE of rows by id."""
        columns = ("id", "v", *self.names)
        return (
            f"MERGE INTO {self.table} t USING ({self.select(rows)}) s ON t.id = s.id AND {self.where(covers, 't.')} "
            f"WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT ({', '.join(columns)}) "
            f"VALUES ({', '.join(f's.{name}' for name in columns)})"
        )

    def begin(self, part, *, keeps=False, name="dataflow_law_wap"):
        return branch_publish.begin(self.spark, self.table, part, name, keeps=keeps)

    def replaced(self, covers, rows):
        """Return the model after a run that made rows of its partition."""
        return Counter({row: n for row, n in self.rows.items() if row[2] not in covers}) + Counter(rows)


@dataclass
class Turn:
    """One step: the partition that a run declares, the keys that it covers, and the rows that it makes."""

    world: World
    part: dict
    covers: tuple[int, ...]
    drawn: list

    @property
    def rows(self):
        return [(id_, v, self.covers[id_ % len(self.covers)]) for id_, v in self.drawn]

    @property
    def insert(self):
        return f"INSERT INTO {self.world.table} {self.world.select(self.rows)}"

    def overwrite(self, rows):
        return f"INSERT OVERWRITE {self.world.table} {self.world.select(rows)}"

    def run(self, *statements, makes, audit=True):
        """Run statements as a good run, or as one whose audit fails."""
        world, branch = self.world, self.world.begin(self.part)
        for statement in statements:
            write(world.spark, branch, statement)
        made = settled(world.spark, branch)
        assert made.rows == len(makes)
        if audit:
            publish(world.spark, branch, made, {})
            world.rows = world.replaced(self.covers, makes)
        else:
            branch_publish.abandon(world.spark, branch)

    def keep(self, statement, after):
        """Run a statement that works on what is there."""
        world, branch = self.world, self.world.begin(self.part, keeps=True)
        write(world.spark, branch, statement)
        made = outcome(world.spark, branch)
        if made.is_empty:
            branch_publish.abandon(world.spark, branch)
        else:
            publish(world.spark, branch, made, {})
            world.rows = after

    def meanwhile(self, statement):
        """Write, and let somebody else do something to main before it is published."""
        branch = self.world.begin(self.part)
        write(self.world.spark, branch, self.insert)
        made = settled(self.world.spark, branch)
        self.world.spark.sql(statement)
        return branch, made


def overwrite(turn):
    turn.run(turn.overwrite(turn.rows), makes=turn.rows)


def append(turn):
    turn.run(turn.insert, makes=turn.rows)


def several_statements(turn):
    more = [(7, 7, turn.covers[-1]), *turn.rows]
    turn.run(turn.overwrite(more), turn.insert, makes=[*more, *turn.rows])


def fewer_rows(turn):
    turn.run(turn.overwrite(turn.rows[:1]), makes=turn.rows[:1])


def failing_audit(turn):
    turn.run(turn.insert, makes=turn.rows, audit=False)


def from_itself(turn):
    world = turn.world
    here = [row for row in world.rows.elements() if row[2] in turn.covers]
    statement = f"INSERT OVERWRITE {world.table} SELECT * FROM {world.table} WHERE {world.where(turn.covers)}"
    turn.run(statement, turn.insert, makes=[*here, *turn.rows])


def no_rows(turn):
    world, branch = turn.world, turn.world.begin(turn.part)
    write(world.spark, branch, f"INSERT OVERWRITE {world.table} SELECT * FROM {world.table} WHERE false")
    assert outcome(world.spark, branch).is_empty
    branch_publish.abandon(world.spark, branch)


def stray(turn):
    world, branch = turn.world, turn.world.begin(turn.part)
    outside = [key for key in range(len(world.kind.keys)) if key not in turn.covers]
    if outside:
        rows = world.select([*turn.rows, (1, 1, outside[0])])
        write(world.spark, branch, f"INSERT INTO {world.table} {rows}")
        with pytest.raises(DataflowError, match="did not declare"):
            outcome(world.spark, branch)
    branch_publish.abandon(world.spark, branch)


def merge(turn):
    new = {row[0]: row for row in turn.rows}
    turn.keep(turn.world.merge(new.values(), turn.covers), merged(turn.world, turn.covers, new))


def delete_some(turn):
    world, gone = turn.world, turn.drawn[0][0]
    after = Counter({row: n for row, n in world.rows.items() if not (row[0] == gone and row[2] in turn.covers)})
    turn.keep(f"DELETE FROM {world.table} WHERE id = {gone} AND {world.where(turn.covers)}", after)


def two_writers(turn):
    """Two runs begin at once; the second to publish has to see that the first was there."""
    world = turn.world
    other_part, other_covers = world.kind.parts[turn.drawn[0][0] % len(world.kind.parts)]
    mine, theirs = world.begin(turn.part), world.begin(other_part, name="dataflow_other_wap")
    new = [(9, 9, other_covers[0])]
    write(world.spark, mine, turn.insert)
    write(world.spark, theirs, turn.overwrite(new))
    made, made_there = settled(world.spark, mine), settled(world.spark, theirs)
    publish(world.spark, theirs, made_there, {})
    world.rows = world.replaced(other_covers, new)
    try:
        publish(world.spark, mine, made, {})
    except PublishConflict:  # rows of its own partition changed, or a file that holds some of them and of the other's
        assert set(turn.covers) & set(other_covers) or world.coarse
        branch_publish.abandon(world.spark, mine)
    else:
        assert not set(turn.covers) & set(other_covers)
        world.rows = world.replaced(turn.covers, turn.rows)


def compaction(turn):
    world, options = turn.world, "options => map('rewrite-all', 'true')"
    catalog = world.spark.conf.get("spark.sql.defaultCatalog")
    branch, made = turn.meanwhile(f"CALL {catalog}.system.rewrite_data_files(table => '{world.table}', {options})")
    publish(world.spark, branch, made, {})
    world.rows = world.replaced(turn.covers, turn.rows)


def late_row(turn):
    world, late = turn.world, (8, 8, turn.covers[0])
    branch, made = turn.meanwhile(f"INSERT INTO {world.table} {world.select([late])}")
    world.rows += Counter([late])
    with pytest.raises(PublishConflict):
        publish(world.spark, branch, made, {})
    branch_publish.abandon(world.spark, branch)


def add_a_column(turn):
    world = turn.world
    world.spark.sql(f"ALTER TABLE {world.table} ADD COLUMN more_{world.extra} STRING")
    world.extra += 1


def change_the_partitioning(turn):
    world = turn.world
    change = "DROP PARTITION FIELD extra" if world.bucketed else "ADD PARTITION FIELD bucket(2, v) AS extra"
    world.spark.sql(f"ALTER TABLE {world.table} {change}")
    world.bucketed = not world.bucketed


STEPS = (
    overwrite, append, merge, fewer_rows, compaction, two_writers, failing_audit, from_itself, no_rows, delete_some,
    add_a_column, stray, late_row, change_the_partitioning, several_statements,
)  # fmt: skip


def merged(world, covers, new):
    """Return the model after a merge by id."""
    after, found = Counter(), set()
    for (id_, v, key), n in world.rows.items():
        matches = id_ in new and key in covers
        found |= {id_} if matches else set()
        after[id_, new[id_][1] if matches else v, key] += n
    return after + Counter(row for id_, row in new.items() if id_ not in found)


@pytest.mark.parametrize("name", KINDS)
@laws
@given(
    order=st.permutations(STEPS).map(lambda steps: steps if LONG else steps[:7]),
    drawn=st.lists(step, min_size=len(STEPS), max_size=len(STEPS)),
    coarse=st.booleans(),
)
def test_readers_see_the_last_good_run_of_each_partition(spark, namespace, name, order, drawn, coarse):
    kind = KINDS[name]
    world = World(spark, kind, f"{namespace}.law_{next(_numbers)}", coarse=coarse)
    fields = [] if coarse else kind.by
    by = f"PARTITIONED BY ({', '.join(fields)})" if fields else ""
    spark.sql(f"CREATE TABLE {world.table} (id INT, v INT, {kind.columns}) USING iceberg {by}")
    first = [(id_, 0, key) for id_ in range(3) for key in range(len(kind.keys))]
    spark.sql(f"INSERT INTO {world.table} SELECT /*+ COALESCE(1) */ * FROM ({world.select(first)})")
    world.rows = Counter(first)
    for each in kind.by if coarse else ():  # so that old files hold several partitions
        spark.sql(f"ALTER TABLE {world.table} ADD PARTITION FIELD {each}")
    for do, (chosen, rows) in zip(order, drawn, strict=False):
        do(Turn(world, *kind.parts[chosen % len(kind.parts)], rows))
        world.check(f"after {do.__name__}")
    spark.sql(f"DROP TABLE {world.table}")
