"""Test files of data alone: what they say, and what is said of their mistakes."""

import datetime as dt
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from dataflow.errors import DefinitionError
from dataflow.testing.data_tests.definition import load_tests
from dataflow.testing.row_matching import Tolerance
from dataflow.testing.schema import json_schema
from tests.support.places import ROOT

SQL = "WITH viewing AS (SELECT * FROM ${SOURCE}), ranked AS (SELECT * FROM viewing) SELECT * FROM ranked"
TEXT = """\
script: write.sql
params:
  DAY: 2026-01-31
  TOP: 0100
given:
  SOURCE: mocks/source.yaml
  TARGET: ddl.sql
tests:
  the whole script:
    expect:
      TARGET: mocks/source.yaml
  one step:
    params: {DAY: 2026-02-01}
    given:
      viewing:
        columns: {title_id: int, at: timestamp}
        rows:
          - [1, "2026-01-31 12:00"]
    expect:
      ranked:
        columns: [title_id]
        rows:
          - [1]
        key: title_id
        rtol: 1e-6
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {"write.sql": SQL, "write.py": "", "ddl.sql": "", "mocks/source.yaml": "columns: {a: int}\nrows: []\n"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def problems(folder: Path, text: str) -> list[str]:
    file = folder / "write.test.yaml"
    file.write_text(text)
    with pytest.raises(DefinitionError) as caught:
        load_tests(file)
    return [f"{each.line}:{each.column}: {each.message}" for each in caught.value.problems]


def test_a_tests_own_values_win_over_the_files(folder: Path) -> None:
    (folder / "write.test.yaml").write_text(TEXT)

    whole, step = load_tests(folder / "write.test.yaml")

    assert (whole.name, whole.place.line, whole.script) == ("the whole script", 9, folder / "write.sql")
    assert whole.params == {"DAY": "2026-01-31", "TOP": "0100"}
    assert step.params["DAY"] == "2026-02-01"
    assert list(step.given) == ["SOURCE", "TARGET", "viewing"]
    mock = step.given["viewing"].read()
    assert mock is not None
    assert mock.rows == ((1, dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)),)
    expected = step.expect["ranked"]
    assert (expected.columns, expected.key, expected.tolerance) == (("title_id",), ("title_id",), Tolerance(1e-6))


def test_rows_without_types_take_those_of_the_table_that_they_are_held_to(folder: Path) -> None:
    typed = "columns: [title_id]\n        rows:\n          - [1]"
    text = TEXT.replace(typed, "rows: [{title_id: 1, hours: 2.5}]")
    (folder / "write.test.yaml").write_text(text)

    mock = load_tests(folder / "write.test.yaml")[1].expect["ranked"].read({"title_id": "bigint", "hours": "double"})

    assert mock is not None
    assert [(column.name, str(column.type)) for column in mock.columns] == [("title_id", "bigint"), ("hours", "double")]
    assert mock.rows == ((1, 2.5),)


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("given:\n  SOURCE", "givn:\n  SOURCE", "5:1: unknown key 'givn'; did you mean 'given'?"),
        ("expect:\n      TARGET", "expects:\n      TARGET", "10:5: unknown key 'expects'; did you mean 'expect'?"),
        ("script: write.sql", "script: wrte.sql", "1:9: there is no file "),
        ("script: write.sql", "script: write.R", "1:9: this ends in .sql or .py, not '.R'"),
        ("SOURCE: mocks/source.yaml", "SOURCE: mocks/sorce.yaml", "6:11: there is no file "),
        ("DAY: 2026-01-31", "day: 2026-01-31", "3:3: 'day' can't name a parameter: those are upper case"),
        ("TARGET: mocks", "TARGT: mocks", "11:7: TARGT is not given; did you mean 'TARGET'?"),
        ("TARGET: mocks", "SOURCE: mocks", "11:7: nothing can write to SOURCE, which is given as rows only"),
        ("[1, \"2026-01-31 12:00\"]", "[NO, 12:30]", "18:14: title_id: 'NO' is not an int"),
        ("[1, \"2026-01-31 12:00\"]", "[1, 12:30]", '18:17: at: a timestamp stands in quotes: "12:30"'),
        ("title_id: int", "title_id: itn", "16:29: 'itn' is not a type that a mock can have; did you mean 'int'?"),
        ("        rows:\n          - [1, \"2026-01-31 12:00\"]\n", "", "'viewing': needs 'mock', 'ddl', or both"),
        ("key: title_id", "mock: mocks/source.yaml", "'ranked': needs either 'mock' or 'rows'"),
        ("columns: [title_id]", "columns: title_id", "'columns' should be a mapping of names to Spark types"),
        ("rtol: 1e-6", "rtol: 1", "'rtol' should be less than 1.0, not 1"),
        ("rtol: 1e-6", "atol: -1", "'atol' should be at least 0.0, not -1"),
        ("rtol: 1e-6", "rtol: -1", "'rtol' should be at least 0.0, not -1"),
        ("tests:\n  the whole script:", "tests:\n  one step:", "duplicate key 'one step'"),
        ("TARGET: mocks/source.yaml", "TARGET: mocks/source.yaml\n    given: {viewing: mocks/source.yaml}",
         "11:7: TARGET is written by the whole script, where nothing stands in for the CTE viewing"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_place_and_the_nearest_right_word(
    folder: Path, right: str, wrong: str, message: str
) -> None:
    assert right in TEXT
    assert message in "\n".join(problems(folder, TEXT.replace(right, wrong)))


def test_a_python_script_has_no_ctes(folder: Path) -> None:
    found = problems(folder, TEXT.replace("write.sql", "write.py"))

    assert found == [
        "15:7: 'viewing' is not a parameter, and only a .sql script has CTEs",
        "20:7: 'ranked' is not given, and only a .sql script has CTEs; valid here: SOURCE, TARGET",
    ]


def test_the_json_schema_takes_what_is_right_and_refuses_what_is_not() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)

    right = json.loads(json.dumps(yaml.safe_load(TEXT), default=str))
    right["tests"]["one step"]["expect"]["ranked"]["rtol"] = 1e-6
    assert [*validator.iter_errors(right)] == []
    for wrong in (
        {**right, "tets": {}},
        {key: value for key, value in right.items() if key != "script"},
        {**right, "tests": {}},
        {**right, "given": {"SOURCE": 3}},
    ):
        assert [*validator.iter_errors(wrong)], wrong


def test_the_schema_in_the_repository_is_the_models() -> None:
    file = ROOT / "src/dataflow/schemas/test.schema.json"

    assert json.loads(file.read_text("utf-8")) == json_schema()


def test_a_run_without_spark_tests_loads_neither_spark_nor_pydantic(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_it(): pass\n")
    code = (
        "import pytest, sys; code = pytest.main(['-q', '-p', 'no:cacheprovider', '-p', 'dataflow.testing.plugin']);"
        "heavy = {'pyspark', 'pydantic', 'sqlglot', 'yaml', 'ruamel', 'pyarrow'} & set(sys.modules);"
        "print('heavy:', sorted(heavy)); sys.exit(code or len(heavy))"
    )

    environ = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # other plugins load what they like
    command = [sys.executable, "-c", code]

    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"1 passed", done.stdout)
