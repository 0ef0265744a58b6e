"""One result, each format of it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from dataflow.cli.output import CSV, HTML, JSON, MERMAID, TEXT, Output, OutputOption, Result, output_option


@dataclass(frozen=True)
class Copied(Result):
    files: int

    def text(self):
        print(f"{self.files} files")

    def data(self):
        return {"files": self.files, "to": Path("a/b")}

    def rows(self):
        return [("files", "note"), (self.files, None), (0, "=1+1")]

    def html(self):
        return "<p>\x07</p>\n"

    def mermaid(self):
        return "flowchart LR"


@dataclass(frozen=True)
class Long(Copied):
    longest_indented_json = 20


@pytest.mark.parametrize(
    ("output", "printed"),
    [
        (TEXT, "3 files\n"),
        (JSON, '{\n  "files": 3,\n  "to": "a/b"\n}\n'),
        (CSV, "files,note\n3,\n0,'=1+1\n"),
        (HTML, "<p>\\x07</p>\n"),
        (MERMAID, "flowchart LR\n"),
    ],
    ids=str,
)
def test_a_result_is_printed_in_the_format_that_was_asked_for(output, printed, capsys):
    output.show(Copied(3))
    assert capsys.readouterr().out == printed


def test_json_that_nobody_reads_is_one_line(capsys):
    JSON.show(Long(3))
    assert capsys.readouterr().out == '{"files": 3, "to": "a/b"}\n'


def test_only_people_see_parts_before_the_result(capsys):
    for output in (TEXT, JSON, CSV, HTML, MERMAID):
        output.show_part(Copied(1))
    assert capsys.readouterr().out == "1 files\n"


def test_an_event_is_a_line_of_json_at_once(capsys):
    for output in (TEXT, JSON):
        output.show_event(Long(1))
    assert capsys.readouterr().out == '1 files\n{"files": 1, "to": "a/b"}\n'


def test_what_follows_a_result_stands_in_its_document(capsys):
    TEXT.show_with(Copied(1), "run", lambda: TEXT.show(Copied(2)))
    assert capsys.readouterr().out == "1 files\n2 files\n"
    JSON.show_with(Copied(1), "run", lambda: JSON.show(Copied(2)))
    assert json.loads(capsys.readouterr().out) == {"files": 1, "to": "a/b", "run": {"files": 2, "to": "a/b"}}


def test_a_document_is_whole_when_what_follows_fails(capsys):
    with pytest.raises(typer.Exit):
        JSON.show_with(Copied(1), "run", fail)
    assert json.loads(capsys.readouterr().out)["run"] is None


def fail():
    raise typer.Exit(1)


def test_people_s_code_prints_into_no_document(capsys):
    for output in (TEXT, JSON):
        with output.reserved():
            print(f"mine, {output}", file=sys.stdout)
    printed = capsys.readouterr()
    assert printed.out == "mine, text\n"
    assert printed.err == "mine, json\n"


def test_a_format_that_a_command_has_not_is_refused_with_those_that_it_has():
    app = typer.Typer()

    @app.command()
    def copy(output: OutputOption = TEXT):
        output.show(Copied(1))

    assert CliRunner().invoke(app, ["--output", "TEXT"]).output == "1 files\n"
    refused = CliRunner().invoke(app, ["--output", "html"])
    assert refused.exit_code == 2
    assert "'html' is not one of 'text', 'json'" in " ".join(refused.output.replace("│", "").split())


class Shouted(Output):
    def show(self, result):
        print(f"{result.data()['files']}!")


SHOUTED = Shouted("shouted")


def test_a_new_format_is_one_class():
    app = typer.Typer()

    @app.command()
    def copy(output: Annotated[Output, output_option(TEXT, SHOUTED, help="How.")] = TEXT):
        output.show(Copied(1))

    assert CliRunner().invoke(app, ["--output", "shouted"]).output == "1!\n"
    assert "<text|shouted>" in CliRunner().invoke(app, ["--help"]).output
