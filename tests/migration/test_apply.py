"""`migration apply`: what can't be taken back is asked for, and what can is done in one session."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

import pytest

from dataflow.errors import DataflowError, UsageError
from dataflow.migration.apply import apply_steps
from dataflow.migration.campaign.events import applied_steps
from dataflow.migration.changes import ChangeRequest
from dataflow.migration.store import CampaignStore
from dataflow.state.utc import now
from tests.support.team import READERS

SAFE = ["expand 1", "expand 2", "expand 3"]


@pytest.fixture
def ready(team):
    """A campaign whose readers have all moved, with the contract alone left to do."""
    team.start("--name", "hours")
    campaigns = CampaignStore(team.state.database, "sandbox")
    for step in SAFE:
        campaigns.note("hours", "applied", step, "alice")
    for reader in READERS:
        team.ran(reader, "view_hours", now())
    team.state.add("alice.plays", "prod.plays", "raw.events.seconds -> view_hours", seen=now())
    return team


@pytest.mark.parametrize("options", [(), ("--output", "json"), ("--force", "--reason", "nobody minds")])
def test_without_a_terminal_the_irreversible_step_needs_a_yes_before_spark_is_started(ready, options):
    done = ready.migration("apply", *options, code=2)
    assert (done.stdout, done.stderr) == (
        "",
        "error: not an interactive terminal: confirm with --yes (nothing was changed)\n"
        "  → the next step can't be reverted: drop hours\n",
    )
    assert [step["name"] for step in ready.status()["steps"] if step["done"]] == [*SAFE, "move"]


def test_all_safe_stops_before_what_cant_be_taken_back(ready):
    done = ready.migration("apply", "--all-safe")
    assert done.stdout == "no safe step is left; the next one can't be reverted: drop hours\n"
    assert ready.command.json("migration", "apply", "--all-safe", "--yes") == {
        "campaign": "hours",
        "table": "prod.plays",
        "applied": [],
        "next": {"name": "contract 1", "says": "drop hours", "irreversible": True},
        "done": False,
    }


def test_a_force_that_no_safe_step_needs_is_refused_with_nothing_begun(team):
    team.start()
    done = team.migration("apply", "--all-safe", "--force", "--reason", "quick", code=2)
    assert done.stderr == (
        "error: --force is not needed: 'each publication writes hours and view_hours, whichever its workflow provides' "
        "affects no reader\n"
    )
    assert not [step for step in team.status()["steps"] if step["done"]]


@dataclass
class Operator:
    """Somebody who answers as they are told to, and keeps what they hear."""

    agrees: bool = True
    asked: list[str] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    meanwhile: object = None

    def require(self, step):
        self.asked.append(step.name)

    def ask(self, removal):
        self.asked.append(removal)
        if self.meanwhile is not None:
            self.meanwhile()
        if not self.agrees:
            raise UsageError("no")

    def tell(self, applied):
        self.told.append((applied.step.name, applied.outcome))

    def note(self, line):
        self.told.append(("note", line))


@pytest.mark.spark
def test_all_safe_steps_are_one_session_and_a_no_leaves_the_old_as_it_is(world):
    world.run("plays", "sums")
    world.begin(ChangeRequest(rename={"hours": "view_hours"}), "hours")
    sessions = []

    @contextlib.contextmanager
    def session():
        sessions.append(world.spark)
        yield world.spark

    def apply(operator, **options):
        options = {"all_safe": False, "force": False, "reason": None, **options}
        return apply_steps(world.known(), None, session, operator, **options)

    owner = Operator()
    with world.dying(noting={"applied"}):
        apply(owner, all_safe=True)
    done = apply(owner, all_safe=True)
    assert len(sessions) == 2  # that of the killed process is the other one
    assert owner.told == [(name, "done") for name in SAFE]
    assert (owner.asked, done.following.name) == ([], "contract 1")
    assert world.column("view_hours") == world.column("hours") == [0.5, 1.0, 2.0, 7.5, None]

    forced = {"force": True, "reason": "nobody minds"}
    with pytest.raises(UsageError, match="no"):
        apply(Operator(agrees=False), **forced)
    assert applied_steps(world.campaigns.events("hours")) == SAFE
    for name in ("alice", "bob", "carol", "dave"):
        world.campaigns.note("hours", "acked", name, name, "moved")
    late = Operator(meanwhile=lambda: world.run("sums"))  # it reads the old column again while the question stands
    with pytest.raises(DataflowError, match=r"1 of 6 workflows have not moved: bob\.sums\.main \(bob\)"):
        apply(late)
    assert "hours" in world.spark.table(f"{world.db}.plays").columns

    yes = Operator()
    done = apply(yes, **forced)
    assert yes.asked == ["contract 1", "column hours with 4 values in 5 rows; a rollback does not restore it"]
    assert (yes.told, done.following) == ([("contract 1", "done")], None)
    assert done.steps[0].removed == yes.asked[1]
    assert [(e.subject, e.note) for e in world.campaigns.events("hours") if e.kind == "forced"] == [
        ("contract 1", "nobody minds")
    ]
