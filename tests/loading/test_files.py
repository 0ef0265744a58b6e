from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.loading import json_file
from dataflow.loading.chunks import BadRows
from dataflow.loading.csv_file import CsvFile
from dataflow.loading.json_file import JsonFile


def rows_of(reader):
    bad = BadRows()
    found = [
        (line, {name: values[at] for name, values in chunk.columns.items()})
        for chunk in reader.chunks(bad)
        for at, line in enumerate(chunk.lines)
    ]
    return found, bad.shown


@pytest.mark.parametrize(("delimiter", "name"), [(",", "a"), (";", "b"), ("\t", "c"), ("|", "d")])
def test_a_delimiter_is_seen_in_the_first_rows(tmp_path, delimiter, name):
    path = tmp_path / "a.csv"
    path.write_text(f'{name}{delimiter}text\n1{delimiter}"x,y;z|w\tv"\n2{delimiter}x\n')
    assert CsvFile(path).delimiter == delimiter
    assert rows_of(CsvFile(path))[0][0] == (2, {name: "1", "text": "x,y;z|w\tv"})


def test_commas_in_a_text_do_not_make_a_file_of_one_column_two(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("note\na, b\nc\n")
    assert CsvFile(path).names == ["note"]
    assert rows_of(CsvFile(path))[1] == [f"{path}:2: 2 fields, and the header names 1"]


def test_a_row_is_named_by_the_line_that_it_begins_on_whatever_its_line_ends(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress('\ufeffa,b\r\n1,"x\r\ny"\r\n\r\n2,"z\n\n"\r\n3\r\n4,\r\n'.encode()))
    found, bad = rows_of(CsvFile(path))
    assert found == [(2, {"a": "1", "b": "x\r\ny"}), (5, {"a": "2", "b": "z\n\n"}), (9, {"a": "4", "b": None})]
    assert bad == [f"{path}:8: 1 field, and the header names 2"]


def test_a_quote_that_is_never_closed_is_a_bad_row(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('a,b\n1,2\n3,"4\n5,6\n')
    found, bad = rows_of(CsvFile(path))
    assert found == [(2, {"a": "1", "b": "2"})]
    assert bad == [f"{path}:3: the quotes of this row are not right (unexpected end of data)"]


@settings(deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from("abc"),
            st.text('a{["\\,]}\n\té', max_size=5) | st.integers() | st.lists(st.booleans()),
            min_size=1,
        )
    ),
    st.sampled_from([None, 0, 2]),
)
def test_an_array_that_is_read_piece_by_piece_has_the_rows_and_lines_that_it_is_written_with(objects, indent):

    def plain(value):
        return {key: str(it) if isinstance(it, int) else it for key, it in value.items()}

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_file, "_READ", 3)
        path = Path(folder) / "a.json"
        text = json.dumps(objects, indent=indent)
        path.write_text(text)
        found, bad = rows_of(JsonFile(path))
    assert bad == []
    assert [{key: value for key, value in row.items() if value is not None} for _, row in found] == [
        plain(it) for it in objects
    ]
    if indent is not None:
        starts = [number for number, line in enumerate(text.splitlines(), 1) if line.strip() == "{"]
        assert [line for line, _ in found] == starts
