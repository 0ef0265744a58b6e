"""Python scripts in runs: each attempt, date and folder by itself, in one process."""

from __future__ import annotations

import pytest

from tests.support.packages import definition, spark
from tests.support.small_runs import failed, one

pytestmark = pytest.mark.spark


def jobs(*scripts, after=""):
    """Return a workflow of jobs that run side by side, named as the folders of their scripts."""
    each = [spark(it, it.partition("/")[0].partition(".")[0]) + after for it in scripts]
    return definition(*each, name="${dataflow.package_id}.one") + "dag: []\n"


def test_jobs_side_by_side_run_each_their_own_helpers_on_the_driver_and_on_the_workers(package):
    script = """
        import helpers
        from pyspark.sql import functions as F


        def told(_):
            return helpers.name()


        def main(args, spark):
            found = spark.range(1).select(F.udf(told)("id")).first()[0]
            assert found == helpers.name() == "%s", found
    """
    for name in ("north", "south"):
        (package.folder / name).mkdir()
        package.write(f"{name}/write.py", script % name)
        package.write(f"{name}/helpers.py", f"def name():\n    return {name!r}\n")
    package.write("two.sch.yaml", jobs("north/write.py", "south/write.py"))
    result = package.run("two.sch.yaml", day=None)
    assert result.status == "succeeded", failed(result)


def test_an_attempt_knows_nothing_of_the_one_before(package):
    package.write(
        "flaky.py",
        """
        import os
        import pathlib

        SEEN = pathlib.Path(__file__).with_name("seen")
        RUNS = []


        def main(args, spark):
            RUNS.append(1)
            left = os.environ.get("LEFT_BY_AN_ATTEMPT"), os.getcwd() == "/", len(RUNS)
            os.environ["LEFT_BY_AN_ATTEMPT"] = "yes"
            os.chdir("/")
            if not SEEN.exists():
                SEEN.write_text("")
                raise RuntimeError("once more")
            assert left == (None, False, 1), left
        """,
    )
    package.write("one.sch.yaml", one("flaky.py") + "      retries: 1\n      retry_delay: 0.1s\n")
    result = package.run("one.sch.yaml", day=None)
    assert result.status == "succeeded", failed(result)
    assert result.steps[0].attempts == 2


def test_fifty_thousand_lines_are_printed_and_the_next_job_runs(package, capfd):
    package.write(
        "wordy.py",
        """
        import logging
        import sys


        def main(args, spark):
            logging.getLogger().setLevel(1)
            for number in range(50_000):
                print("line", number)
            print("to the end", file=sys.stderr)
            sys.stdout = None
        """,
    )
    check = "import logging\n\n\ndef main(args, spark):\n    print('after', logging.getLogger().level)\n"
    package.write("quiet.py", check)
    package.write("two.sch.yaml", jobs("wordy.py", "quiet.py").replace("dag: []", "dag: [wordy -> quiet]"))
    result = package.run("two.sch.yaml", day=None)
    assert result.status == "succeeded", failed(result)
    said = capfd.readouterr()
    assert said.out.count("line ") == 50_000
    assert "line 49999\nafter 30" in said.out
    assert "to the end" in said.err


def test_a_script_that_raises_what_ends_programs_fails_its_job_alone(package):
    package.write("odd.py", "def main(args, spark):\n    raise GeneratorExit('odd')\n")
    package.write("stop.py", "def main(args, spark):\n    raise KeyboardInterrupt\n")
    package.write("well.py", "import sys\n\n\ndef main(args, spark):\n    sys.exit(0)\n")
    text = jobs("odd.py", "stop.py", "well.py", after="      on_failure: finish\n")
    package.write("three.sch.yaml", text)
    result = package.run("three.sch.yaml", day=None)
    assert {step.id: step.status for step in result.steps} == {"odd": "failed", "stop": "failed", "well": "succeeded"}
    told = {step.id: step.error.message.partition(": ")[2] for step in result.steps if step.error}
    assert told["odd"] == "GeneratorExit: odd\n    raise GeneratorExit('odd')"
    assert told["stop"] == "KeyboardInterrupt\n    raise KeyboardInterrupt"
