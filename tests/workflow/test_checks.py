"""Every mistake in a definition is one message at its place, and all of them are told together."""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING

import pytest

from dataflow.workflow.load import Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Mistakes = Callable[..., list[str]]
    Edit = Callable[..., None]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("      table: ${TARGET_TABLE}\n", "      table: ${TARGET_TABLE}\n      emtpy: keep\n",
         "19:7: unknown key 'emtpy'; did you mean 'empty'?"),
        ("        script: ./ddl.sql", "        scirpt: ./ddl.sql",
         "14:9: unknown key 'scirpt'; did you mean 'script'?"),
        ("        script: ./ddl.sql", "        {}", "13:7: missing key 'script'"),
        ("      spark:\n        script: ./ddl.sql\n", "", "10:5: missing key 'spark'"),
        ("      type: Spark", "      type: Sprak", "12:13: unknown job type 'Sprak'; did you mean 'Spark'?"),
        ("      type: Spark\n", "", "10:5: missing key 'type'"),
        ("      type: wap", "      type: wpa", "17:13: unknown template type 'wpa'; did you mean 'wap'?"),
        ("function: columns_should_not_have_nulls", "function: columns_should_not_have_null",
         "28:21: unknown audit function 'columns_should_not_have_null'; "
         "did you mean 'columns_should_not_have_nulls'?"),
        ("          columns: [title_id]", "          columns: title_id",
         "29:20: 'columns' should be a list, not 'title_id'"),
        ("          columns: [title_id]", "          columns: []", "29:20: 'columns' needs at least one item"),
        ("          columns: [title_id]", "          columns: [[a]]",
         "29:21: item 1 of 'columns' should be text, not a list"),
        ("      id: ddl\n", "      id: ddl\n      retries: many\n",
         "12:16: 'retries' should be a whole number, not 'many'"),
        ("      id: ddl\n", "      id: ddl\n      retries: 21\n", "12:16: 'retries' should be at most 20, not 21"),
        ("      id: ddl\n", "      id: ddl\n      timeout: 30\n",
         "12:16: 'timeout' should be a number and a unit, such as 30s, 10m, 2h or 1d, not 30"),
        ("      id: ddl\n", "      id: ddl\n      on_failure: halt\n",
         "12:19: 'on_failure' can't be 'halt'; valid here: finish, ignore, stop"),
        ("      id: ddl\n", "      id: d d l\n",
         "11:11: 'id' should be letters, digits, '_' and '-', beginning with a letter, not 'd d l'"),
        ("      id: ddl\n", "      id: write\n", "23:17: duplicate id 'write'; it stands on line 11 already"),
        ("      id: hwm\n", "      id: wap\n", "31:11: duplicate id 'wap'; it stands on line 16 already"),
        ("version: 1", "version: 2", "1:10: 'version' should be 1, not 2"),
        ("version: 1\n", "", "1:1: missing key 'version'"),
        ("  - job:\n      id: ddl", "  - jbo:\n      id: ddl", "10:5: unknown key 'jbo'; did you mean 'job'?"),
        ("script: ./ddl.sql", "script: ./dll.sql", "14:17: there is no file 'dll.sql'; did you mean 'ddl.sql'?"),
        ("script: ./ddl.sql", f"script: ./{'x' * 300}.sql", f"14:17: can't read '{'x' * 300}.sql': File name too long"),
        ("script: ./ddl.sql", 'script: "./d\\0.sql"', "14:17: a zero character can't stand in a text"),
        ("script: ./ddl.sql", "script: ./sql/ddl.sql", "14:17: there is no folder 'sql'"),
        ("script: ./ddl.sql", "script: ./ddl.txt",
         "14:17: a script ends in .sql, .py, .R or .jar, or is an sbt project's folder, not '.txt'"),
        ("script: ./ddl.sql", "script: ./", "14:17: . holds no build.sbt, and only an sbt project's folder can run"),
        ("script: ./ddl.sql", "script: ./none.jar", "14:17: there is no file 'none.jar'"),
        ("script: ./ddl.sql", "script: ./ddl.sql\n        class: Main",
         "15:16: 'class' is for jars and sbt projects, not a .sql file"),
        ("        datetime: ${EXECUTION_DATE}", "        datetime: 2026-02-30",
         "35:19: 'datetime' should be a date or a time such as 2026-01-31 or 2026-01-31T06:00, not '2026-02-30'"),
        ("        date: ${EXECUTION_DATE}", "        date: 2026-02-30", "20:15: '2026-02-30' is not a valid date"),
        ("  EXECUTION_DATE: ${dataflow.yesterday}", "  EXECUTION_DATE: 31.1.2026",
         "6:19: EXECUTION_DATE should be a date such as 2026-01-31, not '31.1.2026'"),
        ("        datetime: ${EXECUTION_DATE}", "        datetime: ${EXECUTION_DATE}\n        timezone: Europe/Berln",
         "36:19: unknown time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?"),
        ("      table: ${TARGET_TABLE}\n      partition", "      table: x.${TARGET_TABEL}\n      partition",
         "18:16: undefined parameter 'TARGET_TABEL'; did you mean 'TARGET_TABLE'?"),
        ("${dataflow.package_id}.main", "${dataflow.package_di}.main",
         "3:7: unknown built-in 'dataflow.package_di'; did you mean 'dataflow.package_id'?"),
        ("      table: ${TARGET_TABLE}\n      partition", "      table: ${dataflow.each}\n      partition",
         "18:14: 'dataflow.each' has a value inside a foreach alone"),
        ("  SOURCE_TABLE: demo.playback", "  SOURCE_TABLE: ${env:HOME}",
         "7:17: '${env:...}' is refused: pass a parameter, or a secret as ${secret:NAME}"),
        ("  SOURCE_TABLE: demo.playback", "  SOURCE_TABLE: ${TARGET_TABLE}", None),
        ("  SOURCE_TABLE: demo.playback", "  SOURCE_TABLE: ${SOURCE_TABLE}",
         "7:17: parameters refer to each other: SOURCE_TABLE -> SOURCE_TABLE"),
        ("  SOURCE_TABLE: demo.playback", "  SOURCE_TABLE:",
         "7:16: 'SOURCE_TABLE' should be text, not empty"),
        ("  SOURCE_TABLE: demo.playback", "  SOURCE_TABLE: demo.playback\n  source: x",
         "8:3: 'source' can't name a parameter: those are upper case"),
        ("jobs:\n", "dag: [ddl -> wpa]\njobs:\n", "9:14: unknown step 'wpa'; did you mean 'wap'?"),
        ("jobs:\n", "dag: [ddl -> write]\njobs:\n", "9:14: unknown step 'write'; it is part of 'wap': name that"),
        ("jobs:\n", "dag: [ddl]\njobs:\n", "9:7: 'ddl' is not an edge; write 'first -> second'"),
        ("jobs:\n", "dag: [ddl -> wap -> hwm, hwm -> ddl]\njobs:\n", "9:26: cycle: ddl -> wap -> hwm -> ddl"),
        ("jobs:\n", "triger:\n  cron: x\njobs:\n", "9:1: unknown key 'triger'; did you mean 'trigger'?"),
    ],
)  # fmt: skip
def test_a_mistake_in_main(edit: Edit, mistakes: Mistakes, load: object, old: str, new: str, said: str | None) -> None:
    edit("main.sch.yaml", old, new)
    if said is None:
        assert callable(load)
        assert load().params["SOURCE_TABLE"] == "alice_sandbox.alice_titles_results"
    else:
        assert mistakes() == [f"main.sch.yaml:{said}"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("0 3 * * *", "0 3 * *",
         "5:9: a schedule has five fields (minute, hour, day, month, day of week), not 4: '0 3 * *'"),
        ("0 3 * * *", "0 25 * * *", "5:9: '25' is not a valid hour: 0 to 23, *, a-b, or */n"),
        ("0 3 * * *", "0 3 31 2 *", "5:9: the schedule '0 3 31 2 *' never comes: no month of it has such a day"),
        ("0 3 * * *", "0 3 31 feb,apr,6 *",
         "5:9: the schedule '0 3 31 feb,apr,6 *' never comes: no month of it has such a day"),
        ("0 3 * * *", "0 3 30-31/1 2 *",
         "5:9: the schedule '0 3 30-31/1 2 *' never comes: no month of it has such a day"),
        ("0 3 * * *", "0 3 * * frisday", "5:9: 'frisday' is not a valid day of week: 0 to 7, *, a-b, or */n"),
        ("timezone: UTC", "timezone: UTCC", "6:13: unknown time zone 'UTCC'; did you mean 'UTC'?"),
        ("[owner]", "[owner, bob]",
         "8:23: 'bob' is neither an e-mail address nor an owner in dataflow.yaml; valid here: owner"),
        ("LOOKBACK_DAYS: 3", "LOOKBACK_DAYS: 0", "15:15: 'last' should be at least 1, not '0' (${LOOKBACK_DAYS})"),
        ("LOOKBACK_DAYS: 3", "LOOKBACK_DAYS: three",
         "15:15: 'last' should be a whole number, not 'three' (${LOOKBACK_DAYS})"),
        ("last: ${LOOKBACK_DAYS}", "from: 2026-02-30\n        to: 2026-03-01",
         "15:15: 'from' should be a date that exists, not '2026-02-30'"),
        ("last: ${LOOKBACK_DAYS}", "from: 20260130\n        to: 2026-03-01",
         "15:15: 'from' should be a date such as 2026-01-31, not 20260130"),
        ("last: ${LOOKBACK_DAYS}", "from: 2026-03-02\n        to: 2026-03-01",
         "14:7: 'dates': 'to' (2026-03-01) lies before 'from' (2026-03-02)"),
        ("last: ${LOOKBACK_DAYS}", "from: 1800-01-01\n        to: 2026-03-01", "14:7: 'dates': more than 10,000 days"),
        ("last: ${LOOKBACK_DAYS}", "from: 2026-03-01", "14:7: missing key 'to'"),
        ("parallel: 2", "paralell: 2", "16:7: unknown key 'paralell'; did you mean 'parallel'?"),
        ("file: ./main.sch.yaml", "file: ./man.sch.yaml",
         "21:17: there is no file 'man.sch.yaml'; did you mean 'main.sch.yaml'?"),
        ("file: ./main.sch.yaml", "file: ./daily.sch.yaml",
         "21:17: a workflow can't be part of itself: daily.sch.yaml -> daily.sch.yaml"),
        ("            EXECUTION_DATE:", "            EXECUTOIN_DATE:",
         "23:13: main.sch.yaml neither declares nor uses a parameter 'EXECUTOIN_DATE'; "
         "did you mean 'EXECUTION_DATE'?"),
        ("timeout: 2h", "timeout: 2 hours",
         "25:18: 'timeout' should be a number and a unit, such as 30s, 10m, 2h or 1d, not '2 hours'"),
    ],
)  # fmt: skip
def test_a_mistake_in_daily(edit: Edit, mistakes: Mistakes, old: str, new: str, said: str) -> None:
    edit("daily.sch.yaml", old, new)
    assert mistakes("daily.sch.yaml") == [f"daily.sch.yaml:{said}"]


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ("type: Notification\nnotification:\n  subject: x", "8:5: 'notification': needs 'to', 'webhook' or both"),
        ("type: Notification\nnotification:\n  subject: x\n  to: [bob]",
         "10:12: 'bob' is neither an e-mail address nor an owner in dataflow.yaml; valid here: owner"),
        ("type: Audit\naudit:\n  table: t\n  audits:\n    - function: row_count_should_be_between",
         "11:11: item 1 of 'audits': needs 'min', 'max' or both"),
        ("type: Audit\naudit:\n  table: t\n"
         "  audits:\n    - function: row_count_should_be_between\n      min: 3\n      max: 1",
         "11:11: item 1 of 'audits': 'min' (3) lies above 'max' (1)"),
        ("type: Audit\naudit:\n  table: t\n"
         "  audits:\n    - function: values_should_be_in\n      column: x\n      values: [[1]]",
         "13:20: item 1 of 'values' should be a single value, not a list"),
        ("type: Audit\naudit:\n  table: t\n  audits:\n    - function: sql_should_return_no_rows",
         "11:11: item 1 of 'audits': needs either 'sql' or 'script'"),
        ("type: Audit\naudit:\n  table: t\n  audits:\n    - function: python_should_pass\n      script: ./ddl.sql",
         "12:19: a script here ends in .py, not '.sql'"),
        ("type: Audit\naudit:\n  table: t\n  audits:\n    - columns: [a]", "11:11: missing key 'function'"),
        ("type: Spark\nspark:", "8:11: 'spark' should be a mapping, lines of the form 'key: value', not empty"),
        ("type: Spark\nspark: ./ddl.sql",
         "8:12: 'spark' should be a mapping, lines of the form 'key: value', not './ddl.sql'"),
        ("type: Metadata\nmetadata:\n  table: t\n  owner: o\n  lifetime_days: 0",
         "11:22: 'lifetime_days' should be at least 1, not 0"),
        ("type: 3",
         "7:11: unknown job type '3'; valid here: Audit, HWM, Maintenance, Metadata, Notification, Spark, Subworkflow"),
        ("type: HWM\nhwm:\n  ${X}: t\n  table: t\n  datetime: 2026-01-01",
         "9:7: a parameter can't stand in a key"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_job(mistakes: Mistakes, definition: Callable[..., None], job: str, said: str) -> None:
    definition(f"  - job:\n      id: a\n{indent(job, '      ')}\n")
    assert "\n".join(mistakes()) == f"main.sch.yaml:{said}"


def test_a_mistake_in_a_script_is_told_at_its_line_there(edit: Edit, mistakes: Mistakes) -> None:
    edit("write.sql", "FROM ${SOURCE_TABLE}", "FROM ${SUORCE_TABLE}")
    assert mistakes() == ["write.sql:3:22: undefined parameter 'SUORCE_TABLE'; did you mean 'SOURCE_TABLE'?"]
    assert mistakes("daily.sch.yaml") == mistakes(), "once, however many dates run it"


def test_a_mistake_in_an_audits_script_is_told_there(edit: Edit, mistakes: Mistakes, package: Path) -> None:
    (package / "audit.sql").write_text("SELECT *\nFROM ${AUDITTED}\n")
    audit = "      audits:\n        - function: sql_should_return_no_rows\n          script: ./audit.sql\n"
    edit("main.sch.yaml", "      audits:\n", audit)
    assert mistakes() == ["audit.sql:2:6: undefined parameter 'AUDITTED'; did you mean 'AUDITED'?"]


def test_what_comes_from_an_undefined_parameter_is_told_once(edit: Edit, mistakes: Mistakes) -> None:
    edit("main.sch.yaml", "  EXECUTION_DATE: ${dataflow.yesterday}", "  EXECUTION_DATE: ${EXECUTION}")
    (one,) = mistakes()
    assert one == "main.sch.yaml:6:19: undefined parameter 'EXECUTION'; did you mean 'EXECUTION_DATE'?"


def test_mistakes_in_several_files_are_told_together_in_order(edit: Edit, mistakes: Mistakes, package: Path) -> None:
    edit("daily.sch.yaml", "parallel: 2", "parallel: two\n      paralel: 2")
    edit("daily.sch.yaml", "timezone: UTC", "timezone: Mars")
    edit("main.sch.yaml", "type: wap", "type: wpa")
    edit("main.sch.yaml", "id: hwm", "id: ddl")
    edit("write.sql", "${SOURCE_TABLE}", "${SOURCE}")
    (package / "identity.yaml").write_text("owner: alice\npackage: x\nuuid: 1\n")
    assert mistakes("daily.sch.yaml") == [
        "daily.sch.yaml:6:13: unknown time zone 'Mars'; write it as Europe/Berlin or UTC",
        "daily.sch.yaml:16:17: 'parallel' should be a whole number, not 'two'",
        "daily.sch.yaml:17:7: unknown key 'paralel'; did you mean 'parallel'?",
        "identity.yaml:2:1: unknown key 'package'; did you mean 'package_id'?",
        "main.sch.yaml:17:13: unknown template type 'wpa'; did you mean 'wap'?",
        "main.sch.yaml:31:11: duplicate id 'ddl'; it stands on line 11 already",
        "write.sql:3:22: undefined parameter 'SOURCE'; did you mean 'SOURCE_TABLE'?",
    ]


def test_a_contained_file_that_is_no_yaml_is_told_once(mistakes: Mistakes, package: Path) -> None:
    (package / "main.sch.yaml").write_text("a: 1\na: 2\n")
    assert mistakes("daily.sch.yaml") == ["main.sch.yaml:2:1: duplicate key 'a'; it stands on line 1 already"]


def test_a_file_that_is_not_there_names_the_nearest(mistakes: Mistakes) -> None:
    assert mistakes("mian.sch.yaml") == [
        "mian.sch.yaml:1:1: there is no file 'mian.sch.yaml'; did you mean 'main.sch.yaml'?"
    ]


def test_a_mistyped_param_is_told_beside_what_it_left_undefined(edit: Edit, mistakes: Mistakes) -> None:
    edit("main.sch.yaml", "  SOURCE_TABLE: demo.playback\n", "")
    assert mistakes(request=Request(params={"SOURCE_TABEL": "x"})) == [
        "--param: main.sch.yaml neither declares nor uses a parameter 'SOURCE_TABEL'; did you mean 'SOURCE_TABLE'?",
        "write.sql:3:22: undefined parameter 'SOURCE_TABLE'; did you mean 'SOURCE_TABEL'?",
    ]


def test_a_param_can_not_set_what_goes_through_the_dates(mistakes: Mistakes) -> None:
    assert mistakes("daily.sch.yaml", Request(params={"EXECUTION_DATE": "2026-01-31"})) == [
        "daily.sch.yaml:23:29: 'EXECUTION_DATE' is each date in turn here: choose the dates, not --param EXECUTION_DATE"
    ]


def test_a_bad_date_on_the_command_line_is_told_as_such(mistakes: Mistakes) -> None:
    assert mistakes(request=Request(params={"EXECUTION_DATE": "yesterday"})) == [
        "--param EXECUTION_DATE: EXECUTION_DATE should be a date such as 2026-01-31, not 'yesterday'"
    ]
