"""All help pages have one style: each command is walked, and held to it."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from collections import defaultdict
from importlib import import_module
from pathlib import Path

import pytest

from dataflow.cli.help import read_help
from tests.support.commands import pages, parse

PAGES = list(pages())
COMMANDS = [it for it in PAGES if not it.is_group]
CODES = {"0", "1", "2", "130"}


def each(found):
    return pytest.mark.parametrize("page", found, ids=lambda it: it.name)


def test_there_is_a_page_for_each_command_and_group():
    names = [it.name for it in PAGES]
    assert len(names) == len(set(names)) >= 50
    assert {"dataflow", "dataflow workflow", "dataflow workflow run", "dataflow query"} <= set(names)


@each(PAGES)
def test_a_page_says_in_a_sentence_what_the_command_does_then_shows_it(page):
    text = read_help(page.command.help)
    assert re.fullmatch(r"[A-Z](?:[^.!?]|[.!?]\b)*\.", text.summary), text.summary
    assert len(text.summary) <= 64  # a list at 80 columns shows it in one line
    assert all(it.endswith(".") for it in text.paragraphs)
    titles = re.findall(r"^([A-Z][\w ,]*):$", page.text(), re.M)
    assert titles[0] == "Examples"
    order = ["Arguments", "Options", "Exit codes", "Words"]
    assert [it for it in titles if it in order] == [it for it in order if it in titles]
    assert page.text().startswith(f"Usage: {page.name} [OPTIONS]")


@each(PAGES)
def test_a_page_fits_a_narrow_terminal_and_uses_a_wide_one(page):
    examples = read_help(page.command.help).examples
    for width in (80, 100):
        long = [it for it in page.text(width).splitlines() if len(it) > width and it.strip() not in examples]
        assert not long
    assert page.text(200) == page.text(100)


@each(PAGES)
def test_a_page_has_an_example_that_the_command_line_takes(page):
    examples = read_help(page.command.help).examples
    assert [it for it in examples if it == page.name or it.startswith(f"{page.name} ")]
    for example in examples:
        program, *words = shlex.split(example.partition(" > ")[0])
        if program == "dataflow" and words[-1] != "--help":
            assert parse(words).command.callback is not None


@each([it for it in PAGES if it.is_group])
def test_the_first_page_says_of_a_group_what_its_own_page_says(page):
    if page.words:
        listed = PAGES[0].command.commands[page.words[0]]
        assert f"  {page.words[0]} " in PAGES[0].text()
        assert listed.get_short_help_str() == read_help(page.command.help).summary


def test_daily_commands_come_first_in_the_lists():
    panels = {it.name: list(it.command.parts(it.context)) for it in PAGES if it.is_group}
    assert panels["dataflow"] == ["Every day", "As a team", "Set up", "Arguments", "Options"]
    assert panels["dataflow workflow"][0] == panels["dataflow project"][0] == "Every day"
    assert list(PAGES[0].command.commands)[:2] == ["sample", "workflow"]


@each(PAGES)
def test_an_option_says_what_it_takes(page):
    for parameter in page.parameters:
        assert parameter.help, parameter.name
        assert re.fullmatch(r"[`A-Z.*<].*\.", parameter.help), parameter.help
        assert "when omitted" not in parameter.help
        if parameter.param_type_name == "option" and not parameter.is_flag:
            kind = parameter.type_descriptor.annotation
            assert parameter.metavar or kind is int or issubclass(kind, str), parameter.name


def test_options_of_one_name_are_described_by_the_same_words():
    said = defaultdict(lambda: defaultdict(list))
    for page in PAGES:
        for it in page.parameters:
            if it.param_type_name == "option":
                said[max(it.opts, key=len)][re.split(r"[;.]", it.help)[0]].append(page.name)
    differing = {flag: dict(texts) for flag, texts in said.items() if len(texts) > 1}
    # `--workflow` is an id in `runs`, a file in `mock create`; `--from` and `--to` are days in `backfill`, `--from` a
    # step in `retry`; `--plan` is a file in `deploy`.
    assert set(differing) <= {"--workflow", "--from", "--to", "--plan"}, differing


def test_env_names_an_environment_everywhere_and_only_what_it_is_without_it_differs():
    found = {page.name: page.option("--env").help for page in COMMANDS if page.option("--env")}
    assert len(found) >= 25
    for text in found.values():
        assert re.fullmatch(r"The environment, by its name; [^.;]+ if omitted\.( Another one is refused\.)?", text)


@each(COMMANDS)
def test_output_is_the_format_of_every_command_json_among_them(page):
    output = page.option("--output")
    formats = output.metavar.strip("<>").split("|")
    assert "json" in formats
    assert {"text", "table"} & set(formats)
    assert str(output.default) == formats[0]


@each(COMMANDS)
def test_to_is_a_path_unless_it_ends_what_from_begins(page):
    option = page.option("--to")
    if option is not None and page.option("--from"):
        assert option.metavar == page.option("--from").metavar == "YYYY-MM-DD"
    elif option is not None:
        assert option.metavar == "FILE"
        assert option.help.startswith("A file; ") or "among the package's mocks" in option.help


@each(PAGES)
def test_exit_codes_are_documented_where_a_command_has_its_own(page):
    codes = [code for code, _ in read_help(page.command.help).exit_codes]
    assert codes == sorted(set(codes), key=int)
    assert set(codes) <= CODES
    if not page.words:
        assert set(codes) == CODES
    elif not page.is_group:
        module = import_module(inspect.unwrap(page.command.callback).__module__)
        assert own_codes(Path(module.__file__)) <= set(codes)


def own_codes(file):
    """Return the codes that a command's module exits with by itself."""
    calls = [it for it in ast.walk(ast.parse(file.read_text())) if isinstance(it, ast.Call)]
    exits = [it.args[0] for it in calls if it.args and ast.unparse(it.func) == "typer.Exit"]
    return {str(it.value) for it in exits if isinstance(it, ast.Constant)}


@each(PAGES)
def test_verbose_and_help_are_on_every_page_in_the_same_words(page):
    lines = page.text(100).splitlines()
    assert [" ".join(it.split()) for it in lines if it.startswith(("  -v,", "  -h,"))] == [
        "-v, --verbose Show the traceback of a failure; goes anywhere.",
        "-h, --help Show this message and exit.",
    ]
    assert ("--install-completion" in page.text()) == (page.name == "dataflow")


WORKFLOW_PLAN = """\
Usage: dataflow workflow plan [OPTIONS] [FILE]

  Show what a run would do and touch, without starting Spark.

  Of each schedule it says when it would run next, were it deployed; of days
  that run because their sources changed, why. Where only Spark can open the
  catalog, it starts to look for them.

Examples:
  dataflow workflow plan main.sch.yaml --date 2026-01-31
  dataflow workflow plan daily.sch.yaml
  dataflow workflow plan --deployed titles.daily --output json

Arguments:
  FILE  A *.sch.yaml file, or a package's folder for its main.sch.yaml.

Options:
  --date YYYY-MM-DD       The day; yesterday if omitted.
  -p, --param NAME=VALUE  A parameter; may be repeated.
  --env NAME              The environment, by its name; your own sandbox if
                          omitted.
  --deployed ID           What is deployed; a workflow's id, or a bundle,
                          instead of a file.
  --output text|json      The format; `text` for people, `json` for scripts.
                          [default: text]
  -v, --verbose           Show the traceback of a failure; goes anywhere.
  -h, --help              Show this message and exit.

Words:
  bundle   a package's rendered definitions and all that they run, as one unit
           that never changes
  sandbox  a database of yours alone, where a run writes unless --env names
           another environment
"""


@pytest.mark.slow
def test_the_page_of_a_command_is_this(dataflow_command):
    dataflow_command.environ["COLUMNS"] = "80"
    assert dataflow_command("workflow", "plan", "--help").stdout == WORKFLOW_PLAN
    assert dataflow_command("workflow", "plan", "-h").stdout == WORKFLOW_PLAN


def test_a_word_of_ours_is_explained_on_the_pages_that_use_it():
    explained = {it.name: it.text().partition("\nWords:\n")[2] for it in PAGES}
    assert "  bundle " in explained["dataflow project deploy"]
    assert "  wap " in explained["dataflow workflow run"]
    assert "  recipe " in explained["dataflow sample workflow"]
    assert not explained["dataflow doctor"]


@pytest.mark.slow
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("flag", ["-v", "--verbose"])
def test_verbose_stands_anywhere_and_leaves_the_exit_code_as_it_is(dataflow_command, flag, place):
    words = ["workflow", "run", "nothing.sch.yaml"]
    done = dataflow_command(*words[:place], flag, *words[place:], code=2)
    assert "Traceback" in done.stderr
    assert "nothing.sch.yaml" in done.stderr
    assert "Traceback" not in dataflow_command(*words, code=2).stderr


def test_what_looks_like_verbose_and_is_a_value_stays_one(dataflow_command):
    done = dataflow_command("workflow", "run", "--job", "-v", "nothing.sch.yaml", code=2)
    assert "Traceback" not in done.stderr
    assert "nothing.sch.yaml" in done.stderr
