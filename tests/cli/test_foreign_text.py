"""What stands in data, definitions and events is text to whatever shows it."""

from __future__ import annotations

import datetime as dt
import json
import re

import pytest

from dataflow.cli import console
from dataflow.cli.console import print_rows
from dataflow.cli.output import CSV, TABLE
from dataflow.cli.query import QueryRows
from dataflow.cli.workflow.show import RecordedRun

ESCAPES = "\x1b]0;pwned\x07\x1b[31mRED [red]m[/red] \x1b[2J [/nope]"
EVENT = {
    "eventType": "COMPLETE",
    "eventTime": "2026-11-29T00:00:00Z",
    "run": {"runId": "01890000-0000-7000-8000-000000000001"},
    "job": {
        "namespace": "n",
        "name": "<script>alert(1)</script>\x1b[31m",
        "facets": {"ownership": {"owners": [{"name": "<img src=x onerror=alert(2)>"}]}},
    },
    "inputs": [{"namespace": "n", "name": "s.a"}],
    "outputs": [
        {
            "namespace": "n",
            "name": 's.b"]\n  click n_1 href "javascript:alert(3)"\n  x["<script>alert(4)</script>\u2028',
            "facets": {
                "columnLineage": {
                    "fields": {
                        "c<b>\x1b]0;t\x07": {"inputFields": [{"namespace": "n", "name": "s.a", "field": 'x"]\n e'}]}
                    }
                }
            },
        }
    ],
}


STATEMENT = re.compile(
    r"""flowchart\ LR|\s*(subgraph\ )?n_\w+\["[^"<>\[\]]*"\]|\s*end|\s+n_\w+\ (-->|-\.->)\ n_\w+"""
    r"""|\s+style\ n_\w+\ stroke-width:3px""",
    re.VERBOSE | re.ASCII,
)


def is_plain(text):
    return not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028]", text)


@pytest.fixture
def printed(capsys):
    """Return what was printed."""
    console.out.cache_clear()
    console.err.cache_clear()
    yield lambda: "".join(capsys.readouterr())
    console.out.cache_clear()
    console.err.cache_clear()


def test_a_console_prints_no_markup_and_no_control_character_of_another_s(printed):
    console.out().print(ESCAPES)
    console.say(ESCAPES)
    console.write(ESCAPES)
    print_rows([{f"name {ESCAPES}": ESCAPES, "n": 1}])
    TABLE.show(QueryRows([ESCAPES], [(ESCAPES,)]))
    text = printed()
    assert is_plain(text)
    assert text.count("[red]m[/red]") == 7
    assert text.count("[/nope]") == 7


def test_a_spreadsheet_finds_no_formula_in_a_table(printed):
    CSV.show(QueryRows(["=a", "b"], [("=HYPERLINK(1)", -1), ("-2", -1.5), (None, None)]))
    assert printed().splitlines() == ["'=a,b", "'=HYPERLINK(1),-1", "'-2,-1.5", ","]


def test_a_recorded_run_is_shown_as_it_stands(printed):
    moment = dt.datetime(2026, 1, 1)
    job = {"job_id": ESCAPES, "attempt": 1, "status": ESCAPES, "started": moment, "ended": moment, "detail": ESCAPES}
    audit = {
        "name": ESCAPES,
        "job_id": "wap",
        "attempt": 1,
        "passed": False,
        "blocking": True,
        "figure": 1.0,
        "expected": ESCAPES,
    }
    audit["sample"] = [{"a": ESCAPES}]
    RecordedRun(
        {
            **dict.fromkeys(("workflow_id", "run_id", "status", "environment", "user", "host", "file", "log"), ESCAPES),
            **dict.fromkeys(("bundle", "parent_run_id", "error"), ESCAPES),
            "started": moment,
            "ended": moment,
            "params": {ESCAPES: ESCAPES},
            "versions": {},
            "jobs": [{**job, "error": None}],
            "publications": [{"table_name": ESCAPES, "partition": ESCAPES, "rows": 1, "snapshot": 1}],
            "audits": [audit],
            "reads": [{"source": ESCAPES, "snapshot": 1, "written": ESCAPES}],
            "children": [{"run_id": ESCAPES, "params": {}, "status": ESCAPES}],
        }
    ).text()
    text = printed()
    assert is_plain(text)
    assert text.count("[/nope]") > 15


@pytest.fixture
def imported(dataflow_command):
    (dataflow_command.folder / "e.json").write_text(json.dumps(EVENT))
    dataflow_command("migration", "import", "e.json")
    return dataflow_command


def test_names_of_an_event_end_no_label_of_a_chart(imported):
    for start in ("s.a", 's.a.x"]\\n e'):
        text = imported("migration", "lineage", start, "--output", "mermaid", code=None).stdout
        assert is_plain(text)
        assert text
        assert all(map(STATEMENT.fullmatch, text.splitlines())), text


def test_names_of_an_event_are_no_tags_of_a_page(imported):
    text = imported("migration", "lineage", "s.a", "--output", "html").stdout
    assert is_plain(text)
    assert not re.search(r"<(script|img|b)\b", text)
    assert "&lt;script&gt;alert(4)" in text


def test_names_of_an_event_are_plain_on_a_terminal_and_in_json(imported):
    for output in ("text", "json"):
        assert is_plain(imported("migration", "lineage", "s.a", "--output", output).stdout)
