"""`dataflow sample source`: a demo source of any size."""

from __future__ import annotations

import subprocess
import sys

import pytest

TABLE = "dataflow_demo.playback"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "2026-01-31", "--until", "2026-01-01"], "--until 2026-01-01 lies before --from 2026-01-31"),
        (["--from", "2026-02-30"], "--from: '2026-02-30' is not a date"),
        (
            ["--from", "1900-01-01", "--until", "2026-01-01"],
            "1900-01-01 to 2026-01-01 is 46,022 days; the maximum is 10,000",
        ),
        (["--rows", "3", "--from", "2026-01-01", "--until", "2026-01-04"], "less than one row for each of 4 days"),
        (["--rows", "900_000_000_000_000"], "900,000,000,000,000 rows take about 11,160,000 GB"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line_before_spark_starts(dataflow_command, arguments, message):
    done = dataflow_command("sample", "source", *arguments, code=2)
    assert message in done.stderr.splitlines()[0]
    assert done.stdout == ""


@pytest.mark.spark
def test_rows_are_spread_over_the_days_and_the_same_again_is_done_at_once(spark_command):
    asked = ("sample", "source", "--rows", "6_000", "--from", "2026-01-01", "--until", "2026-01-03")
    assert spark_command(*asked).stdout == f"{TABLE}: 6,000 rows, 2026-01-01 to 2026-01-03 (2,000 a day)\n"
    files = set(spark_command.folder.parent.rglob("*.parquet"))
    assert len(files) == 3
    assert spark_command.json(*asked)["rows_per_day"] == 2_000
    assert set(spark_command.folder.parent.rglob("*.parquet")) == files


@pytest.mark.spark
def test_two_commands_at_once_make_one_source(spark_command):
    command = [sys.executable, "-m", "dataflow", "sample", "source", "--from", "2026-01-01", "--until", "2026-01-02"]
    both = [
        subprocess.Popen(command, cwd=spark_command.folder, env=spark_command.environ, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in both:
        _, said = process.communicate(timeout=600)
        assert process.returncode == 0, said.decode()
    assert len(list(spark_command.folder.parent.rglob("*.parquet"))) == 2
