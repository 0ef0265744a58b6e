"""Tests that are data alone: a `*.test.yaml` file says what is given, what runs, and which rows to expect.

```yaml
script: write.sql                      # beside this file
params:
  EXECUTION_DATE: 2026-01-31
given:
  SOURCE_TABLE: mocks/playback.yaml    # a mock, or the same keys right here
  TARGET_TABLE: ../ddl/results.sql     # an empty table, made by its DDL
tests:
  the top titles of a day:
    expect:
      TARGET_TABLE: mocks/results.yaml # what the script wrote
  equal hours share a rank:
    given:
      viewing: mocks/viewing.yaml      # in place of a CTE
    expect:
      ranked: mocks/ranked.yaml        # the rows of a CTE: nothing is written
```
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dataflow.errors import DefinitionError, Problem, did_you_mean
from dataflow.mocks import Mock, load_mock, read_mock
from dataflow.testing.ctes import has_cte
from dataflow.testing.data_tests.file import Case, ExpectedRows, GivenRows, TestFile
from dataflow.testing.row_matching import Tolerance
from dataflow.workflow.parameters import PARAMETER_NAME, PREFIX, sql_placeholders
from dataflow.workflow.validation import ValidationProblems, validated
from dataflow.workflow.yamlfile import SourceLocation, YamlFile, YamlPath, is_file, read_text, read_yaml, unreadable

SUFFIX = ".test.yaml"


@dataclass(frozen=True)
class GivenTable:
    """A table that a test gives: a mock file, DDL, or rows in the test itself.

    Attributes:
        place: Where the test names them.
        mock: The mock file, or None.
        ddl: What makes the table that they are in, or None.
        inline: The part of the test that holds them, or None.
    """

    place: SourceLocation
    mock: Path | None = None
    ddl: Path | None = None
    inline: YamlFile | None = None

    def read(self, types: Mapping[str, str] | None = None) -> Mock | None:
        """Return the rows, or None when there are none.

        Args:
            types: The columns' Spark types, for rows that stand without any.

        Raises:
            DefinitionError: All that is wrong with them, with line and column.
        """
        if self.mock is not None:
            return load_mock(self.mock)
        if self.inline is None or "rows" not in self.inline.data:
            return None
        return read_mock(_typed(self.inline, types or {}), any_case=True)


@dataclass(frozen=True)
class ExpectedTable(GivenTable):
    """A table that a test expects.

    Attributes:
        columns: The only columns to be compared; None for all.
        key: Columns that identify a row.
        tolerance: By how much two floating point values may differ.
    """

    columns: tuple[str, ...] | None = None
    key: tuple[str, ...] = ()
    tolerance: Tolerance = field(default_factory=Tolerance)


@dataclass(frozen=True)
class DataTest:
    """One test, ready to run.

    Attributes:
        name: Its name.
        place: Its position in the file.
        script: What it runs.
        params: The script's parameters, without the names of what is given.
        given: Tables by parameter, own name or CTE.
        expect: Rows by the key of what is given, or by CTE.
        steps: Those of the keys that name CTEs.
        now: The time of the frozen clock; None where the clock runs.
        seed: The seed of random functions; None for a random one.
    """

    name: str
    place: SourceLocation
    script: Path
    params: Mapping[str, str]
    given: Mapping[str, GivenTable]
    expect: Mapping[str, ExpectedTable]
    steps: frozenset[str] = frozenset()
    now: str | None = None
    seed: int | None = None


def load_tests(file: Path) -> list[DataTest]:
    """Read the tests of a `*.test.yaml` file.

    Raises:
        DefinitionError: All that is wrong in it, with line and column.
    """
    source = read_yaml(file)
    try:
        model: TestFile = validated(TestFile, source, source.data)
    except ValidationProblems as mistakes:
        raise DefinitionError(mistakes.problems) from None
    loader = _TestLoader(source, model)
    tests = [loader.test(name, case) for name, case in model.tests.items()]
    if loader.problems:
        raise DefinitionError(loader.problems)
    return tests


class _TestLoader:
    """Turns a valid file into tests, and collects contradictions between its parts."""

    def __init__(self, file: YamlFile, model: TestFile) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._folder = file.path.parent
        self._model = model
        self._steps: dict[str, bool] = {}
        self._script = self._path(model.script, ("script",), (".sql", ".py"))
        self._text = read_text(self._script) if self._script.suffix == ".sql" and is_file(self._script) else ""
        self._params = dict(self._named(model.params, ("params",)))
        self._given = dict(self._tables(model.given, ("given",)))

    def test(self, name: str, case: Case) -> DataTest:
        at: YamlPath = ("tests", name)
        params = {**self._params, **dict(self._named(case.params, (*at, "params")))}
        given = {**self._given, **dict(self._tables(case.given, (*at, "given")))}
        expect = {key: self._expected(rows, (*at, "expect", key)) for key, rows in case.expect.items()}
        steps = frozenset(key for key in (*given, *expect) if self._is_step(key))
        test = DataTest(name, self.file.key_place(at), self._script, params, given, expect, steps)
        test = dataclasses.replace(test, now=case.now or self._model.now, seed=self._seed(case))
        self.problems += _contradictions(test, self.file, (*at, "expect"))
        return test

    def _seed(self, case: Case) -> int | None:
        return self._model.seed if case.seed is None else case.seed

    def _is_step(self, key: str) -> bool:
        """Say whether a key names a CTE rather than a table: by the script, else by its spelling."""
        if key not in self._steps:
            is_parameter = any(placeholder.name == key for placeholder in sql_placeholders(self._text))
            in_script = not is_parameter and has_cte(self._text, key)
            self._steps[key] = in_script or not (is_parameter or _looks_like_a_table(key))
        return self._steps[key]

    def _named(self, params: Mapping[str, str], at: YamlPath) -> Iterator[tuple[str, str]]:
        for name, value in params.items():
            if not PARAMETER_NAME.fullmatch(name) and not name.startswith(PREFIX):
                message = f"'{name}' can't name a parameter: those are upper case"
                self.problems.append(self.file.key_place((*at, name)).problem(message))
            yield name, value

    def _tables(self, given: Mapping[str, GivenRows], at: YamlPath) -> Iterator[tuple[str, GivenTable]]:
        for key, rows in given.items():
            route = (*at, key)
            mock = rows.mock and self._path(rows.mock, self._route(route, "mock"), (".yaml", ".yml"))
            ddl = rows.ddl and self._path(rows.ddl, self._route(route, "ddl"), (".sql",))
            inline = self._inline(route, rows.columns) if rows.rows is not None else None
            yield key, GivenTable(self.file.key_place(route), mock or None, ddl or None, inline)

    def _expected(self, rows: ExpectedRows, route: YamlPath) -> ExpectedTable:
        mock = rows.mock and self._path(rows.mock, self._route(route, "mock"), (".yaml", ".yml"))
        return ExpectedTable(
            self.file.key_place(route),
            mock or None,
            inline=self._inline(route, rows.columns) if rows.rows is not None else None,
            columns=tuple(rows.columns) if isinstance(rows.columns, list) else None,
            key=tuple(rows.key),
            tolerance=Tolerance(rows.rtol, rows.atol),
        )

    def _inline(self, route: YamlPath, columns: object) -> YamlFile:
        part = self.file.part(route)
        if isinstance(columns, dict):  # else the types are those of a table that is not there yet
            try:
                read_mock(_typed(part, {}), any_case=True)
            except DefinitionError as error:
                self.problems += error.problems
        return part

    def _route(self, route: YamlPath, key: str) -> YamlPath:
        """Return where a path stands: under its key, or in short right there."""
        return (*route, key) if (*route, key) in self.file.values else route

    def _path(self, name: str, route: YamlPath, suffixes: Sequence[str]) -> Path:
        path = self._folder / name
        if path.suffix not in suffixes:
            message = f"this ends in {' or '.join(suffixes)}, not '{path.suffix}'"
            self.problems.append(self.file.value_place(route).problem(message))
        elif not is_file(path):
            self.problems.append(self.file.value_place(route).problem(unreadable(path)))
        return path


def _contradictions(test: DataTest, file: YamlFile, at: YamlPath) -> Iterator[Problem]:
    """Yield expectations that can't be met."""
    tables = {key for key in test.given if key in test.expect or key not in test.steps}
    for key in test.expect:
        place = file.key_place((*at, key))
        if key in test.given:
            if key not in test.steps and test.given[key].ddl is None and "." not in key:
                yield place.problem(f"nothing can write to {key}, which is given as rows only; add its 'ddl'")
        elif key not in test.steps:
            yield place.problem(f"{key} is not given{did_you_mean(key, tables)}")
        elif test.script.suffix != ".sql":
            names = did_you_mean(key, tables)
            yield place.problem(f"'{key}' is not given, and only a .sql script has CTEs{names}")
    written = [key for key in test.expect if key not in test.steps]
    if written and (replaced := [key for key in test.given if key in test.steps]):
        message = f"{written[0]} is written by the whole script, where nothing stands in for the CTE {replaced[0]}"
        yield file.key_place((*at, written[0])).problem(message)
    if test.script.suffix != ".sql":
        for key in test.given:
            if key in test.steps:
                yield test.given[key].place.problem(f"'{key}' is not a parameter, and only a .sql script has CTEs")


def _looks_like_a_table(key: str) -> bool:
    """Say whether a key is written as a parameter, or as a table's own name."""
    return bool(PARAMETER_NAME.fullmatch(key)) or "." in key


def _typed(part: YamlFile, types: Mapping[str, str]) -> YamlFile:
    """Return inline rows as a mock would hold them: with columns, and nothing but.

    Raises:
        DefinitionError: It names a column that is not there.
    """
    columns = part.data.get("columns")
    data = {"columns": columns, "rows": part.data["rows"]}
    texts = dict(part.texts)
    if not isinstance(columns, dict):
        names = columns if isinstance(columns, list) else list(types)
        known = {name.lower(): type_ for name, type_ in types.items()}
        if types and (unknown := [(i, name) for i, name in enumerate(names) if name.lower() not in known]):
            raise DefinitionError(
                [
                    part.value_place(("columns", i)).problem(f"there is no column '{name}'{did_you_mean(name, types)}")
                    for i, name in unknown
                ]
            )
        data["columns"] = {name: known.get(name.lower(), "") for name in names}
        texts.update({("columns", name): type_ for name, type_ in data["columns"].items()})
    return dataclasses.replace(part, data=data, texts=texts)
