"""What is deployed is the commit's tree as git gives it, whatever the disk holds."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from standing import KEY, bundle_of

from dataflow.assets.registry import open_registry
from dataflow.deploy import deployments
from dataflow.deploy.bundle import load_bundle
from dataflow.deploy.deploy import Deploy
from dataflow.deploy.plan import make_plan
from dataflow.deploy.source import open_source
from dataflow.errors import DataflowError, DefinitionError, UsageError


def paths(bundle):
    return {it.path for it in bundle.assets} | set(bundle.files)


def python_package(repo, **files):
    repo.edit("top/main.sch.yaml", "script: src/write.sql", "script: src/write.py")
    repo.write("top/src/write.py", "def main(args, spark): pass\n")
    for name, text in files.items():
        repo.write(f"top/src/{name}", text)


def test_what_git_ignores_is_not_deployed_and_a_script_that_it_ignores_is_refused(repo):
    python_package(repo)
    repo.write(".gitignore", "credentials.json\n*.local.sql\n")
    repo.write("top/src/credentials.json", '{"password": "hunter2"}\n')
    repo.commit()
    repo.deploy()
    assert "top/src/credentials.json" not in paths(bundle_of(repo))
    repo.write("top/src/mine.local.sql", "SELECT 1\n")
    repo.edit("top/main.sch.yaml", "script: ddl.sql", "script: src/mine.local.sql")
    repo.commit()
    with pytest.raises(DefinitionError, match=r"top/src/mine\.local\.sql is ignored by git") as caught:
        repo.deploy()
    assert len({it.message for it in caught.value.problems}) == 1


def test_a_sandbox_leaves_out_what_git_ignores_as_well(repo):
    python_package(repo)
    repo.write(".gitignore", "credentials.json\n")
    repo.write("top/src/credentials.json", "hunter2\n")
    repo.write("top/src/helper.py", "new = 1\n")
    repo.deploy(sandbox=True)
    found = paths(bundle_of(repo, "sandbox-alice"))
    assert "top/src/helper.py" in found
    assert "top/src/credentials.json" not in found


def test_a_script_that_no_commit_has_is_refused_by_name(repo):
    repo.edit("top/main.sch.yaml", "script: ddl.sql", "script: src/new.sql")
    repo.commit()
    repo.write("top/src/new.sql", "SELECT 1\n")
    with pytest.raises(DefinitionError, match=r"top/src/new\.sql is not in commit \w{8}, so it can't be deployed"):
        repo.deploy()


@pytest.mark.parametrize("flag", ["--skip-worktree", "--assume-unchanged"])
def test_what_git_was_told_not_to_look_at_is_deployed_as_the_commit_has_it(repo, flag):
    repo.git("update-index", flag, "top/ddl.sql", "dataflow.yaml")
    repo.write("top/ddl.sql", "SELECT 'of this disk'\n")
    repo.edit("dataflow.yaml", "TARGET_DB: prod", "TARGET_DB: elsewhere")
    repo.deploy()
    bundle = bundle_of(repo)
    (ddl,) = [it for it in bundle.assets if it.path == "top/ddl.sql"]
    assert b"CREATE TABLE" in repo.registry.get(ddl.sha256)
    assert bundle.environment.params["TARGET_DB"] == "prod"


def test_reports_of_a_job_leave_production_production(repo):
    repo.write("report.xml", "<failures/>\n")
    assert repo.deploy().deployment.name == "production"


@pytest.mark.parametrize("setting", [("core.autocrlf", "true"), ("core.eol", "crlf")])
def test_one_commit_is_one_content_whatever_a_user_s_git_is_set_to(repo, setting):
    repo.write(".gitattributes", "* text=auto\n")
    repo.commit()
    first = repo.deploy().deployment.switch.packages[KEY].bundle
    repo.git("config", *setting)
    repo.git("checkout", "-q", "-B", "again")
    assert repo.plan().commit
    repo.git("checkout", "-q", "main")
    assert not repo.deploy().changed
    assert repo.current().switch.packages[KEY].bundle == first


def test_git_s_own_filters_apply(repo):
    repo.write(".gitattributes", "ddl.sql text eol=crlf\n*.sql filter=shout\n")
    repo.git("config", "filter.shout.clean", "cat")
    repo.git("config", "filter.shout.smudge", "sed s/hours/HOURS/")
    repo.git("add", "--renormalize", ".")
    repo.commit()
    repo.deploy()
    (ddl,) = [it for it in bundle_of(repo).assets if it.path == "top/ddl.sql"]
    text = repo.registry.get(ddl.sha256)
    assert b"\r\n" in text
    assert b"HOURS DOUBLE" in text


def test_a_link_within_the_repository_is_its_content_and_one_out_of_it_is_refused(repo, tmp_path):
    python_package(repo)
    repo.write("shared/lib/rules.py", "x = 1\n")
    (repo.folder / "top/src/lib").symlink_to("../../shared/lib")
    (repo.folder / "top/src/alias.py").symlink_to("write.py")
    repo.commit()
    repo.deploy()
    assert {"top/src/lib/rules.py", "top/src/alias.py"} <= paths(bundle_of(repo))
    outside = tmp_path / "outside.py"
    outside.write_text("secret = 1\n")
    (repo.folder / "top/src/out.py").symlink_to(outside)
    repo.commit()
    with pytest.raises(UsageError, match=r"top/src/out\.py lies outside the repository"):
        repo.deploy()
    repo.edit("top/main.sch.yaml", "script: ddl.sql", "script: src/out.sql")
    (repo.folder / "top/src/out.py").unlink()
    (repo.folder / "top/src/out.sql").symlink_to("/etc/hostname")
    repo.commit()
    with pytest.raises(DataflowError, match=r"top/src/out\.sql"):
        repo.deploy()


def test_what_lies_in_a_submodule_is_refused_by_name_and_not_dropped(repo, tmp_path):
    library = type(repo)(tmp_path / "library")
    library.write("rules.py", "x = 1\n")
    library.commit()
    python_package(repo)
    add = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library.folder))
    repo.git(*add, "docs/theme")
    repo.commit()
    repo.deploy()  # beside nothing that is run
    repo.git(*add, "top/src/lib")
    repo.edit("top/src/write.py", "def main", "import lib.rules\n\ndef main")
    repo.commit()
    with pytest.raises(UsageError, match="top/src/lib lies in a submodule"):
        repo.deploy()


def lfs(content):
    sha256 = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(content)}\n"


def store(repo, content, kept=None):
    sha256 = hashlib.sha256(content).hexdigest()
    file = repo.folder / ".git/lfs/objects" / sha256[:2] / sha256[2:4] / sha256
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if kept is None else kept)


def test_a_git_lfs_pointer_is_the_content_that_it_names_or_refused(repo):
    content = b"a,b\n1,2\n" * 1000
    python_package(repo, **{"values.csv": lfs(content), "other.csv": lfs(content)})
    repo.write("big.csv", lfs(b"of nothing that is deployed"))
    repo.commit()
    with pytest.raises(UsageError, match=r"top/src/other\.csv is a Git LFS pointer, and its content is not here") as e:
        repo.deploy()
    assert e.value.hint == "git lfs pull"
    store(repo, content, kept=content[:-1])
    with pytest.raises(UsageError, match="is a Git LFS pointer"):
        repo.deploy()
    store(repo, content)
    repo.deploy()
    assert bundle_of(repo).files["top/src/values.csv"] == hashlib.sha256(content).hexdigest()
    assert not repo.deploy().changed


def test_what_the_filter_of_git_lfs_brings_is_checked_as_well(repo, tmp_path):
    content = b"a,b\n1,2\n"
    (tmp_path / "content").write_bytes(content)
    python_package(repo, **{"values.csv": lfs(content)})
    repo.write(".gitattributes", "*.csv filter=lfs\n")
    repo.git("config", "filter.lfs.clean", "cat")
    repo.commit()
    repo.git("config", "filter.lfs.smudge", "echo something else")
    repo.git("config", "filter.lfs.required", "true")
    with pytest.raises(UsageError, match=r"values\.csv is a Git LFS pointer"):
        repo.deploy()
    repo.git("config", "filter.lfs.smudge", f"cat {tmp_path / 'content'}")
    repo.deploy()
    assert repo.registry.get(bundle_of(repo).files["top/src/values.csv"]) == content


def test_a_pointer_is_not_deployed_to_a_sandbox_either(repo):
    python_package(repo, **{"values.csv": lfs(b"1")})
    with pytest.raises(UsageError, match=r"values\.csv is a Git LFS pointer"):
        repo.deploy(sandbox=True)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("import ab_test", "ab_test.py"),
        ("from ab_test import x", "ab_test.py"),
        ("import test_data", "test_data.py"),
        ("import conftest", "conftest.py"),
        ("import target.deep", "target/deep.py"),
        ("from build import x", "build/__init__.py"),
        ("import dist", "dist/__init__.py"),
        ("import venv.x", "venv/x.py"),
        ("import test", "test/__init__.py"),
        ("from tests.helpers import x", "tests/helpers.py"),
        ("from lib.ab_test import x", "lib/ab_test.py"),
        ("import importlib; importlib.import_module('ab_test')", "ab_test.py"),
        ("open(__file__ + '/../mocks/countries.csv')", "mocks/countries.csv"),
    ],
)
def test_what_a_script_imports_is_deployed_whatever_it_is_called(repo, line, name):
    python_package(repo, **{name: "x = 1\n", "test_other.py": "", "mocks/rows.yaml": ""})
    repo.edit("top/src/write.py", "def main", f"{line}\n\ndef main")
    repo.commit()
    repo.deploy()
    found = paths(bundle_of(repo))
    assert f"top/src/{name}" in found
    assert "top/src/test_other.py" not in found


def test_what_an_import_imports_is_deployed_too(repo):
    python_package(repo, **{"ab_test.py": "import cd_test\n", "cd_test.py": "x = 1\n", "ef_test.py": ""})
    repo.edit("top/src/write.py", "def main", "import ab_test\n\ndef main")
    repo.commit()
    repo.deploy()
    found = paths(bundle_of(repo))
    assert {"top/src/ab_test.py", "top/src/cd_test.py"} <= found
    assert "top/src/ef_test.py" not in found


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("write.py", "def main(args, spark:\n", r"top/src/write\.py:1:\d+: Python: "),
        ("helper.py", "x = = 1\n", r"top/src/helper\.py:1:\d+: Python: "),
        ("helper.py", "<<<<<<< ours\nx = 1\n=======\nx = 2\n>>>>>>> theirs\n", r"helper\.py:1:1: conflict markers"),
        (
            "rules.yaml",
            "a: 1\n<<<<<<< ours\nb: 1\n=======\nb: 2\n>>>>>>> theirs\n",
            r"rules\.yaml:2:1: conflict markers",
        ),
    ],
)
def test_scripts_with_conflict_markers_or_mistakes_of_syntax_are_not_deployed(repo, name, text, said):
    python_package(repo)
    repo.write(f"top/src/{name}", text)
    repo.commit()
    with pytest.raises(DataflowError, match=said):
        repo.deploy()
    assert repo.current() is None


def test_a_sql_script_that_does_not_parse_is_not_deployed(repo):
    repo.write("top/src/write.sql", "INSERT OVERWRITE ${TARGET_TABLE} SELECT (1, FROM x WHERE\n")
    repo.commit()
    with pytest.raises(DataflowError, match=r"top/src/write\.sql:\d+:\d+: SQL: "):
        repo.deploy()


def test_validate_tells_mistakes_of_syntax_before(repo):
    command = [sys.executable, "-m", "dataflow", "workflow", "validate", "top"]
    python_package(repo)
    assert subprocess.run(command, cwd=repo.folder, check=False).returncode == 0
    repo.write("top/src/write.py", "<<<<<<< ours\nx = 1\n=======\nx = 2\n>>>>>>> theirs\n")
    done = subprocess.run(command, cwd=repo.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "top/src/write.py:1:1: conflict markers of a merge" in done.stderr


# ------------------------------------------------------------------------------------- for any tree

KINDS = ("tracked", "ignored", "untracked", "linked", "lfs", "crlf")
NAMES = (
    "helper.py",
    "ab_test.py",
    "target/__init__.py",
    "build/rules.py",
    "dist/values.json",
    "å ü/naïve.py",
    "a b.csv",
    "-dash.py",
    "deep/er/than/this.sql",
    "quote'd.txt",
    "$(x).json",
    "venv/x.py",
    "new\nline.json",
    "tab\t.csv",
    "ünï/~$#&;.txt",
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(KINDS), max_size=7), st.booleans())
def test_a_bundle_holds_what_git_archive_gives_and_nothing_else(repo, tmp_path, files, executable):
    repo = type(repo)(tmp_path / uuid.uuid4().hex[:8])
    repo.package("top")
    repo.write("top/identity.yaml", f"owner: alice\npackage_id: alice.{repo.folder.name}\nuuid: {repo.folder.name}\n")
    python_package(repo)
    imports = "".join(f"NAMES = {name!r}\n" for name in files)
    repo.edit("top/src/write.py", "def main", f"{imports}\n\ndef main")
    repo.write("elsewhere/shared.txt", "linked\n")
    ignored, attributes, contents = [], [], {}
    for name, kind in files.items():
        path = repo.write(f"top/src/{name}", "x = 1\n")
        if kind == "ignored":
            ignored.append(f"/top/src/{name}")
        elif kind == "linked":
            path.unlink()
            target = "top/src/write.py" if path.suffix == ".py" else "elsewhere/shared.txt"
            path.symlink_to(os.path.relpath(repo.folder / target, path.parent))
        elif kind == "lfs":
            contents[f"top/src/{name}"] = b"x = 'large'\n" * 200
            path.write_text(lfs(contents[f"top/src/{name}"]))
            store(repo, contents[f"top/src/{name}"])
        elif kind == "crlf":
            attributes.append(f"*{path.suffix} text eol=crlf\n")
        if executable and not path.is_symlink():
            path.chmod(0o755)
    repo.write(".gitignore", "".join(f"{it}\n" for it in ignored))
    repo.write(".gitattributes", "".join(attributes))
    untracked = [f"top/src/{name}" for name, kind in files.items() if kind == "untracked"]
    repo.git("add", "-A", "--", ".", *(f":(exclude,literal){it}" for it in untracked))
    repo.git("commit", "-q", "-m", "all")

    source = open_source(repo.folder)
    Deploy(source, make_plan(source, details=False)).run()
    registry = open_registry()
    standing = deployments.current(registry, "production").switch.packages
    bundle = load_bundle(registry, standing[f"alice/{repo.folder.name}:top"].bundle)
    data = subprocess.run(["git", "-C", repo.folder, "archive", "HEAD"], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        given = {it.name: archive.extractfile(it).read() for it in archive if not it.isdir()}
    held = {**{it.path: it.sha256 for it in bundle.assets}, **bundle.files}
    found = {name: registry.get(sha256) for name, sha256 in held.items()}
    assert found == {name: contents.get(name, given[name]) for name in found}
    wanted = {f"top/src/{name}" for name, kind in files.items() if kind not in {"ignored", "untracked"}}
    assert wanted <= set(found)


def test_a_name_that_is_no_text_is_told_and_not_a_traceback(repo):
    python_package(repo)
    (repo.folder / os.fsdecode(b"top/odd-\xff.txt")).write_text("beside nothing that is run\n")
    repo.commit()
    repo.deploy()
    (repo.folder / os.fsdecode(b"top/src/odd-\xff.txt")).write_text("x\n")
    repo.commit()
    with pytest.raises(UsageError, match=r"the name of top/src/odd-\\udcff\.txt is not text"):
        repo.deploy()


def test_a_definition_that_git_ignores_is_refused_with_that_reason(repo):
    repo.git("mv", "top/main.sch.yaml", "top/inner.sch.yaml")
    repo.edit("top/daily.sch.yaml", "./main.sch.yaml", "./local.sch.yaml")
    repo.write(".gitignore", "local.sch.yaml\n")
    repo.write("top/local.sch.yaml", (repo.folder / "top/inner.sch.yaml").read_text())
    repo.commit()
    with pytest.raises(DefinitionError, match=r"top/local\.sch\.yaml is ignored by git"):
        repo.deploy()


def test_sql_that_spark_knows_and_others_doubt_is_deployed(repo):
    repo.write("top/src/write.sql", "INSERT INTO ${TARGET_TABLE} SELECT id:a.b, 1D, NULL FROM ${SOURCE_TABLE};\n")
    repo.commit()
    assert repo.deploy().changed


def test_conflict_markers_in_a_wheel_and_in_a_definition_are_told(repo):
    python_package(repo)
    marked = "<<<<<<< ours\nx = 1\n=======\nx = 2\n>>>>>>> theirs\n"
    repo.write(
        "top/pyproject.toml",
        """
        [build-system]
        requires = ["hatchling"]
        build-backend = "hatchling.build"
        [project]
        name = "ranks"
        version = "1"
        """,
    )
    repo.write("top/ranks/__init__.py", marked)
    repo.commit()
    with pytest.raises(DataflowError, match=r"top/ranks/__init__\.py:1:1: conflict markers"):
        repo.deploy()
    repo.write("top/main.sch.yaml", marked)
    repo.commit()
    with pytest.raises(DefinitionError, match=r"top/main\.sch\.yaml:\d+:\d+: "):
        repo.deploy()


def test_a_linked_work_tree_deploys_its_own_commit(repo, tmp_path):
    repo.deploy()
    repo.git("worktree", "add", "-q", "-b", "feature", str(tmp_path / "linked" / "films"))
    linked = object.__new__(type(repo))
    linked.folder = tmp_path / "linked" / "films"
    linked.edit("top/src/write.sql", "<= 10", "<= 20")
    linked.commit()
    done = linked.deploy()
    assert done.deployment.name == "branch-feature-alice"
    (asset,) = [it for it, _ in done.assets if it.path == "top/src/write.sql"]
    assert b"<= 20" in repo.registry.get(asset.sha256)
