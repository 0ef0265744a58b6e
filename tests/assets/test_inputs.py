from __future__ import annotations

import os

import pytest

from dataflow.assets.discover import discover
from dataflow.assets.inputs import Toolchain, read_inputs
from dataflow.errors import DataflowError
from tests.support.repositories import commit
from tests.support.trees import WHEEL, package, write

FILES = {
    "etl/pyproject.toml": WHEEL % ("etl", "etl"),
    "etl/src/etl/__init__.py": "A = 1\n",
    "etl/tests/test_etl.py": "",
    "etl/dist/old.whl": "",
    "etl/.cache/x": "",
}


@pytest.fixture
def wheel(tmp_path):
    write(tmp_path, **FILES)
    return tmp_path


def hash_of(folder):
    (asset,) = discover(folder).assets
    return read_inputs(asset).sha256


def test_a_wheel_is_made_of_its_sources_and_not_of_tests_and_what_tools_wrote(wheel):
    (asset,) = discover(wheel).assets
    assert read_inputs(asset).files == ("pyproject.toml", "src/etl/__init__.py")
    before = hash_of(wheel)
    write(wheel, **{"etl/tests/test_etl.py": "changed", "etl/dist/new.whl": "", "etl/build/lib/a.py": ""})
    assert hash_of(wheel) == before


@pytest.mark.parametrize(
    "change", [{"etl/src/etl/__init__.py": "A = 2\n"}, {"etl/pyproject.toml": WHEEL % ("b", "etl")}, {"etl/src/b": ""}]
)
def test_a_change_of_a_source_or_a_build_file_makes_something_else(wheel, change):
    before = hash_of(wheel)
    write(wheel, **change)
    assert hash_of(wheel) != before


def test_a_change_that_keeps_size_and_time_is_seen(wheel):
    file = wheel / "etl/src/etl/__init__.py"
    before, times = hash_of(wheel), (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    file.write_text("A = 2\n")
    os.utime(file, ns=times)
    assert hash_of(wheel) != before


def test_the_tools_are_among_the_inputs(wheel, monkeypatch):
    before = hash_of(wheel)
    monkeypatch.setattr(Toolchain, "of", lambda *_: {"python": "3.14"})
    assert hash_of(wheel) != before


def test_a_copy_elsewhere_is_the_same(wheel, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    write(other, **FILES)
    assert hash_of(other) == hash_of(wheel)


def test_a_script_is_its_content_whatever_it_is_called(tmp_path):
    package(tmp_path / "titles")
    write(tmp_path, **{"titles/src/copy.sql": (tmp_path / "titles/src/write.sql").read_text()})
    found = {it.namespace: read_inputs(it).sha256 for it in discover(tmp_path).assets}
    assert found["titles/src/copy"] == found["titles/src/write"] != found["titles/ddl/results"]


def test_just_what_was_hashed_is_copied(wheel, tmp_path):
    (asset,) = discover(wheel).assets
    read_inputs(asset).copy_to(tmp_path / "copy")
    copied = sorted(it.relative_to(tmp_path / "copy").as_posix() for it in (tmp_path / "copy").rglob("*.*"))
    assert copied == ["pyproject.toml", "src/etl/__init__.py"]


def test_a_file_that_can_t_be_read_is_named(tmp_path):
    package(tmp_path / "titles")
    found = next(it for it in discover(tmp_path).assets if it.namespace == "titles/src/write")
    found.path.unlink()
    with pytest.raises(DataflowError, match=r"can't read .*write\.sql: No such file"):
        read_inputs(found)


@pytest.mark.parametrize(
    "name", ["src/etl/target/a.py", "src/etl/build/__init__.py", "src/etl/.data/a.json", "dist/b.py"]
)
def test_a_source_that_git_has_is_an_input_whatever_it_is_called(wheel, name):
    write(wheel, **{f"etl/{name}": "A = 1\n", ".gitignore": "etl/dist/*.whl\n"})
    commit(wheel)
    (asset,) = [it for it in discover(wheel).assets if it.type == "wheel"]
    assert name in read_inputs(asset).files
    before = read_inputs(asset).sha256
    write(wheel, **{f"etl/{name}": "A = 2\n"})
    assert read_inputs(asset).sha256 != before


def test_a_folder_of_tests_that_the_build_packs_is_an_input(wheel):
    (asset,) = discover(wheel).assets
    assert "tests/test_etl.py" not in read_inputs(asset).files
    write(wheel, **{"etl/pyproject.toml": (WHEEL % ("etl", "etl")).replace('["src/etl"]', '["src/etl", "tests"]')})
    assert "tests/test_etl.py" in read_inputs(asset).files


def test_data_in_a_hidden_folder_is_an_input_outside_git_and_what_tools_hide_is_none(wheel):
    tools = {"etl/.venv/pyvenv.cfg": "", "etl/.mypy_cache/.gitignore": "*\n", "etl/.mypy_cache/a.json": ""}
    write(wheel, **{"etl/src/etl/.data/countries.csv": "a\n", "etl/src/etl/.tox/x": "", **tools})
    (asset,) = discover(wheel).assets
    assert read_inputs(asset).files == ("pyproject.toml", "src/etl/__init__.py", "src/etl/.data/countries.csv")
