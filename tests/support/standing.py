"""What stands in an environment of the tests' repository."""

from __future__ import annotations

import hashlib

from dataflow.deploy.bundle.manifest import load_bundle

KEY = "alice/films:top"


def bundle_of(repo, name="production", key=KEY):
    return load_bundle(repo.registry, repo.current(name).revision.packages[key].bundle)


def paths(bundle):
    return {it.path for it in bundle.assets} | set(bundle.files)


def python_package(repo, **files):
    repo.edit("top/main.sch.yaml", "script: src/write.sql", "script: src/write.py")
    repo.write("top/src/write.py", "def main(args, spark): pass\n")
    for name, text in files.items():
        repo.write(f"top/src/{name}", text)


def lfs(content):
    sha256 = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(content)}\n"


def store(repo, content, kept=None):
    sha256 = hashlib.sha256(content).hexdigest()
    file = repo.folder / ".git/lfs/objects" / sha256[:2] / sha256[2:4] / sha256
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if kept is None else kept)
