"""What makes a workflow due, as a definition says it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest
import yaml

from dataflow.workflow.json_schema import json_schema
from dataflow.workflow.trigger import duration_text

if TYPE_CHECKING:
    from tests.support.definitions import Edit, Load, Mistakes

ONE = 'trigger:\n  cron: "0 3 * * *"\n  timezone: UTC\n'
SEVERAL = """\
trigger:
  - cron: ["0 3 * * *", 0 12 * * mon]
    timezone: Europe/Berlin
    jitter: 10m
  - tables: ["${SOURCE_TABLE}", db.titles]
  - cron: "*/15 * * * *"
    tables: [db.more]
run_strategy: {parallel: 3}
"""


def test_a_definition_may_have_several_triggers_each_of_which_makes_it_due(load: Load, edit: Edit) -> None:
    edit("daily.sch.yaml", ONE, SEVERAL)
    workflow = load("daily.sch.yaml")
    assert [it.text for it in workflow.triggers] == [
        "0 3 * * * Europe/Berlin, jitter 10m; 0 12 * * mon Europe/Berlin, jitter 10m",
        "when demo.playback and db.titles have a new day",
        "*/15 * * * * UTC; when db.more has a new day",
    ]
    assert workflow.strategy == 3
    assert workflow.trigger == workflow.triggers[0]


def test_a_single_trigger_stays_as_it_was(load: Load) -> None:
    workflow = load("daily.sch.yaml")
    assert [(it.cron, it.timezone, it.tables) for it in workflow.triggers] == [("0 3 * * *", "UTC", [])]
    assert workflow.strategy == "latest only"
    assert load("main.sch.yaml").triggers == ()


def test_the_day_before_is_that_where_the_first_trigger_has_its_clock(load: Load, edit: Edit) -> None:
    zones = []
    for first, second in (("Pacific/Kiritimati", "Pacific/Pago_Pago"), ("Pacific/Pago_Pago", "Pacific/Kiritimati")):
        text = "".join(f'  - cron: "0 3 * * *"\n    timezone: {zone}\n' for zone in (first, second))
        edit("daily.sch.yaml", ONE, f"trigger:\n{text}")
        zones.append(load("daily.sch.yaml").builtins["yesterday"])
        edit("daily.sch.yaml", f"trigger:\n{text}", ONE)
    assert zones[0] > zones[1]  # 25 hours apart


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("0 12 * * mon", "0 25 * * *", "5:25: '25' is not a valid hour: 0 to 23, *, a-b, or */n"),
        ("Europe/Berlin", "Europe/Berln", "6:15: unknown time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?"),
        ("jitter: 10m", "jitter: 10",
         "7:13: 'jitter' should be a number and a unit, such as 30s, 10m, 2h or 1d, not 10"),
        ("jitter: 10m", "jitter: 2d", "5:5: item 1 of 'trigger': 'jitter' should be a day at most, not 2d"),
        ("jitter: 10m", "jiter: 10m", "7:5: unknown key 'jiter'; did you mean 'jitter'?"),
        ('["${SOURCE_TABLE}", db.titles]', "[db.titles]\n    jitter: 5m",
         "8:5: item 2 of 'trigger': 'jitter' delays the moments of 'cron': add 'cron', or leave 'jitter' out"),
        ("  - tables: [\"${SOURCE_TABLE}\", db.titles]\n", "  - timezone: UTC\n",
         "8:5: item 2 of 'trigger': needs 'cron', 'tables' or both"),
        ('["${SOURCE_TABLE}", db.titles]', '["${SOURCE_TABEL}"]',
         "8:13: undefined parameter 'SOURCE_TABEL'; did you mean 'SOURCE_TABLE'?"),
        ("db.more", "alice_sandbox.alice_titles_results",
         "10:14: this workflow writes alice_sandbox.alice_titles_results: each of its runs would make it due again"),
        ("{parallel: 3}", "one", "11:15: 'run_strategy' can't be 'one'; valid here: latest only, sequential"),
        ("{parallel: 3}", "{parallel: 0}", "11:26: 'parallel' should be at least 1, not 0"),
        ('["0 3 * * *", 0 12 * * mon]', "[]", "5:11: 'cron' needs at least one item"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_told_where_it_stands(
    edit: Edit, mistakes: Mistakes, old: str, new: str, said: str
) -> None:
    edit("daily.sch.yaml", ONE, SEVERAL)
    edit("daily.sch.yaml", old, new)
    assert mistakes("daily.sch.yaml") == [f"daily.sch.yaml:{said}"]


def test_a_strategy_without_a_trigger_is_a_mistake(edit: Edit, mistakes: Mistakes) -> None:
    edit("daily.sch.yaml", ONE, "run_strategy: sequential\n")
    assert mistakes("daily.sch.yaml") == [
        "daily.sch.yaml:4:1: 'run_strategy' is about the moments of a 'trigger': add one, or leave it out"
    ]


def test_editors_know_all_ways_to_write_it(package: Path, edit: Edit) -> None:
    schema = jsonschema.Draft202012Validator(json_schema())
    edit("daily.sch.yaml", ONE, SEVERAL)

    def mistakes_of(text: str) -> list[str]:
        return [it.message for it in schema.iter_errors(json.loads(json.dumps(yaml.safe_load(text), default=str)))]

    text = (package / "daily.sch.yaml").read_text()
    assert mistakes_of(text) == []
    assert mistakes_of(text.replace("{parallel: 3}", "sequential").replace("jitter: 10m\n", "jitter: 1h\n")) == []
    assert mistakes_of(text.replace(SEVERAL, ONE)) == []
    assert mistakes_of(text.replace("{parallel: 3}", "{paralel: 3}"))
    assert mistakes_of(text.replace("jitter", "jiter"))


@pytest.mark.parametrize("text", ["30s", "10m", "90s", "2h", "1d", "0.5s"])
def test_a_duration_is_told_as_it_is_written(text: str) -> None:
    from dataflow.workflow.values import seconds

    found = seconds(text)
    assert isinstance(found, float)
    assert duration_text(found) == text
