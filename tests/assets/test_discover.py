from __future__ import annotations

import pytest

from dataflow.assets.discover import discover
from dataflow.errors import UsageError
from tests.support.repositories import git
from tests.support.trees import GRADLE, POM, WHEEL, package, write

PROJECT = WHEEL % ("a", "a")


def names(root, name=None):
    return [(it.builder, it.type, it.namespace) for it in discover(root, name).assets]


def test_each_kind_of_asset_is_found_by_its_build_file(tmp_path):
    write(
        tmp_path,
        **{
            "etl/hello_world/pyproject.toml": PROJECT,
            "old/setup.py": "",
            "both/setup.py": "",
            "both/pyproject.toml": PROJECT,
            "g/build.gradle": GRADLE,
            "k/build.gradle.kts": "",
            "s/build.sbt": "",
            "m/pom.xml": POM % ("m", ""),
        },
    )
    assert names(tmp_path) == [
        ("gradle", "jar", "g"),
        ("gradle", "jar", "k"),
        ("maven", "jar", "m"),
        ("sbt", "jar", "s"),
        ("python", "wheel", "both"),
        ("python", "wheel", "hello_world"),
        ("python", "wheel", "old"),
    ]
    assert discover(tmp_path).asset(tmp_path / "both").path.name == "pyproject.toml"


def test_settings_of_tools_alone_build_nothing(tmp_path):
    write(tmp_path, **{"pyproject.toml": "[tool.ruff]\nline-length = 120\n"})
    assert names(tmp_path) == []


def test_a_workflow_package_s_scripts_are_assets_and_its_tests_are_not(tmp_path):
    package(tmp_path / "titles")
    write(
        tmp_path / "titles",
        **{"src/rank.R": "", "src/common.py": "", "tests/testthat/test-a.R": "", "src/conftest.py": ""},
    )
    assert names(tmp_path) == [
        ("raw", "py", "titles/src/common"),
        ("raw", "r", "titles/src/rank"),
        ("raw", "sql", "titles/ddl/results"),
        ("raw", "sql", "titles/src/write"),
    ]
    assert [it.name for it in discover(tmp_path).workflows] == ["daily.sch.yaml", "main.sch.yaml"]


def test_sources_of_a_wheel_or_a_jar_are_no_scripts(tmp_path):
    package(tmp_path / "titles")
    write(
        tmp_path / "titles",
        **{
            "lib/pyproject.toml": PROJECT,
            "lib/src/a/__init__.py": "",
            "lib/query.sql": "SELECT 1",
            "jar/build.sbt": "",
            "jar/src/test/resources/rows.sql": "",
        },
    )
    raw = [it.namespace for it in discover(tmp_path).assets if it.builder == "raw"]
    assert raw == ["titles/ddl/results", "titles/lib/query", "titles/src/write"]


def test_a_wheel_of_the_whole_repository_leaves_the_packages_their_scripts(tmp_path):
    package(tmp_path / "titles")
    write(tmp_path, **{"pyproject.toml": PROJECT, "tools/a.py": "", "titles/src/common.py": ""})
    assert ("raw", "py", "titles/src/common") in names(tmp_path)
    assert [it for it in names(tmp_path) if it[1] == "py"] == [("raw", "py", "titles/src/common")]


@pytest.mark.parametrize(
    ("folder", "beside"),
    [
        (".git", "a"),
        (".venv", "a"),
        ("target", "pom.xml"),
        ("target", "build.sbt"),
        ("project/target", "build.sbt"),
        ("build", "setup.py"),
        ("build", "build.gradle"),
        ("dist", "pyproject.toml"),
        ("renv", "renv.lock"),
        ("node_modules", "a"),
        ("a.egg-info", "a"),
    ],
)
def test_what_the_build_beside_it_wrote_is_not_looked_at(tmp_path, folder, beside):
    write(tmp_path, **{f"{folder}/deep/pyproject.toml": PROJECT, f"{folder}/main.sch.yaml": "", beside: ""})
    assert not [it for it in discover(tmp_path).assets if it.namespace == "deep"]
    assert discover(tmp_path).workflows == ()


@pytest.mark.parametrize("folder", ["target", "build", "dist", "renv", "packrat", "venv"])
def test_a_folder_that_no_build_wrote_holds_sources_whatever_it_is_called(tmp_path, folder):
    write(tmp_path, **{f"{folder}/deep/pyproject.toml": PROJECT, f"{folder}/main.sch.yaml": ""})
    found = discover(tmp_path)
    assert [it.namespace for it in found.assets] == ["deep"]
    assert [it.parent.name for it in found.workflows] == [folder]


def test_what_git_ignores_or_lies_in_one_s_home_is_not_looked_at(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    package(tmp_path / "titles")
    package(tmp_path / "home" / "deployed" / "copy")
    package(tmp_path / "scratch" / "copy")
    assert [it.parent.name for it in discover(tmp_path).workflows] == ["copy", "copy", "titles", "titles"]
    write(tmp_path, **{".gitignore": "scratch/\n"})
    git(tmp_path, "init", "--quiet")
    assert [it.parent.name for it in discover(tmp_path).workflows] == ["titles", "titles"]


def test_two_of_one_name_are_called_by_their_paths(tmp_path):
    write(tmp_path, **{"a/etl/build.sbt": "", "b/etl/build.sbt": "", "etl/pyproject.toml": PROJECT})
    assert names(tmp_path) == [("sbt", "jar", "a/etl"), ("sbt", "jar", "b/etl"), ("python", "wheel", "etl")]


def test_an_asset_at_the_top_is_called_as_the_repository(tmp_path):
    package(tmp_path)
    write(tmp_path, **{"build.sbt": ""})
    assert ("sbt", "jar", "stranger-data") in names(tmp_path, "stranger-data")
    assert ("raw", "sql", "stranger-data/src/write") in names(tmp_path, "stranger-data")


def test_parts_of_a_build_are_told_from_builds_of_their_own(tmp_path):
    write(
        tmp_path,
        **{
            "g/settings.gradle": "include 'core', 'app'",
            "g/build.gradle": GRADLE,
            "g/core/build.gradle": GRADLE,
            "g/app/build.gradle": GRADLE,
            "m/pom.xml": POM % ("m", "<packaging>pom</packaging><modules><module>part</module></modules>"),
            "m/part/pom.xml": POM % ("part", ""),
            "s/build.sbt": "",
            "s/core/build.sbt": "",
            "s/project/plugins.sbt": "",
        },
    )
    found = {it.namespace: it.root.relative_to(tmp_path).as_posix() for it in discover(tmp_path).assets}
    assert found == {"core": "g", "app": "g", "part": "m", "s": "s"}


def test_a_script_leads_to_its_asset(tmp_path):
    package(tmp_path / "titles")
    write(tmp_path, **{"jar/build.sbt": "", "shared/query.sql": "SELECT 1", "notes.txt": ""})
    found = discover(tmp_path, "data")
    assert found.asset(tmp_path / "titles/src/../src/write.sql").namespace == "titles/src/write"
    assert found.asset(tmp_path / "jar").namespace == "jar"
    assert found.asset(tmp_path / "jar/target/scala-2.13/a.jar").namespace == "jar"
    assert found.asset(tmp_path / "shared/query.sql").namespace == "data/shared/query"
    assert found.asset(tmp_path / "titles/src/test_write.py").type == "py"
    assert found.asset(tmp_path / "notes.txt") is None
    assert found.asset(tmp_path / "nowhere.sql") is None


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match="nowhere is not a folder"):
        discover(tmp_path / "nowhere")
