from __future__ import annotations

import pytest

from dataflow.errors import DataflowError
from dataflow.spark import java
from dataflow.spark.java import Java, find_java


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch, tmp_path):
    """A machine with no Java but the ones that a test installs below tmp_path."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(java, "_USUAL_PLACES", (f"{tmp_path}/jvm/*",))


def install(home, version=None, script="#!/bin/sh\nexit 1\n"):
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").write_text(script)
    (home / "bin" / "java").chmod(0o755)
    if version:
        (home / "release").write_text(f'IMPLEMENTOR="Acme"\nJAVA_VERSION="{version}"\n')
    return home


def test_java_home_comes_first(monkeypatch, tmp_path):
    install(tmp_path / "jvm" / "a", "17.0.1")
    chosen = install(tmp_path / "mine", "21.0.2")
    monkeypatch.setenv("JAVA_HOME", str(chosen))
    assert find_java() == Java(chosen, "21.0.2", "Acme")


def test_a_fit_java_is_found_among_unfit_ones(tmp_path):
    for version in ("8", "11.0.1", "21.0.2", "17.0.9", "25"):
        install(tmp_path / "jvm" / f"jdk-{version}", version)
    assert find_java().version == "17.0.9"


def test_the_java_on_the_path_is_taken_before_the_usual_places(tmp_path):
    install(tmp_path / "jvm" / "jdk", "17.0.9")
    real = install(tmp_path / "tools", "21.0.2")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").symlink_to(real / "bin" / "java")
    assert find_java().home == real


def test_an_unfit_java_home_is_passed_over_and_said(monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(install(tmp_path / "new", "25.0.3")))
    other = install(tmp_path / "jvm" / "jdk", "17.0.9")
    said = []
    assert find_java(said.append).home == other
    assert said == [f"JAVA_HOME is Java 25.0.3; using Java 17.0.9 in {other}"]


def test_without_a_fit_java_one_line_says_what_to_install(monkeypatch, tmp_path):
    install(tmp_path, "11.0.1")
    monkeypatch.setattr(java, "install_command", lambda: "sudo get java")
    with pytest.raises(DataflowError) as caught:
        find_java()
    assert caught.value.message == (
        "Spark needs Java 17 or 21, which was not found (the PATH has Java 11.0.1); install it:  sudo get java"
    )
    assert "\n" not in caught.value.message


def test_a_java_without_a_release_file_is_asked(monkeypatch, tmp_path):
    script = (
        "#!/bin/sh\n"
        "echo 'Property settings:\n    java.home = /opt/real\n    java.vendor = Acme\n    java.version = 17.0.3' >&2\n"
    )
    monkeypatch.setenv("JAVA_HOME", str(install(tmp_path / "shim", script=script)))
    found = find_java()
    assert (str(found.home), found.version, found.vendor) == ("/opt/real", "17.0.3", "Acme")


@pytest.mark.parametrize(("version", "major"), [("1.8.0_292", 8), ("17.0.15", 17), ("21", 21), ("22-ea", 22)])
def test_the_major_version_is_read_from_any_numbering(tmp_path, version, major):
    assert Java(tmp_path, version, "").major == major
