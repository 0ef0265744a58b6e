"""Runs the very script that production runs, on small tables made of mocks."""

from dataflow.testing import Dataflow

SOURCE = "mocks/dataflow_demo.playback.yaml"
EXPECTED = "mocks/sparksql_workflow_results.yaml"
DDL = "../ddl/sparksql_workflow_results.sql"


def test_the_top_titles_of_each_day(dataflow: Dataflow) -> None:
    source, target = dataflow.mock(SOURCE), dataflow.table(DDL)

    write_days(dataflow, source, target, "2026-01-30", "2026-01-31")

    dataflow.assert_rows(target, EXPECTED)


def test_writing_a_day_again_changes_neither_it_nor_others(dataflow: Dataflow) -> None:
    source, target = dataflow.mock(SOURCE), dataflow.table(DDL)

    write_days(dataflow, source, target, "2026-01-31", "2026-01-30", "2026-01-31")

    dataflow.assert_rows(target, EXPECTED)


def write_days(dataflow: Dataflow, source: str, target: str, *days: str) -> None:
    for day in days:
        dataflow.run_script(
            "sparksql_write.sql",
            SOURCE_TABLE=source,
            TARGET_TABLE=target,
            EXECUTION_DATE=day,
        )
