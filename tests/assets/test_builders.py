from __future__ import annotations

import hashlib
import shutil
import tomllib
import zipfile

import pytest

from dataflow.assets.builders import build, workspace
from dataflow.assets.builders.jvm import errors
from dataflow.assets.discover import discover
from dataflow.assets.inputs import read_inputs
from dataflow.build.python.lock import renew
from dataflow.errors import DataflowError, UsageError
from dataflow.workflow.pyproject import project_of
from tests.support.repositories import commit
from tests.support.trees import GRADLE, JAVA, MAVEN_JAR, POM, WHEEL, package, write

RANK = "src/main/java/Top.java"


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "work"
    made.mkdir()
    return made


def built(folder, namespace, keep):
    """Build an asset, keep the artifact, and return its file and what else was made."""
    asset = next(it for it in discover(folder).assets if it.namespace == namespace)
    inputs = read_inputs(asset)
    with workspace() as context:
        artifact = build(asset, inputs, context)
        keep.mkdir(parents=True, exist_ok=True)
        return shutil.copy(artifact.path, keep / artifact.path.name), artifact


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wheel(folder, name="etl", needs="iniconfig>=2"):
    text = (WHEEL % (name, name)).replace("iniconfig>=2", needs)
    write(folder / name, **{"pyproject.toml": text, f"src/{name}/__init__.py": "import iniconfig\nRANK = 100\n"})


def test_a_script_is_its_own_artifact(folder, tmp_path):
    package(folder / "titles")
    path, artifact = built(folder, "titles/src/write", tmp_path / "made")
    assert path.read_bytes() == (folder / "titles/src/write.sql").read_bytes()
    assert artifact.lock is None


@pytest.mark.slow
def test_a_wheel_travels_with_a_lock_of_what_it_needs_and_nothing_is_left_beside_it(folder, tmp_path):
    wheel(folder)
    path, artifact = built(folder, "etl", tmp_path / "one")
    assert path.name == "etl-1.0-py3-none-any.whl"
    (locked,) = tomllib.loads(artifact.lock)["packages"]
    assert locked["name"] == "iniconfig"
    assert locked["wheels"][0]["hashes"]["sha256"]
    assert sorted(it.name for it in (folder / "etl").iterdir()) == ["pyproject.toml", "src"]
    again, second = built(folder, "etl", tmp_path / "two")
    assert (digest(again), second.lock) == (digest(path), artifact.lock)


def test_a_lock_that_is_committed_is_the_one_that_travels(folder, tmp_path):
    wheel(folder)
    renew(project_of(folder / "etl"))
    lock = folder / "etl/pylock.toml"
    lock.write_text(lock.read_text() + "note = 'mine'\n")
    _, artifact = built(folder, "etl", tmp_path / "one")
    assert artifact.lock == lock.read_text()


def test_a_project_without_modules_is_its_lock_alone(folder, tmp_path):
    text = '[project]\nname = "etl"\nversion = "1.0"\ndependencies = ["iniconfig>=2"]\n'
    write(folder / "etl", **{"pyproject.toml": text, "ddl/a.sql": "", "src/job.py": "", "mocks/a.yaml": ""})
    path, artifact = built(folder, "etl", tmp_path / "made")
    assert path.name == "pylock.toml"
    assert path.read_text() == artifact.lock
    assert "iniconfig" in artifact.lock


def test_a_wheel_that_can_t_be_built_shows_why(folder, tmp_path):
    wheel(folder)
    broken = (WHEEL % ("etl", "etl")).replace("hatchling.build", "hatchling.nothing")
    write(folder / "etl", **{"pyproject.toml": broken})
    with pytest.raises(DataflowError, match=r"etl/pyproject\.toml could not be built:(.|\n)*hatchling\.nothing"):
        built(folder, "etl", tmp_path / "made")
    wheel(folder, needs="no-such-package-as-this-one>=2")
    with pytest.raises(DataflowError, match=r"needs can't be had:(.|\n)*no-such-package-as-this-one"):
        built(folder, "etl", tmp_path / "made")


@pytest.mark.slow
def test_a_setup_py_makes_a_wheel_too_and_nothing_of_an_older_build_is_in_it(folder, tmp_path):
    setup = "from setuptools import setup\nsetup(name='old', version='1.0', packages=['old'])\n"
    write(
        folder / "old", **{"setup.py": setup, "old/__init__.py": "", "build/lib/old/removed.py": "", "a.egg-info/x": ""}
    )
    path, artifact = built(folder, "old", tmp_path / "made")
    with zipfile.ZipFile(path) as archive:
        assert [it for it in archive.namelist() if "dist-info" not in it] == ["old/__init__.py"]
    assert artifact.lock == ""


@pytest.mark.slow
@pytest.mark.tools("Gradle", "JDK")
def test_gradle_builds_the_same_jar_each_time_with_the_parts_that_it_needs(folder, tmp_path):
    needs = GRADLE + "dependencies { implementation project(':core') }\n"
    write(
        folder / "g",
        **{
            "settings.gradle": "include 'core', 'app'\n",
            "core/build.gradle": GRADLE,
            f"core/{RANK}": JAVA,
            "core/src/test/java/Bad.java": "not Java",
            "app/build.gradle": needs,
            "app/src/main/java/App.java": "public class App { int rank() { return Top.rank(1); } }\n",
        },
    )
    path, _ = built(folder, "app", tmp_path / "one")
    assert path.name == "app.jar"
    with zipfile.ZipFile(path) as archive:
        assert "App.class" in archive.namelist()
    assert sorted(it.name for it in (folder / "g/app").iterdir()) == ["build.gradle", "src"]
    assert digest(built(folder, "app", tmp_path / "two")[0]) == digest(path)


def test_of_a_failed_build_what_is_wrong_is_shown_rather_than_advice():
    gradle = """\
g/core/src/main/java/Top.java:1: error: cannot find symbol
public class Top { public static int rank(int a) { return b; } }
                                                          ^
1 error

FAILURE: Build failed with an exception.

* What went wrong:
Execution failed for task ':core:compileJava'.
> Compilation failed; see the compiler error output for details.

* Try:
Run with --stacktrace option to get the stack trace."""
    assert errors(gradle.splitlines()) == ["g/core/src/main/java/Top.java:1: error: cannot find symbol"]
    assert errors(gradle.splitlines()[4:])[0] == "Execution failed for task ':core:compileJava'."
    assert errors(["nothing that is known"]) == ["nothing that is known"]


def test_a_wrapper_that_the_project_brings_is_used(folder, tmp_path):
    script = "#!/bin/sh\nmkdir -p build/libs\necho made > build/libs/g.jar\necho sources > build/libs/g-sources.jar\n"
    write(folder / "g", **{"build.gradle": GRADLE, "gradlew": script})
    (folder / "g/gradlew").chmod(0o700)
    assert built(folder, "g", tmp_path / "made")[0].read_text() == "made\n"
    write(folder / "g", gradlew=script.replace("g-sources", "h"))
    with pytest.raises(DataflowError, match=r"was built, but made g\.jar, h\.jar in build/libs"):
        built(folder, "g", tmp_path / "made")


def test_without_the_tool_it_is_said_how_to_get_it(folder, tmp_path, monkeypatch):
    write(folder / "m", **{"pom.xml": POM % ("m", "")})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataflowError, match=r"m has no mvnw, and there is no mvn on the PATH") as error:
        built(folder, "m", tmp_path / "made")
    assert "apt-get install maven" in error.value.hint


@pytest.mark.slow
@pytest.mark.tools("Maven", "JDK")
def test_maven_builds_a_jar_with_the_same_bytes_each_time(folder, tmp_path):
    write(folder / "m", **{"pom.xml": POM % ("ranks", MAVEN_JAR), RANK: JAVA})
    path, _ = built(folder, "m", tmp_path / "one")
    assert path.name == "ranks-1.0.jar"
    assert digest(built(folder, "m", tmp_path / "two")[0]) == digest(path)
    write(folder / "m", **{RANK: JAVA.replace("a + 1", "b")})
    with pytest.raises(DataflowError, match=r"m/pom\.xml could not be built:(.|\n)*m/src/.*Top\.java"):
        built(folder, "m", tmp_path / "three")


BACKENDS = {
    "hatchling": ('requires = ["hatchling"]\nbuild-backend = "hatchling.build"', 'version = "1"'),
    "pdm": (
        'requires = ["pdm-backend"]\nbuild-backend = "pdm.backend"',
        'dynamic = ["version"]\n[tool.pdm]\nversion = { source = "scm" }',
    ),
    "setuptools-scm": (
        'requires = ["setuptools", "setuptools_scm>=8"]\nbuild-backend = "setuptools.build_meta"',
        'dynamic = ["version"]\n[tool.setuptools]\npackages = ["etl"]\n[tool.setuptools_scm]',
    ),
    "pbr": ('requires = ["pbr>=6", "setuptools"]\nbuild-backend = "pbr.build"', 'dynamic = ["version"]'),
}


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_whatever_builds_a_wheel_data_in_a_hidden_folder_is_in_it(folder, tmp_path, backend):
    system, project = BACKENDS[backend]
    write(
        folder / "etl",
        **{
            "pyproject.toml": f'[build-system]\n{system}\n[project]\nname = "etl"\n{project}\n',
            "etl/__init__.py": "A = 1\n",
            "etl/.data/a.json": "{}\n",
            "etl/build/__init__.py": "B = 1\n",
        },
    )
    if backend == "pbr":
        write(
            folder / "etl",
            **{
                "setup.cfg": "[metadata]\nname = etl\n[files]\npackages = etl\n",
                "setup.py": "import setuptools\nsetuptools.setup(setup_requires=['pbr'], pbr=True)\n",
            },
        )
    commit(folder)
    path, _ = built(folder, "etl", tmp_path / "one")
    with zipfile.ZipFile(path) as archive:
        assert {"etl/__init__.py", "etl/.data/a.json"} <= set(archive.namelist())
    again, _ = built(folder, "etl", tmp_path / "two")
    assert digest(path) == digest(again)


@pytest.mark.parametrize(
    ("requirement", "more", "where"),
    [
        ("six", '[tool.uv.sources]\nsix = { path = "../six" }', r"\.\./six"),
        ("Six>=1", "[tool.uv.sources]\nsix = { workspace = true }", "its workspace"),
        ("six @ file:///srv/six", "[tool.hatch.metadata]\nallow-direct-references = true", "file:///srv/six"),
    ],
)
def test_a_package_from_a_place_of_its_own_is_not_taken_from_the_index(folder, tmp_path, requirement, more, where):
    text = (WHEEL % ("etl", "etl")).replace("iniconfig>=2", requirement)
    write(folder / "etl", **{"pyproject.toml": f"{text}\n{more}\n", "src/etl/__init__.py": ""})
    with pytest.raises(UsageError, match=f"needs six from {where}.*, which can't be locked"):
        built(folder, "etl", tmp_path / "made")
