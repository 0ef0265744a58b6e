"""What is deployed is the commit's tree as git gives it, whatever the disk holds."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import replace

import pytest

from dataflow.deploy.deploy import Deployer
from dataflow.deploy.plan.builder import make_plan
from dataflow.errors import DataflowError, DefinitionError, UsageError
from dataflow.repository.commit import tree_of_commit
from tests.support.standing import KEY, bundle_of, lfs, paths, python_package, store

pytestmark = pytest.mark.slow


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
    first = repo.deploy().deployment.revision.packages[KEY].bundle
    repo.git("config", *setting)
    repo.git("checkout", "-q", "-B", "again")
    assert repo.plan().commit
    repo.git("checkout", "-q", "main")
    assert not repo.deploy().changed
    assert repo.current().revision.packages[KEY].bundle == first


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


def test_what_the_filter_of_git_lfs_brings_is_checked_as_well(repo, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")  # where Git LFS is installed, it has a filter of its own
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
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


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("import schema_pb2", "schema_pb2.py"),
        ("from lib import rules", "lib/rules.py"),
        ("import lib.rules as r", "lib/rules.py"),
        ("from gen.deep import x", "gen/deep/__init__.py"),
    ],
)
@pytest.mark.parametrize("why", ["is ignored by git", "is not in commit", "is left out of commits' content"])
def test_an_import_that_is_on_the_disk_alone_is_refused_by_name_and_not_dropped(repo, line, name, why):
    python_package(repo, **{"lib/__init__.py": ""})
    repo.edit("top/src/write.py", "def main", f"import json, pyspark\n{line}\n\ndef main")
    if "ignored" in why:
        repo.write(".gitignore", f"/top/src/{name}\n")
    if "left out" in why:
        repo.write(f"top/src/{name}", "x = 1\n")
        repo.write(".gitattributes", f"/top/src/{name} export-ignore\n")
    repo.commit()
    repo.write(f"top/src/{name}", "x = 1\n")
    first = name.removesuffix("/deep/__init__.py")
    with pytest.raises(UsageError, match=rf"top/src/{first}.* {why}"):
        repo.deploy()
    if "ignored" in why:
        with pytest.raises(UsageError, match=rf"top/src/{first}.* is ignored by git"):
            repo.deploy(sandbox=True)
    (repo.folder / "top/src" / name).unlink()
    if "left out" not in why:
        assert repo.deploy().changed  # an installed package may have that name


def test_what_this_clone_alone_says_of_files_changes_nothing(repo):
    repo.write(".gitattributes", "*.txt export-subst\n")
    python_package(repo, **{"version.txt": "$Format:%H %D$\n"})
    commit = repo.commit()
    repo.git("tag", "v1")
    first = repo.deploy().deployment.revision.packages[KEY].bundle
    text = repo.registry.get(bundle_of(repo).files["top/src/version.txt"]).decode()
    assert text.startswith(commit)
    assert "v1" in text
    repo.git("branch", "another")
    (repo.folder / ".git/info/attributes").write_text("* text eol=crlf\n*.sql export-ignore\n")
    assert not repo.deploy().changed
    assert repo.current().revision.packages[KEY].bundle == first


def test_a_repository_within_is_refused_by_name_in_a_sandbox_too(repo):
    python_package(repo)
    inner = type(repo)(repo.folder / "top/src/lib")
    inner.write("rules.py", "x = 1\n")
    inner.commit()
    with pytest.raises(UsageError, match="top/src/lib lies in a repository of its own"):
        repo.deploy(sandbox=True)


@pytest.mark.parametrize(
    ("link", "to", "said"),
    [
        ("loop.py", "loop.py", r"top/src/loop\.py is a link to loop\.py, which is not here"),
        ("none.py", "../../nowhere.py", r"top/src/none\.py is a link to \.\./\.\./nowhere\.py, which is not here"),
        ("git.txt", "../../.git/config", r"top/src/git\.txt is a link to \.\./\.\./\.git/config, which is not here"),
        ("etc", "/etc", "top/src/etc lies outside the repository"),
    ],
)
def test_a_link_that_leads_nowhere_is_refused_by_its_own_name(repo, link, to, said):
    python_package(repo)
    (repo.folder / "top/src" / link).symlink_to(to)
    repo.commit()
    with pytest.raises(UsageError, match=said):
        repo.deploy()


def test_a_commit_that_writes_through_a_link_is_refused(repo, tmp_path):
    def make(kind, data):
        command = ["git", "-C", repo.folder, "hash-object", "-t", kind, "-w", "--stdin", "--literally"]
        return subprocess.run(command, input=data, capture_output=True, check=True).stdout.decode().strip()

    (tmp_path / "outside").mkdir()
    inner = make("tree", b"100644 evil.txt\0" + bytes.fromhex(make("blob", b"evil")))
    link = make("blob", str(tmp_path / "outside").encode())
    rows = [("120000", "a", link), ("40000", "a", inner), ("40000", "top", repo.git("rev-parse", "HEAD:top"))]
    rows.insert(2, ("100644", "dataflow.yaml", repo.git("rev-parse", "HEAD:dataflow.yaml")))
    top = make("tree", b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(oid) for mode, name, oid in rows))
    repo.git("update-ref", "refs/heads/main", repo.git("commit-tree", "-m", "evil", top))
    with pytest.raises(DataflowError):
        tree_of_commit(replace(repo.source(disk=True).checkout, commit=repo.git("rev-parse", "HEAD"))).fill()
    assert not list((tmp_path / "outside").iterdir())


def test_a_change_writes_the_files_of_its_own_package_alone(repo):
    repo.write(".gitattributes", "* text=auto\n*.png filter=lfs diff=lfs merge=lfs -text\n")
    for name in ("b1", "b2", "deep/b3"):
        repo.package(name)
        repo.write(f"{name}/identity.yaml", f"owner: alice\npackage_id: alice.{name[-2:]}\nuuid: {name}\n")
    repo.commit()
    repo.deploy()
    repo.edit("b1/src/write.sql", "<= 10", "<= 20")
    repo.commit()
    source = repo.source()
    planned = make_plan(source)
    assert [it.key for it in planned.plan.changes] == ["alice/films:b1"]
    written = {it.relative_to(source.root).as_posix() for it in source.root.rglob("*") if it.is_file()}
    assert {name for name in written if "/" in name} == {
        f"b1/{name}" for name in ("main.sch.yaml", "daily.sch.yaml", "ddl.sql", "identity.yaml", "src/write.sql")
    }
    assert Deployer(source, planned).deploy().changed


def test_a_package_that_uses_another_s_files_finds_them(repo):
    repo.write("shared/write.sql", (repo.folder / "top/src/write.sql").read_text())
    repo.edit("top/main.sch.yaml", "script: src/write.sql", "script: ../shared/write.sql")
    repo.commit()
    repo.deploy()
    assert "shared/write.sql" in paths(bundle_of(repo))


def test_a_sparse_clone_deploys_the_project_of_the_commit(repo):
    repo.git("sparse-checkout", "set", "--no-cone", "/top/")
    assert not (repo.folder / "dataflow.yaml").exists()
    assert repo.deploy().deployment.name == "production"


def test_a_submodule_at_another_commit_leaves_production_production(repo, tmp_path):
    library = type(repo)(tmp_path / "library")
    library.commit()
    repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library.folder), "docs/theme")
    repo.commit()
    subprocess.run(["git", "-C", repo.folder / "docs/theme", "checkout", "-q", "--orphan", "x"], check=True)
    theme = object.__new__(type(repo))
    theme.folder = repo.folder / "docs/theme"
    theme.commit("another")
    assert repo.deploy().deployment.name == "production"


def test_a_package_that_export_ignore_leaves_out_is_named(repo):
    repo.deploy()
    repo.write(".gitattributes", "top/daily.sch.yaml export-ignore\n")
    repo.commit()
    assert repo.source().left_out() == ["export-ignore in .gitattributes leaves out top/daily.sch.yaml"]
