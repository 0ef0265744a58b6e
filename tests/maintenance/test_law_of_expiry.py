"""The law of expiry, on real tables: whatever is done in whatever order, each snapshot that is kept can still be read.

By PyIceberg, without a JVM: rows are appended, overwritten and deleted, tags and branches made and dropped, main rolled
back, files that were removed added again; and at any moment snapshots expire and what nothing refers to is removed from
the disk.
"""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pyiceberg.catalog import load_catalog
from pyiceberg.expressions import EqualTo
from pyiceberg.table.update import RemoveSnapshotsUpdate, SetPropertiesUpdate, SetSnapshotRefUpdate

from dataflow.maintenance.promises import Promises, needed
from dataflow.maintenance.reachable import reachable_paths, unreachable
from tests.maintenance.reading import rows_at

LONG = settings.get_current_profile_name() == "long"
SCHEMA = pa.schema([pa.field("id", pa.int32()), pa.field("date", pa.date32())])
DAYS = [dt.date(2026, 1, day) for day in (1, 2, 3)]
NOW = dt.datetime.now(dt.UTC)
PLACES = st.integers(0, 999)
"""Which of some snapshots, by their order: their ids are random, and an example has to be the same each time."""
_names = itertools.count()


class Table(RuleBasedStateMachine):
    """A table, what each of its snapshots showed, and who looks back."""

    @initialize()
    def create(self):
        folder = Table.folder / str(next(_names))
        folder.mkdir()
        self.catalog = load_catalog("law", type="sql", uri=f"sqlite:///{folder}/c.db", warehouse=f"file://{folder}")
        self.catalog.create_namespace("db")
        table = self.catalog.create_table("db.t", SCHEMA)
        with table.update_spec() as spec:
            spec.add_identity("date")
        self.shown, self.marks, self.number, self.has_expired = {}, {}, 0, False

    @property
    def table(self):
        return self.catalog.load_table("db.t")

    @property
    def main(self):
        found = self.table.current_snapshot()
        return found and found.snapshot_id

    def remember(self):
        table = self.table
        for snapshot in table.metadata.snapshots:
            if snapshot.snapshot_id not in self.shown:
                self.shown[snapshot.snapshot_id] = rows_at(table, snapshot.snapshot_id)

    def rows(self, day):
        self.number += 1
        return pa.Table.from_pylist([{"id": self.number, "date": day}], schema=SCHEMA)

    @rule(day=st.sampled_from(DAYS), branch=st.sampled_from(["main", "theirs"]))
    def append(self, day, branch):
        if branch == "main" or branch in self.table.refs():
            self.table.append(self.rows(day), branch=branch)
            self.remember()

    @rule(day=st.sampled_from(DAYS))
    def overwrite(self, day):
        self.table.overwrite(self.rows(day), overwrite_filter=EqualTo("date", day))
        self.remember()

    @precondition(lambda self: self.main)
    @rule(day=st.sampled_from(DAYS))
    def delete(self, day):
        self.table.delete(EqualTo("date", day))
        self.remember()

    @precondition(lambda self: self.main)
    @rule()
    def evolve(self):
        with self.table.update_schema() as change:
            self.number += 1
            change.add_column(f"c{self.number}", pa_to_iceberg())

    @precondition(lambda self: self.main)
    @rule(name=st.sampled_from(["released", "theirs"]), place=PLACES)
    def refer(self, name, place):
        to = chosen(self.table.metadata.snapshots, place)
        made = self.table.manage_snapshots()
        if name in self.table.refs():
            (made.remove_tag if name == "released" else made.remove_branch)(name).commit()
        else:
            (made.create_tag if name == "released" else made.create_branch)(to, name).commit()

    @precondition(lambda self: self.main)
    @rule(place=PLACES)
    def read(self, place):
        """A reader's mark remembers a snapshot of main's history."""
        self.marks[chosen(self.ancestors(), place)] = "db.reader"

    @precondition(lambda self: self.main)
    @rule(place=PLACES)
    def roll_back(self, place):
        self.move(chosen(self.ancestors(), place))

    @precondition(lambda self: self.main)
    @rule(place=PLACES)
    def roll_forward(self, place):
        """Main moves to any snapshot that is left: files that were removed are in the table again."""
        self.move(chosen(self.table.metadata.snapshots, place))

    def move(self, to):
        move = SetSnapshotRefUpdate.model_validate(
            {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": to}
        )
        self.catalog.commit_table(self.table, (), (move,))

    def ancestors(self):
        table = self.table
        found = table.current_snapshot()
        while found is not None:
            yield found
            parent = found.parent_snapshot_id
            found = table.snapshot_by_id(parent) if parent is not None else None

    @rule(days=st.sampled_from([0, 6, 40]))
    def expire(self, days):
        """Days pass, and the table is maintained."""
        known = Promises(NOW + dt.timedelta(days=days, hours=1), 30, lambda _: "over", self.marks)
        before = self.table
        found = needed(before.metadata, known)
        history = [it.snapshot_id for it in self.ancestors()]
        if days < 30:
            for mark in self.marks:
                if mark in history:  # the reader finds its way back
                    assert set(history[: history.index(mark) + 1]) <= set(found.kept)
        if not found.expired:
            return
        gone = RemoveSnapshotsUpdate(snapshot_ids=list(found.expired))
        self.catalog.commit_table(before, (), (gone, SetPropertiesUpdate(updates={"maintained": str(self.number)})))
        after = self.table
        assert {it.snapshot_id for it in after.metadata.snapshots} == set(found.kept)
        assert after.refs().keys() == before.refs().keys()
        for file in unreachable(before.io, before.metadata, found.expired, after.metadata):
            # One that an earlier expiry removed is named again when the snapshot goes that said it was deleted.
            Path(file.path.removeprefix("file://")).unlink(missing_ok=True)
        self.has_expired = True
        Table.expired += len(found.expired)

    @invariant()
    def each_snapshot_that_is_kept_shows_what_it_showed(self):
        table = self.table
        for snapshot in table.metadata.snapshots if self.has_expired else ():
            assert rows_at(table, snapshot.snapshot_id) == self.shown[snapshot.snapshot_id]
        self.has_expired = False

    def teardown(self):
        """All that is referred to is there, and no data file is left that nothing refers to."""
        if hasattr(self, "catalog"):
            table = self.table
            known = {it.removeprefix("file://") for it in reachable_paths(table)}
            assert all(Path(it).exists() for it in known)
            folder = Path(table.metadata.location.removeprefix("file://"))
            assert {str(it) for it in folder.rglob("*.parquet")} <= known


def chosen(snapshots, place):
    ids = [it.snapshot_id for it in snapshots]
    return ids[place % len(ids)]


def pa_to_iceberg():
    from pyiceberg.types import LongType

    return LongType()


@pytest.mark.filterwarnings("ignore:Delete operation did not match any records")  # of a day that has none yet
@pytest.mark.slow
def test_whatever_is_done_in_whatever_order_each_snapshot_that_is_kept_can_be_read(tmp_path):
    Table.folder, Table.expired = tmp_path, 0
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Table,
        settings=settings(
            max_examples=60 if LONG else 12,
            stateful_step_count=40 if LONG else 25,
            deadline=None,
            phases=[Phase.generate] if not LONG else list(Phase),
            suppress_health_check=list(HealthCheck),
            derandomize=not LONG,
        ),
    )
    assert Table.expired > 5
