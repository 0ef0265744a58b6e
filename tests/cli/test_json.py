"""What commands answer scripts that once answered people alone; `test_help.py` says that every command has it."""

from __future__ import annotations

import json

EVENT = {
    "eventType": "COMPLETE",
    "eventTime": "2026-01-31T00:00:00Z",
    "run": {"runId": "0190a7c6-0000-7000-8000-000000000000"},
    "job": {"namespace": "n", "name": "j"},
    "inputs": [{"namespace": "n", "name": "s.a"}],
    "outputs": [{"namespace": "n", "name": "s.b"}],
}


def test_an_import_counts_what_it_took_and_names_what_it_left(dataflow_command):
    (dataflow_command.folder / "e.json").write_text(f"{json.dumps(EVENT)}\nnot json\n")
    done = dataflow_command.json("migration", "import", "e.json")
    assert (done["events"], done["writes"]) == (1, 1)
    assert len(done["left_out"]) == 1
    assert "e.json" in done["left_out"][0]


def test_a_lock_is_named_with_its_project(dataflow_command):
    project = dataflow_command.folder / "titles" / "pyproject.toml"
    project.parent.mkdir()
    project.write_text('[project]\nname = "titles"\nversion = "1"\nrequires-python = ">=3.11"\n')
    assert dataflow_command.json("project", "lock") == [{"project": "titles/pyproject.toml", "lock": None}]


def test_the_lines_for_cron_are_a_document_as_well(dataflow_command):
    text = dataflow_command("workflow", "due", "--install-hint").stdout
    assert dataflow_command.json("workflow", "due", "--install-hint") == {"install": text.removesuffix("\n")}


def test_an_answer_that_goes_into_a_file_is_named_by_to(dataflow_command):
    done = dataflow_command("mock", "create", "a.b", "--output", "b.yaml", code=2)
    assert "'b.yaml' is not one of 'text', 'json'; a file is named by --to" in done.stderr
    done = dataflow_command("workflow", "runs", "--output", "csv", code=2)
    assert done.stderr.rstrip().endswith("'csv' is not one of 'text', 'json'")


def test_words_are_found_by_their_name_and_as_a_text_spells_them(dataflow_command):
    (hwm,) = dataflow_command.json("glossary", "HWM")
    assert hwm["word"] == "hwm"
    assert dataflow_command.json("glossary", "high-water mark") == [hwm]
    assert hwm in dataflow_command.json("glossary")
    done = dataflow_command("glossary", "sandbux", code=2)
    assert done.stderr.startswith("error: 'sandbux' is not in the glossary; did you mean 'sandbox'?\n")
    shown = dataflow_command("glossary", "wap").stdout.splitlines()
    assert shown[:2] == [
        "wap",
        "  write, audit, publish: rows are written on a branch of the table, checked there, and only then",
    ]
