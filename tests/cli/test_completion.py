"""What a shell is answered when somebody presses Tab: by its protocol, and in a real bash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest


@pytest.fixture
def ask(dataflow_command):
    """Return what asks for completions as bash does, in a folder of files; what is typed ends where Tab is pressed."""
    folder = dataflow_command.folder
    for name in ("main.sch.yaml", "daily.sch.yaml", "notes.md", "src/run.sql", "src/mocks/a.b.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()

    def ask(typed, shell="bash"):
        words = typed.split(" ")
        line = {"COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1), "_TYPER_COMPLETE_ARGS": typed}
        dataflow_command.environ.update(line, _DATAFLOW_COMPLETE=f"complete_{shell}")
        done = dataflow_command()
        assert done.stderr == ""
        return done.stdout.split("\n")[:-1]

    return ask


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("dataflow w", ["workflow"]),
        ("dataflow workflow r", ["run", "render", "report", "retry", "runs"]),
        ("dataflow workflow run ", ["daily.sch.yaml", "main.sch.yaml", "src/"]),
        ("dataflow workflow run m", ["main.sch.yaml"]),
        ("dataflow workflow run s", [""]),  # the shell itself does that better
        ("dataflow workflow run n", [""]),
        ("dataflow workflow run none/m", [""]),
        ("dataflow workflow validate main.sch.yaml d", ["daily.sch.yaml"]),
        ("dataflow mock show src/mocks/", ["src/mocks/a.b.yaml"]),
        ("dataflow sample workflow s", ["spark-sql", "scala", "sparklyr"]),
        ("dataflow workflow run main.sch.yaml --env ", ["sandbox"]),
        ("dataflow workflow run main.sch.yaml --output ", ["text", "json"]),
        ("dataflow query x --output p", ["parquet"]),
        ("dataflow workflow plan --da", ["--date"]),
        ("dataflow project list w", ["workflows", "wheels"]),
        ("dataflow glossary s", ["sandbox"]),
        ("dataflow nothing r", [""]),
        ("dataflow run r", [""]),
    ],
)
def test_a_shell_is_answered_with_what_may_follow(ask, typed, answer):
    assert sorted(ask(typed)) == sorted(answer)


def test_environments_are_those_of_the_project_and_a_broken_file_is_no_failure(ask, dataflow_command):
    file = dataflow_command.folder / "dataflow.yaml"
    file.write_text("version: 1\nproject: films\nenvironments:\n  production: {branch: main}\n")
    assert ask("dataflow query x --env ") == ["sandbox", "production"]
    file.write_text("environments: [")
    assert ask("dataflow query x --env ") == [""]


def test_names_that_a_shell_would_have_to_quote_are_left_to_it(ask, dataflow_command):
    (dataflow_command.folder / "my day.sch.yaml").touch()
    assert ask("dataflow workflow run ma") == ["main.sch.yaml"]
    assert ask("dataflow workflow run m") == [""]


def test_zsh_and_fish_are_shown_what_each_is_as_well(ask):
    assert ask("dataflow workflow sch", "zsh") == [
        """_arguments '*: :(("schedules":"List the schedules of what is deployed\\\\: last run and next."))'"""
    ]


def test_asking_writes_nothing_into_a_package(ask, dataflow_command):
    (dataflow_command.folder / ".gitignore").write_text(".vscode/*.schema.json\n")
    ask("dataflow workflow r")
    assert not (dataflow_command.folder / ".vscode").exists()


BASH = """\
eval "$(dataflow --show-completion)"
COMP_WORDS=(dataflow workflow sch) COMP_CWORD=2
_dataflow_completion dataflow
echo "${COMPREPLY[@]}"
complete -p dataflow
"""


@pytest.fixture
def shell(dataflow_command, tmp_path):
    """Return what runs a script of bash that has `dataflow` on its PATH, and a home of its own."""
    programs = tmp_path / "programs"
    programs.mkdir()
    program = programs / "dataflow"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m dataflow "$@"\n')
    program.chmod(0o755)
    environ = {**dataflow_command.environ, "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(tmp_path)}

    def run(script, program="bash", **more):
        command = [shutil.which(program), "-c", f"{script}\n:"]  # else it would become what it calls
        return subprocess.run(command, capture_output=True, text=True, check=False, env={**environ, **more})

    return run


def test_bash_completes_once_it_has_the_script(shell):
    done = shell(BASH)
    assert done.stderr == ""
    assert done.stdout == "schedules\ncomplete -o default -F _dataflow_completion dataflow\n"


def test_completion_is_installed_for_the_shell_that_it_is_called_from(shell, tmp_path):
    done = shell("dataflow --install-completion")
    assert done.returncode == 0
    script = tmp_path / ".bash_completions/dataflow.sh"
    assert f"bash completion installed in {script}" in done.stdout
    assert f"source '{script}'" in (tmp_path / ".bashrc").read_text()
    assert "complete -o default -F _dataflow_completion dataflow" in script.read_text()


def test_a_shell_that_has_no_completion_is_named(shell):
    done = shell("dataflow --install-completion; echo $?", "sh", SHELL="/bin/tcsh")
    assert done.stdout == "2\n"
    assert done.stderr == (
        "error: 'sh' is not a shell that can be completed\n  → call it from one of bash, zsh, fish, powershell, pwsh\n"
    )
    assert "#compdef dataflow" in shell("dataflow --show-completion", "sh", SHELL="/bin/zsh").stdout
