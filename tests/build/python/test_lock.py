"""What a Python project needs, locked: one lock for whatever runs its code, and nothing that is not meant by it."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import pytest

from dataflow.build.python import own_requirements
from dataflow.build.python.environment import environment, python_for
from dataflow.build.python.lock import lock_of, renew
from dataflow.errors import DataflowError, UsageError


def uv(*arguments, cwd):
    from uv import find_uv_bin

    subprocess.run([find_uv_bin(), "-q", *arguments, "--python", sys.executable], cwd=cwd, check=True)


def test_a_missing_lock_is_made_and_named_and_serves_from_then_on(locked, work):
    lock, said = locked("dfcolours<2")
    assert lock.versions == {"dfcolours": "1.0"}
    assert "made titles/pylock.toml: commit it, and everybody runs on the same packages" in said
    assert (work / "titles/pylock.toml").is_file()
    again, said = locked("dfcolours<2")
    assert (again.text, said) == (lock.text, [])


def test_a_project_that_needs_nothing_has_no_lock(locked, work):
    assert locked() == (None, [])
    assert not (work / "titles/pylock.toml").exists()


def test_a_lock_that_is_stale_is_refused_with_the_command_that_renews_it(locked, work, project):
    locked("dfcolours<2")
    with pytest.raises(UsageError, match=r"titles/pylock\.toml is stale") as refused:
        locked("dfcolours>=2")
    assert refused.value.hint == "renew and commit it:  dataflow project lock titles"
    assert renew(project("dfcolours>=2")) == work / "titles/pylock.toml"
    assert locked("dfcolours>=2")[0].versions == {"dfcolours": "2.0"}


def test_a_uv_lock_serves_and_is_refused_once_it_is_stale(locked, work, project):
    project("dfcolours<2")
    uv("lock", cwd=work / "titles")
    lock, said = locked("dfcolours<2")
    assert (lock.versions, lock.where, said) == ({"dfcolours": "1.0"}, "titles/uv.lock", [])
    with pytest.raises(UsageError, match=r"titles/uv\.lock is stale") as refused:
        locked("dfcolours>=2")
    assert refused.value.hint == "renew and commit it:  uv lock --project titles"
    renew(project("dfcolours>=2"))
    assert locked("dfcolours>=2")[0].versions == {"dfcolours": "2.0"}
    assert not (work / "titles/pylock.toml").exists()


def test_a_pylock_that_another_tool_made_holds_what_is_asked_for_or_is_refused(locked, work):
    locked("dfcolours<2")
    file = work / "titles/pylock.toml"
    file.write_text(file.read_text().partition("[tool.dataflow]")[0])
    assert locked("dfcolours<2")[0].versions == {"dfcolours": "1.0"}
    for asked in (("dfcolours>=2",), ("dfcolours", "dfother")):
        with pytest.raises(UsageError, match="is stale"):
            locked(*asked)


@pytest.mark.parametrize("text", ["packages = 3", "packages = [[]]", "not toml", "[[packages]]\nversion = '1'"])
def test_what_is_not_a_lock_is_said_to_be_none(locked, work, text):
    locked("dfcolours<2")
    (work / "titles/pylock.toml").write_text(text)
    with pytest.raises(UsageError, match=r"titles/pylock\.toml is not a lock"):
        locked("dfcolours<2")


def test_what_clashes_with_dataflow_is_refused_with_both_sides_when_it_is_locked(locked, work):
    with pytest.raises(DataflowError, match=r"(?s)beside what Dataflow needs .*rich>=14.*") as refused:
        locked("rich==10.0.0")
    assert "rich==10.0.0" in refused.value.message
    assert not (work / "titles/pylock.toml").exists()


def test_what_clashes_with_dataflow_in_a_committed_lock_is_refused_with_both_sides(locked, work, project, index):
    index.add("rich", "10.0.0")
    more = '[tool.uv.sources]\nrich = { index = "ours" }\n'
    project("rich==10.0.0", more=more)
    uv("lock", cwd=work / "titles")
    with pytest.raises(UsageError) as refused:
        locked("rich==10.0.0", more=more)
    told = refused.value.message
    assert "titles/uv.lock clashes with Dataflow: rich 10.0.0 is locked, and Dataflow needs >=14" in told


def test_what_a_package_of_dataflow_needs_is_a_constraint_as_well(locked, index):
    index.add("annotated_types", "0.0.1")
    with pytest.raises(DataflowError, match=r"annotated-types 0\.0\.1 is locked, and pydantic, which Dataflow brings"):
        locked("annotated-types==0.0.1", more='[tool.uv.sources]\nannotated-types = { index = "ours" }\n')


@pytest.mark.parametrize("asked", ["<3.11", "==3.8.*", ">=3.99"])
def test_another_python_is_refused(locked, asked):
    with pytest.raises(UsageError, match=r"titles/pyproject\.toml requires Python .* Dataflow runs on 3\.\d+ here"):
        locked("dfcolours", python=asked)
    with pytest.raises(UsageError, match="requires Python"):
        locked(python=asked)


def test_a_range_of_pythons_that_is_none_is_named(locked):
    with pytest.raises(UsageError, match=r"titles/pyproject\.toml: 'three' is not a range of Python versions"):
        locked("dfcolours", python="three")


@pytest.mark.parametrize(
    ("needs", "more", "where"),
    [
        ("six", '[tool.uv.sources]\nsix = { path = "../six" }', r"\.\./six"),
        ("Six>=1", "[tool.uv.sources]\nsix = { workspace = true }", "its workspace"),
        (
            "six[x]; python_version > '3'",
            '[tool.uv.sources]\nsix = [{ path = "../six", editable = true }]',
            r"\.\./six",
        ),
        ("six @ file:///srv/six", "", "file:///srv/six"),
    ],
)
def test_a_package_of_this_checkout_is_refused_and_never_a_stranger_s(locked, work, needs, more, where):
    with pytest.raises(UsageError, match=f"needs six from {where}, which can't be locked"):
        locked(needs, more=more)
    assert not (work / "titles/pylock.toml").exists()


def test_a_package_of_a_named_index_is_that_one_and_never_the_public_one_of_its_name(locked, index):
    index.add("humanize", "0.1")
    lock, _ = locked("humanize", more='[tool.uv.sources]\nhumanize = { index = "ours" }\n')
    assert lock.versions == {"humanize": "0.1"}
    assert index.url in lock.text
    assert "pypi.org" not in lock.text


@pytest.mark.slow
def test_a_named_index_that_can_t_be_reached_is_told_and_no_other_is_asked(locked, index):
    index.server.shutdown()
    index.server.server_close()
    with pytest.raises(DataflowError, match=r"what titles/pyproject\.toml needs can't be had"):
        locked("six", more='[tool.uv.sources]\nsix = { index = "ours" }\n')


@pytest.mark.parametrize("kind", ["pylock.toml", "uv.lock"])
def test_the_credentials_of_a_named_index_are_uv_s_variables_and_stand_in_no_lock(
    locked, project, work, index, kind, monkeypatch
):
    index.close("alice", "s3cr3t")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    with pytest.raises(DataflowError, match="can't be had"):
        locked("dfcolours<2")
    monkeypatch.setenv("UV_INDEX_OURS_USERNAME", "alice")
    monkeypatch.setenv("UV_INDEX_OURS_PASSWORD", "s3cr3t")
    if kind == "uv.lock":
        project("dfcolours<2")
        uv("lock", cwd=work / "titles")
    lock, _ = locked("dfcolours<2")
    assert "s3cr3t" not in (work / "titles" / kind).read_text() + lock.text
    assert subprocess.run([environment([lock]), "-c", "import dfcolours"], check=True).returncode == 0


def test_wheels_in_a_folder_are_named_from_where_the_lock_is(locked, work, index):
    more = f'[[tool.uv.index]]\nname = "folder"\nurl = "../../{index.folder.name}"\nformat = "flat"\n'
    lock, _ = locked("dfcolours<2", more=more, own=False)
    text = (work / "titles/pylock.toml").read_text()
    assert '"../../index/dfcolours-1.0-py3-none-any.whl"' in text
    assert str(work) not in text
    assert [name for name, _ in lock.local()] == ["dfcolours"]
    python = environment([lock])
    assert subprocess.run([python, "-c", "import dfcolours"], check=True).returncode == 0


def test_an_environment_holds_what_is_locked_and_dataflow_stands_behind(locked):
    lock, said = locked("dfcolours<2")
    python = environment([lock], said.append)
    assert said[-1] == "making the Python environment of titles …"
    code = "import dfcolours, dataflow, pyspark, sys; print(dfcolours.VERSION, sys.prefix); import multiprocessing"
    done = subprocess.run([python, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"1.0 {python.parents[1]}\n"
    count = len(said)
    assert environment([lock], said.append) == python
    assert len(said) == count
    (python.parents[1] / "dataflow-complete").unlink()  # as if it had been killed before its end
    (python.parents[1] / "lib").rename(python.parents[1] / "torn")
    assert environment([lock], said.append) == python
    assert subprocess.run([python, "-c", "import dfcolours"], check=True).returncode == 0


def test_what_is_not_as_it_was_locked_is_not_installed(locked):
    lock, _ = locked("dfcolours<2")
    lock = replace(lock, text=re.sub(r'sha256 = "\w+"', f'sha256 = "{"0" * 64}"', lock.text))
    with pytest.raises(DataflowError, match=r"(?s)could not be made:.*[Hh]ash mismatch"):
        environment([lock])


def test_what_dataflow_brings_in_the_same_version_is_not_installed_again(locked, index):
    index.add("pyspark", "4.1.3")
    lock, _ = locked("dfcolours<2", "pyspark", more='[tool.uv.sources]\npyspark = { index = "ours" }\n')
    assert set(lock.versions) == {"dfcolours", "pyspark"}
    python = environment([lock])
    code = "import pyspark, dfcolours; print(pyspark.__file__)"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    assert "/environments/" not in done.stdout


def test_locks_that_disagree_are_refused_by_name_and_others_share_an_environment(project, index):
    index.add("dfshapes", "1.0")
    one = lock_of(project("dfcolours<2", name="titles"))
    two = lock_of(project("dfcolours>=2", name="ranks"))
    three = lock_of(project("dfshapes", "dfcolours<2", name="charts"))
    with pytest.raises(UsageError, match=r"titles/pylock\.toml has dfcolours 1\.0, ranks/pylock\.toml has 2\.0: a run"):
        environment([one, two])
    python = environment([one, three])
    code = "import dfcolours, dfshapes; print(dfcolours.VERSION, dfshapes.VERSION)"
    assert subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout == "1.0 1.0\n"


def test_a_project_that_is_dataflow_s_own_needs_none(project, work):
    project("dfcolours", name=own_requirements.NAME)
    assert python_for([work / own_requirements.NAME / "script.py"]) is None


def test_the_lock_of_a_workspace_serves_its_members(project, work, index):
    head = '[project]\nname = "all"\nversion = "1"\nrequires-python = ">=3.11"\n'
    workspace = '[tool.uv.workspace]\nmembers = ["titles"]\n'
    (work / "pyproject.toml").write_text(f"{head}{workspace}{index.table()}")
    made = project("dfcolours<2", own=False)
    uv("lock", cwd=work)
    assert lock_of(made).versions == {"dfcolours": "1.0"}
