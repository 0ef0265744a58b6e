"""Reading YAML with positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dataflow.errors import DefinitionError
from dataflow.workflow.yamlfile import read_yaml

if TYPE_CHECKING:
    from pathlib import Path


def read(folder: Path, text: str | bytes) -> Any:
    path = folder / "x.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_yaml(path)


def complaint(folder: Path, text: str | bytes) -> str:
    with pytest.raises(DefinitionError) as error:
        read(folder, text)
    return str(error.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1", 1),
        ("-7", -7),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("true", True),
        ("null", None),
        ("", None),
        ("NO", "NO"),
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("2026-01-31", "2026-01-31"),
        ("007", "007"),
        ("0x1F", "0x1F"),
        ("9" * 5000, "9" * 5000),
        ("'1'", "1"),
        ('"true"', "true"),
    ],
)
def test_only_the_core_types_are_converted(package: Path, written: str, meant: object) -> None:
    found = read(package, f"key: {written}\n")
    assert found.data == {"key": meant}
    assert type(found.data["key"]) is type(meant)
    assert found.texts["key",] == written.strip("'\"")


def test_every_key_and_value_has_a_place(package: Path) -> None:
    found = read(package, 'a:\n  b: [x, "ü ${Y}"]\n')
    assert (found.keys["a", "b"].line, found.keys["a", "b"].column) == (2, 3)
    second = found.values["a", "b", 1]
    assert (second.line, second.column, second.written) == (2, 10, '"ü ${Y}"')
    assert second.inside(3).column == 13


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a:\n\tb: 1\n", "x.yaml:2:1: not YAML: a tab can't indent; use spaces"),
        ("a: 1\nb: 2\na: 3\n", "x.yaml:3:1: duplicate key 'a'; it stands on line 1 already"),
        ("a: {script: ${X}}\n", 'x.yaml:1:14: not YAML: a ${...} inside { } or [ ] must stand in quotes: "${...}"'),
        ("a: b: c\n", "x.yaml:1:5: not YAML: a ': ' inside a value; put the value in quotes"),
        ("cron: * * * * *\n", "x.yaml:1:8: not YAML: a value can't begin with *; put it in quotes"),
        ("a: @x\n", "x.yaml:1:4: not YAML: a value can't begin with @; put it in quotes"),
        ("a: 1\nb: 'x\nc: 2\n", "x.yaml:2:4: not YAML: this quote never closes"),
        (
            "a:\n  b: 1\n c: 2\n",
            "x.yaml:3:2: not YAML: this line doesn't fit the lines above it; check its indentation",
        ),
        ("a: 1\n---\nb: 2\n", "x.yaml:2:1: not YAML: a second document begins here; a file holds one"),
        ("- a\n", "x.yaml:1:1: expected a mapping: lines of the form 'key: value'"),
        ("", "x.yaml:1:1: expected a mapping: lines of the form 'key: value'"),
        ("a: &x [*x]\n", "x.yaml:1:4: an anchor holds itself"),
        ("a: !secret x\n", "x.yaml:1:4: tags such as '!secret' mean nothing here"),
        ("a: \x01\n", "x.yaml:1:4: not YAML: control characters are not allowed"),
        (b"a: 1\nb: \xff\n", "x.yaml:2:4: this character is not UTF-8; save the file in UTF-8"),
        ("a: " + "[" * 500, "x.yaml:1:63: nested more than 60 deep"),
    ],
)
def test_a_file_that_is_no_mapping_is_one_message(package: Path, text: str | bytes, said: str) -> None:
    assert complaint(package, text) == said


def test_a_file_of_brackets_alone_does_not_end_the_process(package: Path) -> None:
    assert complaint(package, "a: " + "[" * 100_000).endswith("nested more than 60 deep")


def test_aliases_of_aliases_are_refused_before_they_fill_the_memory(package: Path) -> None:
    bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
    assert complaint(package, bomb).endswith("too large: more than 50,000 values")


def test_a_missing_file_names_the_nearest(package: Path) -> None:
    with pytest.raises(DefinitionError) as error:
        read_yaml(package / "mian.sch.yaml")
    assert str(error.value) == "mian.sch.yaml:1:1: there is no file 'mian.sch.yaml'; did you mean 'main.sch.yaml'?"


def test_a_folder_is_no_file(package: Path) -> None:
    (package / "sub.yaml").mkdir()
    with pytest.raises(DefinitionError, match=r"'sub\.yaml' is a folder, not a file"):
        read_yaml(package / "sub.yaml")


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)
DATA = st.dictionaries(
    WORDS, st.recursive(WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3))
)


@pytest.mark.slow
@given(DATA)
def test_texts_come_back_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("yaml") / "x.yaml"
    path.write_text(yaml.safe_dump(data, allow_unicode=True, default_style="'"), encoding="utf-8")
    assert read_yaml(path).data == data


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_any_file_is_read_or_refused_with_a_place(
    tmp_path_factory: pytest.TempPathFactory, content: str | bytes
) -> None:
    path = tmp_path_factory.mktemp("yaml") / "x.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    problems = ()
    try:
        read_yaml(path)
    except DefinitionError as error:
        problems = error.problems
    assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)
