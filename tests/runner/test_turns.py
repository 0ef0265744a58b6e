"""Two runs of one workflow and day, in one session: one waits, refuses or takes the other's place."""

from __future__ import annotations

import threading
import time

import pytest

from dataflow.errors import DataflowError
from dataflow.runner.progress import NoProgress
from dataflow.runner.turn import work_of
from dataflow.state.database import StateDatabase
from dataflow.state.leases import Leases
from tests.support.small_runs import failed

pytestmark = pytest.mark.spark

SLOW = """
import pathlib
import time


def main(args, spark):
    day = args["EXECUTION_DATE"]
    into = f"INSERT OVERWRITE {args['TARGET_TABLE']} PARTITION (date = DATE '{day}')"
    spark.sql(f"{into} SELECT id, hours FROM {args['SOURCE_TABLE']} WHERE date = DATE '{day}'")
    if day == "2026-01-02":
        pathlib.Path(__file__).with_name("began").touch()
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            time.sleep(0.1)
            spark.sql("SELECT 1").collect()
"""


class Notes(NoProgress):
    def __init__(self):
        self.said = []

    def note(self, run, text):  # noqa: ARG002
        self.said.append(text)


class Other:
    """Another run of the same workflow and day, which works until it hears that it is to stop."""

    def __init__(self, package, workflow):
        package.runner()
        self.database = StateDatabase(f"sqlite:///{package.folder.parent / 'state.db'}")
        self.leases = Leases(self.database)
        self.leases.enter("theirs", "alice")
        assert self.leases.take(work_of(workflow), "theirs", "theirs") is None
        self.heard = None

    def end_later(self, *, seconds=1.5, when_told=False):
        def work():
            deadline = time.monotonic() + (20 if when_told else seconds)
            while time.monotonic() < deadline and not (when_told and self.heard):
                time.sleep(0.1)
                self.heard = self.leases.beat("theirs").cancelled.get("theirs")
            self.leases.leave("theirs")

        threading.Thread(target=work, daemon=True).start()


def test_a_second_run_waits_and_says_for_whom_or_refuses_or_takes_the_other_one_s_place(package):
    package.add_source((1, 1.5, 1))
    progress = Notes()
    other = Other(package, package.load())
    other.end_later()
    result = package.runner(progress).run(package.load())
    assert result.status == "succeeded", failed(result)
    assert progress.said[0].startswith("waits for run theirs of alice since ")
    assert result.seconds < 60
    assert package.records.run("last")["status"] == "succeeded"

    package.edit("main.sch.yaml", "params:", "concurrency: refuse\nparams:")
    other = Other(package, package.load())
    with pytest.raises(DataflowError) as refused:
        package.run()
    assert f"{package.user}.package.main for 2026-01-01 is at work already: run theirs of alice" in str(refused.value)
    assert refused.value.hint == "let it end, or stop it: dataflow workflow cancel theirs"
    assert package.records.run("last")["status"] == "failed"
    assert package.run(day=2, only="ddl").status == "succeeded"  # another day is another work

    package.edit("main.sch.yaml", "concurrency: refuse", "concurrency: supersede")
    other.end_later(when_told=True)
    progress = Notes()
    workflow = package.load()
    assert package.runner(progress).run(workflow).status == "succeeded"
    assert progress.said[0].startswith("takes the place of run theirs of alice since ")
    assert other.heard == f"run {workflow.run_id} of {package.user} takes its place"


def test_a_run_whose_place_was_taken_publishes_nothing(package):
    package.write(
        "write.py",
        """
        from dataflow.state.database import StateDatabase
        from dataflow.state.leases import Leases


        def main(args, spark):
            spark.sql(f"INSERT INTO {args['TARGET_TABLE']} VALUES (1, 1.0, DATE '2026-01-01')")
            with StateDatabase(args["STATE"]) as database:
                leases = Leases(database)
                leases.enter("theirs", "alice")
                key = (args["PLACE"], args["WORK"])
                assert leases.take_over(key, leases.take(key, "theirs", "theirs"), "theirs", "theirs")
        """,
    )
    package.edit("main.sch.yaml", "write.sql", "write.py")
    place, work = work_of(package.load())
    more = {"STATE": f"sqlite:///{package.folder.parent / 'state.db'}", "PLACE": place, "WORK": work}
    package.edit("main.sch.yaml", "params:\n", "params:\n" + "".join(f"  {k}: '{v}'\n" for k, v in more.items()))
    result = package.run()
    assert result.status in {"failed", "cancelled"}
    (said,) = [step.error.message for step in result.steps if step.id == "wap"]
    assert said.startswith("another run has taken ")
    assert package.rows() == []
    assert package.refs() == {"main"}


def test_a_day_that_is_asked_to_stop_stops_alone_and_the_whole_run_with_all_that_it_contains(package):
    package.write("slow.py", SLOW)
    package.edit("main.sch.yaml", "write.sql", "slow.py")
    package.add_source(*((1, 1.0, day) for day in (1, 2, 3, 4)))
    began = package.folder / "began"

    def stop(run_id):
        while not began.exists():
            time.sleep(0.05)
        with StateDatabase(f"sqlite:///{package.folder.parent / 'state.db'}") as database:
            Leases(database).ask_to_stop(run_id, "cancelled by bob")

    for whole in (False, True):
        workflow = package.load("backfill.sch.yaml", day=None)
        second = workflow.steps[0].items[1].step.workflow.run_id
        began.unlink(missing_ok=True)
        threading.Thread(target=stop, args=(workflow.run_id if whole else second,), daemon=True).start()
        result = package.runner().run(workflow)
        assert result.status == "cancelled"
        assert package.rows() == [(1, 1), (1, 3), (1, 4)]
        assert package.refs() == {"main"}
        found = package.records.run(workflow.run_id)
        assert found["status"] == "cancelled"
        days = {job["job_id"]: job["status"] for job in found["jobs"] if "/" in job["job_id"]}
        after = "skipped" if whole else "succeeded"
        assert [status for _, status in sorted(days.items())] == ["succeeded", "cancelled", after, after]
        assert package.records.run(second if not whole else workflow.run_id)["error"].endswith("cancelled by bob")
