from __future__ import annotations

import subprocess
import sys

import pytest

import dataflow


def test_help_lists_the_commands_and_where_to_start(dataflow_command):
    shown = dataflow_command("--help").stdout
    for name in ("sample", "workflow", "project", "query", "env", "doctor"):
        assert name in shown
    assert "dataflow sample workflow spark-sql" in shown


def test_the_version_is_the_package_s(dataflow_command):
    assert dataflow_command("--version").stdout == f"dataflow {dataflow.__version__}\n"


def test_a_mistyped_command_is_told_with_the_nearest(dataflow_command):
    done = dataflow_command("wrokflow", "run", code=2)
    assert "Did you mean 'workflow'?" in done.stderr


def test_a_command_of_a_group_typed_without_it_is_told_whole(dataflow_command):
    done = dataflow_command("run", "main.sch.yaml", "-p", "A=b c", code=2)
    assert done.stderr == (
        "error: 'run' is a command of workflow\n  → did you mean `dataflow workflow run main.sch.yaml -p 'A=b c'`?\n"
    )
    assert dataflow_command("plan", code=2).stderr == (
        "error: 'plan' is a command of workflow and of project and of migration\n"
        "  → did you mean `dataflow workflow plan`, `dataflow project plan` or `dataflow migration plan`?\n"
    )


def test_help_imports_nothing_heavy():
    heavy = {"pyspark", "sqlalchemy", "copier", "pydantic_core", "sqlglot", "yaml", "tenacity"}
    script = (
        "import sys; sys.argv = ['dataflow', '--help']\n"
        "from dataflow.cli.main import main\n"
        "try: main()\n"
        f"except SystemExit: print('heavy:', sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "heavy: []" in done.stdout


@pytest.mark.slow
def test_a_failure_is_one_message_and_a_traceback_only_with_verbose(dataflow_command):
    done = dataflow_command("workflow", "run", "nothing.sch.yaml", code=2)
    assert "Traceback" not in done.stderr
    assert "nothing.sch.yaml" in done.stderr
    assert "Traceback" in dataflow_command("workflow", "run", "nothing.sch.yaml", "--verbose", code=2).stderr
