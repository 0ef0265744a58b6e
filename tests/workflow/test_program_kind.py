from __future__ import annotations

import pytest

from dataflow.workflow.program_kind import Kind, program_kind, sbt_project


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("write.sql", Kind.SQL),
        ("write.py", Kind.PYTHON),
        ("write.R", Kind.R),
        ("target/flow.jar", Kind.JAR),
        ("write.txt", None),
        ("x" * 5000, None),
    ],
)
def test_a_program_is_told_by_its_ending(tmp_path, name, kind):
    assert program_kind(tmp_path / name) is kind


def test_a_folder_is_taken_for_an_sbt_project(tmp_path):
    assert program_kind(tmp_path) is Kind.JAR


@pytest.mark.parametrize("jar", [".", "target/flow.jar", "target/scala-2.13/flow_2.13-0.1.jar"])
def test_the_project_of_a_jar_is_the_one_whose_target_it_lies_in(tmp_path, jar):
    assert sbt_project(tmp_path / jar) is None

    (tmp_path / "build.sbt").touch()

    assert sbt_project(tmp_path / jar) == tmp_path


def test_a_jar_that_lies_elsewhere_has_no_project(tmp_path):
    (tmp_path / "build.sbt").touch()

    assert sbt_project(tmp_path / "lib" / "flow.jar") is None
