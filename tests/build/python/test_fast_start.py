"""A run starts in the environment that it had the last time, and is right all the same when it needs another one."""

from __future__ import annotations

import pytest

from tests.support.one_job import MAIN

PROJECT = '[project]\nname = "calc"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = [%s]\n'


@pytest.fixture
def where(dataflow_process, index):
    """Return what starts a run, without the jars to go further by, and gives the Pythons that looked for them."""
    folder = dataflow_process.folder
    (folder / "main.sch.yaml").write_text(MAIN)
    (folder / "job.py").write_text("def main(args, spark): pass\n")
    (folder / "sitecustomize.py").write_text("import sys; sys.stderr.write(f'PYTHON {sys.prefix}\\n')\n")
    dataflow_process.environ |= {"PYTHONPATH": str(folder), "DATAFLOW_JARS": str(folder / "none")}

    def start(*needs, day="2026-01-31"):
        listed = ", ".join(f'"{it}"' for it in needs)
        (folder / "pyproject.toml").write_text(PROJECT % listed + index.table())
        done = dataflow_process("workflow", "run", "main.sch.yaml", "--date", day, code=None)
        return [line.partition(" ")[2] for line in done.stderr.splitlines() if line.startswith("PYTHON ")], done.stderr

    return start


def relock(folder):
    (folder / "pylock.toml").unlink()


@pytest.mark.slow
def test_a_run_goes_ahead_into_the_environment_that_it_had_and_on_to_what_it_needs_now(where, dataflow_process, home):
    own, first = where("dfcolours<2")[0]
    assert first.startswith(str(home / "environments"))
    assert where("dfcolours<2", day="2026-02-01")[0] == [own, first]
    relock(dataflow_process.folder)
    pythons, said = where("dfcolours>=2")
    assert "made pylock.toml" in said
    assert pythons[:2] == [own, first]
    assert pythons[2].startswith(str(home / "environments"))
    assert pythons[2] != first
    assert where("dfcolours>=2")[0] == [own, pythons[2]]
    assert where()[0] == [own, pythons[2], own]
    assert where()[0] == [own]
