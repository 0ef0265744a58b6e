"""For any tree: a bundle holds what `git archive` gives of the commit, and of files nothing else."""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow.assets.registry import open_registry
from dataflow.deploy import deployments
from dataflow.deploy.bundle.manifest import load_bundle
from dataflow.deploy.deploy import Deployer
from dataflow.deploy.plan.builder import make_plan
from dataflow.deploy.source import open_source
from dataflow.errors import UsageError
from tests.support.standing import lfs, python_package, store

KINDS = ("tracked", "ignored", "untracked", "skipped", "linked", "lfs", "crlf", "submodule")
NAMES = (
    "helper.py",
    "Helper.py",
    "ab_test.py",
    "target/__init__.py",
    "build/rules.py",
    "dist/values.json",
    "å ü/naïve.py",
    "caf\u00e9.txt",
    "cafe\u0301.txt",
    "a b.csv",
    "-dash.py",
    "deep/er/than/this.sql",
    "quote'd.txt",
    "$(x).json",
    "venv/x.py",
    "new\nline.json",
    "tab\t.csv",
    "ünï/~$#&;.txt",
    "back\\slash.txt",
    "[glob]*.csv",
    ":(top)x.json",
    "trailing ",
)


def lay_out(repo, files, *, executable):
    """Write, commit and then disturb a tree; return the contents of LFS files."""
    kinds = {f"top/src/{name}": kind for name, kind in files.items()}
    contents = {name: b"x = 'large'\n" * 200 for name, kind in kinds.items() if kind == "lfs"}
    for name, kind in kinds.items():
        path = repo.write(name, "x = 1\n")
        if executable:
            path.chmod(0o755)
        if kind == "lfs":
            path.write_text(lfs(contents[name]))
            store(repo, contents[name])
        elif kind == "linked":
            path.unlink()
            path.symlink_to(os.path.relpath(repo.folder / target_of(name), path.parent))
        elif kind == "submodule":
            path.unlink()
            path.mkdir()  # as before it is cloned
    ignored = [name for name, kind in kinds.items() if kind == "ignored" and "\n" not in name]
    escaped = (re.sub(r"([\\*?\[# ])", r"\\\1", name) for name in ignored)
    repo.write(".gitignore", "".join(f"/{name}\n" for name in escaped))
    crlf = {Path(name).suffix or "trailing*" for name, kind in kinds.items() if kind == "crlf"}
    repo.write(".gitattributes", "".join(f"*{it} text eol=crlf\n" for it in sorted(crlf)))
    left = [name for name, kind in kinds.items() if kind in {"untracked", "ignored"} and name not in ignored]
    repo.git("add", "-A", "--", ".", *(f":(exclude,literal){it}" for it in left))
    for name, kind in kinds.items():
        if kind == "submodule":
            repo.git("update-index", "--add", "--cacheinfo", "160000", "1" * 40, name)
    repo.git("commit", "-q", "-m", "all")
    for name, kind in kinds.items():
        if kind == "skipped":
            repo.git("update-index", "--skip-worktree", "--", name)
            (repo.folder / name).write_text("x = 'of this disk'\n")
    return contents


def target_of(name):
    return "top/src/write.py" if name.endswith(".py") else "elsewhere/shared.txt"


def given_by_git(repo):
    """Return what a clone that has nothing but the commit gives of it."""
    bare = repo.folder.with_name(f"{repo.folder.name}.git")
    subprocess.run(["git", "clone", "-q", "--bare", repo.folder, bare], check=True)
    data = subprocess.run(["git", "-C", bare, "archive", "HEAD"], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {it.name: archive.extractfile(it).read() for it in archive if not it.isdir()}


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(KINDS), max_size=7), st.booleans())
def test_a_bundle_holds_what_git_archive_gives_and_nothing_else(repo, tmp_path, files, executable):
    repo = type(repo)(tmp_path / uuid.uuid4().hex[:8])
    repo.package("top")
    repo.write("top/identity.yaml", f"owner: alice\npackage_id: alice.{repo.folder.name}\nuuid: {repo.folder.name}\n")
    imports = "".join(f"NAMES = {name!r}\n" for name in files)
    python_package(repo)
    repo.edit("top/src/write.py", "def main", f"{imports}\n\ndef main")
    repo.write("elsewhere/shared.txt", "linked\n")
    contents = lay_out(repo, files, executable=executable)
    (repo.folder / ".git/info/attributes").write_text("* text eol=crlf\n*.csv export-ignore\n")  # of this clone alone

    source = open_source(repo.folder)
    if holes := [name for name, kind in files.items() if kind == "submodule"]:
        with pytest.raises(UsageError, match="lies in a submodule") as caught:
            Deployer(source, make_plan(source, details=False)).deploy()
        assert any(f"top/src/{name}" in caught.value.message for name in holes)
        return
    Deployer(source, make_plan(source, details=False)).deploy()
    registry = open_registry()
    standing = deployments.current(registry, "production").revision.packages
    bundle = load_bundle(registry, standing[f"alice/{repo.folder.name}:top"].bundle)
    held = {**{it.path: it.sha256 for it in bundle.assets}, **bundle.files}
    found = {name: registry.get(sha256) for name, sha256 in held.items()}
    given = given_by_git(repo)
    linked = {f"top/src/{name}" for name, kind in files.items() if kind == "linked"}
    for name in linked:
        given[name] = given[target_of(name)]
    assert found == {name: contents.get(name, given.get(name)) for name in found}
    wanted = {f"top/src/{name}" for name, kind in files.items() if kind not in {"ignored", "untracked"}}
    assert wanted <= set(found)
