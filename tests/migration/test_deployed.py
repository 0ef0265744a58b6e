"""Lineage of deployed bundles, kept at the state address."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from dataflow.migration.deployed import remember_bundle
from dataflow.migration.graph import reach
from dataflow.migration.store import Store
from dataflow.workflow.flow import Origin
from dataflow.workflow.load import load_workflow

DEFINITION = """\
version: 1
workflow:
  id: zoe.local.main
  owner: zoe
jobs:
  - job:
      id: write
      type: Spark
      spark:
        script: write.sql
"""


@dataclass
class Folder:
    """A bundle that was brought to a folder."""

    folder: object
    id: str
    deployed: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))

    def workflows(self):
        return [load_workflow(file) for file in sorted(self.folder.glob("*.sch.yaml"))]


def test_the_next_bundle_s_word_takes_the_place_of_the_one_before(tmp_path, state):
    (tmp_path / "main.sch.yaml").write_text(DEFINITION)
    (tmp_path / "write.sql").write_text("INSERT INTO s.out SELECT a.x AS y FROM s.a a")
    remember_bundle(Folder(tmp_path, "b1"), state.records, {"s.out": ["y"]})
    store = Store(state.address)
    ((_, target, _, producer),) = reach([store], ("s.a", "x"), downstream=True, depth=1).all_edges()
    assert target == ("s.out", "y")
    assert (producer.origin, producer.bundle, producer.owner) == (Origin.DEPLOYED, "b1", "zoe")

    (tmp_path / "write.sql").write_text("INSERT INTO s.other SELECT a.z AS y FROM s.a a")
    remember_bundle(Folder(tmp_path, "b2"), state.records, {"s.out": ["y"]})
    store = Store(state.address)
    assert not reach([store], ("s.a", "x"), downstream=True, depth=1).edges
    ((_, target, _, producer),) = reach([store], ("s.a", "z"), downstream=True, depth=1).all_edges()
    assert (target, producer.bundle) == (("s.other", "y"), "b2")
