"""A column that five workflows of three owners read is renamed, and nobody's results change."""

from __future__ import annotations

import re
import subprocess

import pytest

from dataflow.errors import DataflowError
from dataflow.migration import execute
from dataflow.migration.campaign.definition import campaign_from_row
from dataflow.migration.campaign.events import applied_steps
from dataflow.migration.changes import ChangeRequest
from dataflow.migration.verify import verify
from tests.support.campaign_world import NUMBERS, READERS

pytestmark = pytest.mark.spark


def begin(world):
    return world.begin(ChangeRequest(rename={"hours": "view_hours"}), "hours")


def patch_of(text, name):
    """Return the part of a message's patch that is one script's."""
    _, _, rest = text.partition(f"--- a/{name}/write.sql\n")
    lines = [f"--- a/{name}/write.sql"]
    for line in rest.splitlines():
        if not line.startswith(("+++ ", "@@", "+", "-", " ")) or line.startswith("--- "):
            break
        lines.append(line)
    return "\n".join(lines) + "\n"


def use_patch(text, name):
    done = subprocess.run(["git", "apply"], input=patch_of(text, name), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + patch_of(text, name)


def move_the_writer(world, *readers):
    (world.root / "plays" / "write.sql").write_text(
        "INSERT OVERWRITE ${TARGET_TABLE} (id, country, view_hours) SELECT id, country, hours FROM ${PLAYS}_raw;\n"
    )
    ddl = world.root / "plays" / "ddl.sql"
    ddl.write_text(ddl.read_text().replace("hours DOUBLE", "view_hours DOUBLE"))
    world.run("plays", *readers)


def test_a_column_is_renamed_and_no_reader_s_results_change(world):
    world.run("plays", *READERS)
    before = world.results()
    found = begin(world)
    assert {each.workflow.split(".")[1] for each in found.must_move} == {*READERS, "plays"}

    told = world.notify()
    assert sorted(message.owner for message, _ in told.sent) == ["bob", "carol", "dave"]
    assert told.failed == []
    ((_, to_bob),) = world.mail.to("bob@example.org")
    (to_carol,) = world.hook.texts
    to_carol = to_carol.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    ((_, to_dave),) = world.mail.to("dave@example.org")
    assert world.notify().sent == []

    assert [world.apply(), world.apply(), world.apply()] == ["expand 1", "expand 2", "expand 3"]
    raw = f"{world.db}.plays_raw"
    world.spark.sql(f"INSERT INTO {raw} VALUES (5, 'FR', 9.0)")
    world.spark.sql(f"DELETE FROM {raw} WHERE id = 2")
    world.run("plays", *READERS)  # the writer knows nothing of the new column, by its DDL nor by its script
    assert world.column("view_hours") == world.column("hours") == [0.5, 1.0, 2.0, 9.0, None]
    assert world.results() != before
    before = world.results()
    campaign = campaign_from_row(world.campaigns.get(None))
    (agreement,) = verify(world.spark, campaign, world.campaigns.events("hours"))
    assert (agreement.rows, agreement.different) == (5, 0)

    use_patch(to_bob, "sums")  # two move, by the patches that they were sent
    use_patch(to_carol, "cte")
    world.run("sums", "cte")
    assert world.open() == {"plays", "long", "ranks", "few"}

    move_the_writer(world, *READERS)  # before all readers have moved: what it leaves out is filled for them
    assert world.column("view_hours") == world.column("hours") == [0.5, 1.0, 2.0, 9.0, None]
    assert world.results() == before
    assert world.open() == {"long", "ranks", "few"}
    world.campaigns.note("hours", "acked", "dave", "dave", "retired next week")
    with pytest.raises(DataflowError, match=r"2 of 6 workflows have not moved: bob\.long\.main \(bob\), carol\."):
        world.apply()

    use_patch(to_bob, "long")
    use_patch(to_carol, "ranks")
    use_patch(to_dave, "few")
    world.run("long", "ranks")
    assert world.open() == set()
    assert "column hours with 4 values in 5 rows" in execute.describe_removal(world.spark, campaign, campaign.steps[-1])
    assert world.apply() == "contract 1"
    assert world.campaigns.all()[0].state == "done"
    assert "hours" not in world.spark.table(f"{world.db}.plays").columns

    world.run("plays", *READERS)
    assert world.results() == before
    with pytest.raises(DataflowError, match="hours was removed by a migration and would come back empty"):
        world.spark_ddl("plays", "id INT, country STRING, view_hours DOUBLE, hours DOUBLE")
    (agreement,) = verify(world.spark, campaign, world.campaigns.events("hours"))
    assert (agreement.says, agreement.different) == ("hours and view_hours before the contract", 0)


def test_the_old_is_not_let_go_before_the_new_holds_the_same(world):
    world.run("plays")
    begin(world)
    for _ in range(3):
        world.apply()
    main = world.root / "plays" / "main.sch.yaml"
    audit = "{function: columns_should_not_have_nulls, columns: [hours], blocking: false}"
    main.write_text(f"{main.read_text()}      audits:\n        - {audit}\n")
    move_the_writer(world)
    assert "plays" in world.open()  # its audit looks at the old column
    main.write_text(main.read_text().replace("[hours]", "[view_hours]"))
    world.run("plays")
    assert "plays" not in world.open()
    for owner in ("bob", "carol", "dave"):
        world.campaigns.note("hours", "acked", owner, owner, "theirs never ran")
    table = f"{world.db}.plays"
    world.spark.sql(f"INSERT INTO {table} (id, hours) VALUES (6, 6.0)")  # past any run: only empty, and filled
    world.spark.sql(f"UPDATE {table} SET view_hours = 8.0 WHERE id = 2")
    with pytest.raises(DataflowError, match="old and new differ: hours and view_hours differ in 1 rows"):
        world.apply()
    assert world.column("hours") == [0.5, 1.0, 2.0, 6.0, 7.5, None]
    world.spark.sql(f"UPDATE {table} SET view_hours = 7.5 WHERE id = 2")
    assert world.apply() == "contract 1"
    assert world.column("view_hours") == [0.5, 1.0, 2.0, 6.0, 7.5, None]


def test_killed_after_the_table_changed_and_before_that_was_written_down_it_goes_on(world):
    world.run("plays", "sums")
    begin(world)
    for step in ("expand 1", "expand 2", "expand 3"):
        with world.dying(noting={"applied"}):
            world.apply()
        assert world.apply() == step
    assert applied_steps(world.campaigns.events("hours")) == ["expand 1", "expand 2", "expand 3"]
    with world.dying(noting={"applied"}):
        world.apply(force=True, reason="nobody minds")
    world.apply(force=True, reason="nobody minds")
    assert [e.note for e in world.campaigns.events("hours") if e.kind == "forced"][-1] == "nobody minds"
    assert world.campaigns.all()[0].state == "done"


def test_cancel_takes_back_what_was_added_and_nothing_else(world):
    world.run("plays", "sums")
    begin(world)
    for _ in range(3):
        world.apply()
    for write in (
        'writeTo(args["TARGET_TABLE"]).overwritePartitions()',
        'write.insertInto(args["TARGET_TABLE"], True)',
        '_jdf.write().mode("overwrite").insertInto(args["TARGET_TABLE"])',  # as Scala and R call it
    ):
        in_python(world, f"df.{write}")
        world.run("plays")
    assert world.column("view_hours") == world.column("hours") == [0.5, 1.0, 2.0, 7.5, None]

    said = world.cancel()
    assert world.spark.table(f"{world.db}.plays").columns == ["id", "country", "hours"]
    assert said == [
        "reverted expand 2: add view_hours beside hours",
        "reverted expand 1: each publication writes hours and view_hours, whichever its workflow provides",
    ]
    world.run("sums")


def in_python(world, write):
    """Let the writer of the table be Python that knows nothing of a migration."""
    main = world.root / "plays" / "main.sch.yaml"
    main.write_text(main.read_text().replace("write.sql", "write.py"))
    read = 'df = spark.table(args["PLAYS"] + "_raw").select("id", "country", "hours")'
    script = world.root / "plays" / f"write_{next(NUMBERS)}.py"
    script.write_text(f"def main(args, spark):\n    {read}\n    {write}\n")
    main.write_text(re.sub(r"script: write\S*py", f"script: {script.name}", main.read_text()))
